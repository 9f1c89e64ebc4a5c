"""A stand-in for a GPU on a machine without one: real numbers on the CPU, which pretend to be on `cuda:0`.

torch's own fake tensors refuse to go backward where torch is built without CUDA, and have no values, which optimizers
and the checks of transformers read. Here every tensor has its values; which ones are "on the card" is kept by their
storage, so that views, gradients and optimizer states follow. Mixing both sides raises as on a card, reading a value
works as on a card, and `transfers` lists it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from transfers import READ, TO_DEVICE, TO_HOST, Watching, tensors_of

CARD: Final = torch.device("cuda", 0)
HOST: Final = torch.device("cpu")

_aten = torch.ops.aten
# Operations that torch lets take tensors of both sides: copies, and places to look at.
_BOTH_SIDES: Final = (_aten.copy_, _aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_)
_FROM_LISTS: Final = (torch.tensor, torch.as_tensor, torch.asarray)


@contextmanager
def stand_in_card(card: StandInCard | None = None) -> Iterator[StandInCard]:
    """While the block runs, `.to("cuda:0")`, `device="cuda:0"` and the like put tensors on the stand-in.

    `card` is one that was there before, with what it holds.
    """
    card = StandInCard() if card is None else card
    with (
        warnings.catch_warnings(),
        patch.object(torch._C, "_group_tensors_by_device_and_dtype", card.grouping()),
        patch.object(torch, "Generator", _Generator),
        patch.object(torch.cuda, "current_stream", lambda *_: _Stream()),
        card,
        _Calls(card),
    ):
        # Models that switch autocast off for a few lines are told that there is no CUDA.
        warnings.filterwarnings("ignore", message=".*device_type of 'cuda'.*")
        yield card


@contextmanager
def on_the_card(model: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """A copy of a model whose weights are on the stand-in."""
    copy = deepcopy(model)
    copy.zero_grad()
    yield copy.to(CARD)


class _Stream:
    """The stand-in computes at once: what is recorded has happened."""

    def record_event(self) -> _Stream:
        return self

    def synchronize(self) -> None: ...


class _Generator(torch.Generator):
    """One for `cuda:0` draws on the CPU."""

    def __new__(cls, device: Any = None) -> _Generator:
        return super().__new__(cls, HOST)


class StandInCard(Watching):
    """The side below autograd: what comes out of tensors on the card is on the card; what mixes sides raises."""

    def __init__(self) -> None:
        super().__init__()
        # Storages are held on to, so that no address is given away again while it counts as the card's.
        self._held: dict[int, Any] = {}

    def on_card(self, tensor: torch.Tensor) -> bool:
        return self._storage(tensor)._cdata in self._held

    def put(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = self._storage(tensor)
        self._held[storage._cdata] = storage
        return tensor

    def take(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of it that is not on the card."""
        copy = tensor.clone()
        self._held.pop(self._storage(copy)._cdata, None)
        return copy

    def _storage(self, tensor: torch.Tensor) -> Any:
        with torch._C.DisableTorchFunction():
            return tensor.untyped_storage()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tensors_of((args, kwargs))
        there = [self.on_card(tensor) for tensor in given]
        if not any(there):
            return func(*args, **kwargs)
        self.watch(func, args, kwargs)
        self._refuse_mixed(func, args, given, there)
        result = func(*args, **kwargs)
        if func.overloadpacket is not _aten.copy_:
            for tensor in tensors_of(result):
                self.put(tensor)
        return result

    def _refuse_mixed(self, func: Any, args: Any, given: list[torch.Tensor], there: list[bool]) -> None:
        if all(there):
            return
        if func.overloadpacket in _BOTH_SIDES and (func.overloadpacket is _aten.copy_ or self.on_card(args[0])):
            return
        outside = [tensor for tensor, on in zip(given, there, strict=True) if not on]
        written = func._schema.is_mutable and not there[0]
        # torch takes a number in host memory into any operation that goes element by element.
        if torch.Tag.pointwise in func.tags and not written and all(tensor.dim() == 0 for tensor in outside):
            return
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({func})")

    def grouping(self) -> Callable[..., Any]:
        """torch groups tensors by the device that C++ knows; here by the one that is pretended."""
        by_device = torch._C._group_tensors_by_device_and_dtype

        def grouped(lists: Any, with_indices: bool = False) -> Any:
            found = by_device(lists, with_indices)
            return {
                (CARD if any(map(self.on_card, tensors_of(kept))) else device, dtype): kept
                for (device, dtype), kept in found.items()
            }

        return grouped


