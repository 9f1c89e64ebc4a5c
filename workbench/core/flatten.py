"""A resolved recipe as a flat table of dotted fields. Beside no pydantic, so that the first frame need not load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TABLES: Final = frozenset(
    {"model.config", "launch.env", "train.optimizer_args", "train.schedule_args", "train.class_weights"}
)
"""Fields that are tables themselves, whose keys the user chooses."""


def flatten(resolved: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A resolved recipe as `train.learning_rate` → value; what is in `TABLES` stays one value."""
    flat: dict[str, Any] = {}
    for key, value in resolved.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in TABLES:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
