"""The classifier: transformers' `…ForSequenceClassification`, and what its config keeps for those who use it.

That is, beside the names of the labels: `text_pairs`, `thresholds` of several labels, and `target_mean` and
`target_std` of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workbench.models import weights
from workbench.recipe.schema import Problem
from workbench.tasks.shared.class_names import named

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
    config = named(prepared.labels) | {"problem_type": _PROBLEM_TYPE[prepared.own.problem]}
    config |= weights.vocabulary(located, tokenizer, "pad_token_id")
    model, new = weights.load_model(AutoModelForSequenceClassification, prepared.recipe.model, located, config)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.update(_kept(prepared))
    return model, new


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