class _Calls(TorchFunctionMode):
    """The side of Python: which device a tensor says it is on, and calls that name one."""

    def __init__(self, card: StandInCard) -> None:
        super().__init__()
        self._card = card
        self._own: dict[Any, Callable[..., Any]] = {
            torch.Tensor.device.__get__: self._device,
            torch.Tensor.is_cuda.__get__: lambda tensor: card.on_card(tensor),
            torch.Tensor.is_cpu.__get__: lambda tensor: not card.on_card(tensor),
            torch.Tensor.get_device: lambda tensor: 0 if card.on_card(tensor) else -1,
            torch.Tensor.to: self._to,
            torch.Tensor.cuda: lambda tensor, *_, **options: self._moved(tensor, CARD, **options),
            torch.Tensor.cpu: lambda tensor, *_: self._moved(tensor, HOST),
            torch.Tensor.pin_memory: lambda tensor, *_: tensor,
            torch.Tensor.numpy: self._numpy,
            torch.Tensor.__array__: self._numpy,
            torch.Tensor.tolist: self._tolist,
            torch.Tensor.new_tensor: self._new_tensor,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._own:
            return self._own[func](*args, **kwargs)
        kwargs.pop("pin_memory", None)  # here all memory is alike
        asked = kwargs.get("device")
        if asked is None or not isinstance(asked, str | torch.device | int):
            return func(*args, **kwargs)
        del kwargs["device"]
        result = func(*args, **kwargs)
        return _pytree.tree_map_only(torch.Tensor, lambda made: self._made(made, asked, func, args), result)

    def _made(self, made: torch.Tensor, asked: Any, func: Any, args: Any) -> torch.Tensor:
        """A new tensor on the device that was asked for. What is made of numbers in host memory is copied there."""
        if func in _FROM_LISTS or any(made is given for given in args):
            return self._moved(made, torch.device(asked))
        if _is_card(asked):
            return self._card.put(made)
        return self._card.take(made) if self._card.on_card(made) else made

    def _device(self, tensor: torch.Tensor) -> torch.device:
        return CARD if self._card.on_card(tensor) else torch.Tensor.device.__get__(tensor)

    def _to(self, tensor: torch.Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> torch.Tensor:
        if args and isinstance(args[0], torch.Tensor):
            args = (self._device(args[0]), args[0].dtype, *args[1:])
        device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        if device is not None:
            tensor = self._moved(tensor, device, non_blocking=non_blocking)
        return torch.Tensor.to(tensor, dtype=dtype or tensor.dtype, memory_format=layout, copy=copy)

    def _moved(self, tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        to_card = _is_card(device)
        if device.type == "meta" or self._card.on_card(tensor) == to_card:
            return tensor if device.type != "meta" else torch.Tensor.to(tensor, device)
        if not to_card:
            self._card.tell(TO_HOST, "to")
            return self._card.take(tensor)
        if not non_blocking:
            self._card.tell(TO_DEVICE, "to")
        return self._card.put(tensor.clone())

    def _numpy(self, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if self._card.on_card(tensor):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        return torch.Tensor.numpy(tensor, *args, **kwargs)

    def _tolist(self, tensor: torch.Tensor) -> Any:
        if self._card.on_card(tensor):
            self._card.tell(READ, "tolist")
        return torch.Tensor.tolist(tensor)

    def _new_tensor(self, tensor: torch.Tensor, data: Any, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
        return self._moved(torch.tensor(data, **kwargs), torch.device(device or self._device(tensor)))


def _is_card(device: Any) -> bool:
    return torch.device(device).type == "cuda"
