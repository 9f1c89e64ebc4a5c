"""What a user should know of the model before it is trained on these rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.models import class_heads
from workbench.tasks.experiment import Experiment
from workbench.tasks.interface import Prepared
from workbench.train import lengths


def notes(experiment: Experiment, prepared: Prepared[Any, Any], config: Mapping[str, Any] | None = None) -> list[str]:
    """Sentences, as `check` and the run say them. `config` is the model's own where its file is not here yet."""
    own = config or lengths.config_of(experiment)
    return [*_about_head(experiment, prepared, own), *_about_vocabulary(experiment, prepared, own)]


def _about_vocabulary(experiment: Experiment, prepared: Prepared[Any, Any], config: Mapping[str, Any]) -> Iterator[str]:
    known, wanted = config.get("vocab_size"), len(prepared.tokenizer)
    if experiment.model.kind == "scratch" or experiment.recipe.train.method != "full" or not isinstance(known, int):
        return
    if wanted > known:
        yield (
            f"the tokenizer has {wanted} tokens and the model embeddings for {known}: {wanted - known} are added, "
            "which begin as the mean of the others"
        )


def _about_head(experiment: Experiment, prepared: Prepared[Any, Any], config: Mapping[str, Any]) -> Iterator[str]:
    if prepared.labels and experiment.model.kind != "scratch":
        said = class_heads.head_rows(config, prepared.labels, experiment.spec.head).said
        if said is not None:
            yield said
