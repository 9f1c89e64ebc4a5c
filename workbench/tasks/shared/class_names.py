"""The names of classes, as a model's config has them, and a model whose head is for these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.models import class_heads, weights
from workbench.models.class_heads import HeadRows
from workbench.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.interface import Prepared


def named(labels: Sequence[str]) -> dict[str, object]:
    """The fields of a config whose model has these classes, in id order."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }


def load_classifier(
    head: Any, spec: TaskSpec, prepared: Prepared[Any, Any], located: Located, config: Mapping[str, object]
) -> tuple[PreTrainedModel, list[str]]:
    """As `weights.load_model`, of a model whose head has a row for each class: those of a checkpoint by their names.

    `config` is set besides the classes. Raises ModelError.
    """
    asked = prepared.recipe.model
    rows = HeadRows(None)
    if located.kind != "scratch":
        own = weights.read_config(asked, located, {}).to_dict()
        rows = class_heads.head_rows(own, prepared.labels, spec.head)
    # What the recipe says of them is of the checkpoint's head.
    plain = {name: value for name, value in asked.config.items() if name not in named(())}
    asked = asked.model_copy(update={"config": plain})
    model, new = weights.load_model(head, asked, located, {**named(prepared.labels), **config})
    return model, class_heads.settle(model, rows, len(prepared.labels), new)


def names_in(config: PreTrainedConfig) -> list[str]:
    """The names of a model's classes, in id order."""
    names = {int(place): str(name) for place, name in (config.id2label or {}).items()}
    return [names[place] for place in sorted(names)]
