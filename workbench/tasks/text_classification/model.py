"""The classifier: transformers' `…ForSequenceClassification`, and what its config keeps for those who use it.

That is, beside the names of the labels: `text_pairs`, `thresholds` of several labels, and, while it is trained,
`target_mean` and `target_std` of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.data.tables.targets import Scale
from workbench.models import class_heads, weights
from workbench.recipe.schema import Problem
from workbench.tasks.shared.class_names import load_classifier, names_in
from workbench.tasks.text_classification.spec import SPEC

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from workbench.models.locate import Located
    from workbench.tasks.text_classification.data import PreparedTexts

THRESHOLD: Final = 0.5
_PROBLEM_TYPE: Final[dict[Problem, str]] = {
    "single-label": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}


def load(prepared: PreparedTexts, located: Located) -> tuple[PreTrainedModel, list[str]]:
    from transformers import AutoModelForSequenceClassification

    tokenizer = prepared.tokenizer
    config: dict[str, object] = {"problem_type": _PROBLEM_TYPE[prepared.own.problem]}
    config |= weights.vocabulary(located, tokenizer, "pad_token_id")
    model, new = load_classifier(AutoModelForSequenceClassification, SPEC, prepared, located, config)
    model.config.pad_token_id = tokenizer.pad_token_id
    if prepared.own.scale is not None and not _is_new(model, len(prepared.labels), new):
        _onto_scale(model, scale_of(model.config), prepared.own.scale)
    model.config.update(_kept(prepared))
    return model, new


def _is_new(model: PreTrainedModel, outputs: int, new: list[str]) -> bool:
    found = class_heads.output_of(model, outputs)
    return found is None or "*" in new or f"{found[0]}.weight" in new


def _onto_scale(model: PreTrainedModel, own: Scale, scale: Scale) -> None:
    """A head that answers in the user's units, or on another scale, goes on from there on the scale of these rows."""
    class_heads.rescaled(model, own.std / scale.std, (own.mean - scale.mean) / scale.std, model.state_dict())


def finish(prepared: PreparedTexts, model: PreTrainedModel, weights: Mapping[str, torch.Tensor]) -> str | None:
    """Fold the scale of numbers into the head: whoever uses the model gets them in the user's units.

    A head without a bias cannot hold their mean, which then stays in the config; returns a sentence about it.
    """
    scale, config = prepared.own.scale, model.config
    if scale is None:
        return None
    if class_heads.rescaled(model, scale.std, scale.mean, weights):
        del config.target_mean, config.target_std
        return None
    config.target_std = [1.0] * len(scale.std)
    return (
        f"the head of {config.model_type} has no bias: plain transformers' answers lack target_mean of config.json, "
        "which is to be added to them"
    )


def scale_of(config: PreTrainedConfig) -> Scale:
    """How the outputs of a regression are turned back; as they are where nothing is said of it."""
    several = len(names_in(config))
    mean = getattr(config, "target_mean", None) or [0.0] * several
    return Scale(np.array(mean), np.array(getattr(config, "target_std", None) or [1.0] * several))


def _kept(prepared: PreparedTexts) -> dict[str, object]:
    """What answers need to know and no config of transformers has a field for."""
    facts = prepared.own
    kept: dict[str, object] = {"text_pairs": facts.pairs}
    if facts.problem == "multi-label":
        asked = prepared.recipe.evaluate.thresholds
        first = THRESHOLD if asked == "best" else asked
        kept["thresholds"] = list(first) if isinstance(first, list) else [float(first)] * len(prepared.labels)
    if facts.scale is not None:
        kept["target_mean"] = facts.scale.mean.tolist()
        kept["target_std"] = facts.scale.std.tolist()
    return kept
