"""The head of a checkpoint under the labels of a recipe: which row of it belongs to which class is told by names.

A head whose classes have the same names is kept, its rows in the order of the recipe's. One whose classes have other
names knows nothing of these, whatever their number: it is made anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import ModelError
from workbench.core.text import clean, cut
from workbench.models.architectures import Head

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    Numbers = NDArray[np.float64]

_UNNAMED: Final = re.compile(r"label_(\d+)")
_SHOWN: Final = 5
_USUAL_SPREAD: Final = 0.02  # standard deviation of a new head, as most configs of transformers have it


@dataclass(frozen=True, slots=True)
class HeadRows:
    """`order` is the row of the checkpoint's head for each class; None where the head is new. `said` tells the user."""

    order: tuple[int, ...] | None
    said: str | None = None


def head_rows(config: Mapping[str, Any], classes: Sequence[str], head: Head) -> HeadRows:
    """What becomes of the head of a checkpoint, of whose config this is, where the classes are these in their order."""
    built = [str(name) for name in config.get("architectures") or ()]
    if built and not any(name.endswith(head.suffixes) for name in built):
        return HeadRows(None)  # it has no head, or one for another task
    own = _names(config)
    if len(own) == len(classes) == 1:
        return HeadRows((0,))  # one number, whatever its column is called
    places = {name: place for place, name in enumerate(map(_plain, own))}
    wanted = [_plain(name) for name in classes]
    if len(places) == len(own) == len(classes) and places.keys() == set(wanted):
        order = tuple(places[name] for name in wanted)
        moved = order != tuple(range(len(order)))
        said = (
            f"the head of the checkpoint has its classes in another order ({_listed(own)}): its rows are put into that "
            f"of the labels ({_listed(classes)})"
        )
        return HeadRows(order, said if moved else None)
    said = f"the head is new: that of the checkpoint tells {_listed(own)} apart, and the labels are {_listed(classes)}"
    return HeadRows(None, said + _hint(own, classes))


def _names(config: Mapping[str, Any]) -> list[str]:
    """The classes of a checkpoint in the order of its head's rows."""
    by_id, by_name = config.get("id2label") or {}, config.get("label2id") or {}
    named = {int(place): str(name) for place, name in by_id.items()}
    named = named or {int(place): str(name) for name, place in by_name.items()}
    unnamed = range(int(config.get("num_labels") or 2))
    return [named[place] for place in sorted(named)] or [f"LABEL_{place}" for place in unnamed]


def _plain(name: str) -> str:
    """A name as it is compared: without regard to case, and LABEL_3, which is no name, as the id it has."""
    folded = name.strip().casefold()
    found = _UNNAMED.fullmatch(folded)
    return found[1] if found else folded


def _hint(own: Sequence[str], classes: Sequence[str]) -> str:
    if len(own) != len(classes):
        return ""
    if all(_UNNAMED.fullmatch(name.casefold()) for name in own):
        meant = ", ".join(f'{place} = "…"' for place in range(min(len(own), _SHOWN)))
        more = ", …" if len(own) > _SHOWN else ""
        return f". To keep it, say what its rows mean: model.config.id2label = {{{meant}{more}}}"
    if all(name.strip().isdigit() for name in classes):
        return ". To keep it, say what the ids mean: data.labels, in the order of the ids"
    return ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(cut(clean(name), 24) for name in names[:_SHOWN])
    return f"{shown}, … ({len(names)})" if len(names) > _SHOWN else shown


def settle(model: PreTrainedModel, rows: HeadRows, classes: int, new: Sequence[str]) -> list[str]:
    """Put the rows of the loaded head into their order, or make it anew. Returns the names of all weights that are new.

    Raises ModelError where the head cannot be found, and its classes are in another order.
    """
    if "*" in new or rows.order == tuple(range(classes)):
        return list(new)
    found = output_of(model, classes)
    if found is None:
        raise ModelError(
            f"the head of a {type(model).__name__} cannot be put under other labels",
            where="model.name",
            hint="give data.labels the checkpoint's own names in their order",
        )
    name, layer = found
    weights = {f"{name}.{part}": weight for part, weight in layer.named_parameters()}
    if weights.keys() & set(new):
        return list(new)
    if rows.order is None:
        _renew(layer, getattr(model.config, "initializer_range", None) or _USUAL_SPREAD)
        return sorted({*new, *weights})
    _reorder(layer, rows.order)
    return list(new)


def rescaled(model: PreTrainedModel, gain: Numbers, shift: Numbers, weights: Mapping[str, torch.Tensor]) -> bool:
    """Have the head give `gain` times what it gave, plus `shift`; of every output [classes].

    `weights` are the model's, by name, and are changed in place. Returns False, and leaves out the shift, where the
    head has no bias to hold it.
    """
    import torch

    found = output_of(model, len(gain))
    if found is None:
        raise ModelError(f"the outputs of a {type(model).__name__} cannot be rescaled", where="model.name")
    name, layer = found
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    with torch.no_grad():
        weight.mul_(torch.as_tensor(gain[:, None]).to(weight))
        if bias is not None:
            wide = bias.double() * torch.as_tensor(gain).to(bias.device) + torch.as_tensor(shift).to(bias.device)
            bias.copy_(wide)
    return layer.bias is not None


def output_of(model: PreTrainedModel, classes: int) -> tuple[str, torch.nn.Linear] | None:
    """The layer that gives the logits, the last of a classifier; with adapters, the one that learned."""
    import torch

    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "original_module" not in name and "lora_" not in name
    ]
    return layers[-1] if layers and layers[-1][1].out_features == classes else None


def _renew(layer: torch.nn.Linear, spread: float) -> None:
    import torch

    with torch.no_grad():
        layer.weight.normal_(0.0, spread)
        if layer.bias is not None:
            layer.bias.zero_()


def _reorder(layer: torch.nn.Linear, order: Sequence[int]) -> None:
    import torch

    places = torch.tensor(order, device=layer.weight.device)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(weight[places])
