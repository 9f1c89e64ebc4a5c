"""The names of classes, as a model's config has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def named(labels: Sequence[str]) -> dict[str, object]:
    """The fields of a config whose model has these classes, in id order."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }


def names_in(config: PreTrainedConfig) -> list[str]:
    """The names of a model's classes, in id order."""
    names = {int(place): str(name) for place, name in (config.id2label or {}).items()}
    return [names[place] for place in sorted(names)]
