"""Lists what waits for a GPU, or moves between it and the host, while a piece of code runs.

    with transfers() as found:
        train_one_step()
    assert found == []

On a machine with a card it watches the tensors of that card; within `stand_in_card` it watches those of the stand-in.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

TO_HOST: Final = "device to host"
TO_DEVICE: Final = "host to device, blocking"
READ: Final = "a value is read"

_aten = torch.ops.aten
# What has a shape that depends on values: the host must know it before it can go on. torch tags these operations; an
# index is one of them only where it is a mask.
_READS: Final = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_INDEXED: Final = (_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_, _aten._unsafe_index)


@dataclass(frozen=True)
class Transfer:
    """One wait for the card: `operation` as torch names it, `at` the line of this repository that asked for it, and
    `within` the last line of Python before torch, which may be a library's."""

    kind: str
    operation: str
    at: str
    within: str

    @classmethod
    def here(cls, kind: str, operation: str) -> Transfer:
        frames = [frame for frame in traceback.extract_stack()[:-1] if _outside(frame.filename)]
        ours = [frame for frame in frames if "site-packages" not in frame.filename]
        return cls(kind, operation, _place(ours[-1]) if ours else "", _place(frames[-1]) if frames else "")


def _outside(file: str) -> bool:
    """Whether a file is neither torch's nor this watching."""
    return "site-packages/torch/" not in file and Path(file).name not in ("transfers.py", "card.py")


def _place(frame: traceback.FrameSummary) -> str:
    file = Path(frame.filename)
    return f"{file.parent.name}/{file.name}:{frame.lineno} in {frame.name}"


class Watching(TorchDispatchMode):
    """Tells `listeners` of every transfer of the operations under it."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[list[Transfer]] = []

    def on_card(self, tensor: torch.Tensor) -> bool:
        return tensor.device.type == "cuda"

    def tell(self, kind: str, operation: str) -> None:
        for found in self.listeners:
            found.append(Transfer.here(kind, operation))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.watch(func, args, kwargs)
        return func(*args, **kwargs)

    def watch(self, func: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Tell of what an operation transfers, if it does."""
        given = tensors_of((args, kwargs))
        if not any(self.on_card(tensor) for tensor in given) and "device" not in kwargs:
            return
        name = str(func)
        if func.overloadpacket in _INDEXED:
            self._watch_index(name, args)
        elif any(tag in func.tags for tag in _READS) and any(self.on_card(tensor) for tensor in given):
            self.tell(READ, name)
        elif func.overloadpacket is _aten.copy_:
            self._watch_move(name, self.on_card(args[1]), self.on_card(args[0]), blocking=not _non_blocking(args))
        elif func.overloadpacket is _aten._to_copy and kwargs.get("device") is not None:
            to_card = torch.device(kwargs["device"]).type == "cuda"
            self._watch_move(name, self.on_card(args[0]), to_card, blocking=not kwargs.get("non_blocking"))

    def _watch_index(self, name: str, args: Any) -> None:
        indices = [index for index in args[1] if isinstance(index, torch.Tensor)]
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            self.tell(READ, f"{name} with a mask")
        elif self.on_card(args[0]) and not all(self.on_card(index) for index in indices):
            self.tell(TO_DEVICE, f"{name} with places in host memory")

    def _watch_move(self, name: str, from_card: bool, to_card: bool, *, blocking: bool) -> None:
        if from_card and not to_card:
            # Non-blocking or not: whoever looks at it has to wait.
            self.tell(TO_HOST, name)
        elif to_card and not from_card and blocking:
            self.tell(TO_DEVICE, name)


def _non_blocking(args: Any) -> bool:
    return len(args) > 2 and bool(args[2])


def tensors_of(values: Any) -> list[torch.Tensor]:
    """The tensors anywhere in nested lists, tuples and dicts."""
    return [leaf for leaf in _pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor)]


@contextmanager
def transfers() -> Iterator[list[Transfer]]:
    """A list that fills, while the block runs, with every wait of the host for the card, in order.

    Copies to the card count where they block: a copy with `non_blocking=True` does not.
    """
    found: list[Transfer] = []
    standing = [mode for mode in _get_current_dispatch_mode_stack() if isinstance(mode, Watching)]
    watching = standing[-1] if standing else Watching()
    watching.listeners.append(found)
    try:
        if standing:
            yield found
        else:
            with watching:
                yield found
    finally:
        watching.listeners.remove(found)
