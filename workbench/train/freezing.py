"""Weights that stay as they are: the lowest layers, those whose names fit a pattern, or all but the head.

A frozen layer keeps its dropout: Trainer puts the whole model into training mode at every step, and what is trained
above sees the same noise that it was pretrained under. `model.dropout = 0` turns it off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from workbench.core.errors import BadInput
from workbench.core.suggest import nearest
from workbench.recipe import Train
from workbench.train.anatomy import Anatomy, anatomy

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def frozen(model: PreTrainedModel, train: Train, new: Collection[str]) -> set[str]:
    """Names of the weights that are not to learn. `new` are those with no pretrained value: never frozen by
    `head_only`. Raises BadInput where a field means nothing for this model.
    """
    build = anatomy(model)
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    if train.freeze_layers:
        found |= _lowest(build, names, train.freeze_layers)
    for pattern in train.freeze:
        found |= _fitting(pattern, names)
    if train.head_only:
        found |= {name for name in names if name not in build.head and name not in new}
    return found


def freeze(model: PreTrainedModel, names: Collection[str]) -> None:
    """Freeze them. Raises BadInput where nothing would be left to learn."""
    left = [name for name, _ in model.named_parameters() if name not in names]
    if not left:
        raise BadInput(
            "no weight is left to learn",
            where="train",
            hint="freeze less; the head of this model may share its weights with the embeddings",
        )
    for name, weight in model.named_parameters():
        weight.requires_grad_(weight.requires_grad and name not in names)


def _lowest(build: Anatomy, names: Iterable[str], layers: int) -> set[str]:
    if layers > build.layers:
        raise BadInput(
            f"{layers} layers of {build.layers} cannot be frozen",
            where="train.freeze_layers",
            hint=f"use {build.layers} or less, or train.head_only" if build.layers else "use train.freeze",
        )
    places = ((name, build.layer(name)) for name in names)
    return set(build.embeddings) | {name for name, place in places if place is not None and place < layers}


def _fitting(pattern: str, names: list[str]) -> set[str]:
    found = {name for name in names if fnmatchcase(name, pattern)}
    if not found:
        parts = {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}
        meant = nearest(pattern.strip("*."), sorted(parts)) or f", such as {', '.join(names[:2])}"
        raise BadInput(
            f"no weight is named like {pattern!r}{meant}", where="train.freeze", hint="use * for any part of a name"
        )
    return found
