"""Attention over texts that stand one after another in a single row, each of which sees only itself.

On a GPU it is torch's variable-length flash attention, which computes nothing for padding. That kernel has no dropout
and no fp32. Where these are needed, and on a CPU, the texts are put back into the rows that they came from, for the
attention alone, and torch's scaled_dot_product_attention gets a mask.

transformers finds it under the name `ATTENTION`
(https://huggingface.co/docs/transformers/attention_interface). Under a name without a mask function of its own it makes
no mask.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import torch

ATTENTION: Final = "workbench_varlen"
_FOREIGN: Final = ("softcap", "s_aux", "position_bias")  # what changes attention in a way that is not known here
_HALVES: Final = (torch.bfloat16, torch.float16)
_WIDEST: Final = 256  # of a head that flash attention takes
_AMPERE: Final = (8, 0)


class Unsupported(RuntimeError):
    """A model asks its attention for something that is not known here."""


@dataclass(frozen=True, eq=False)
class UnpaddedLayout:
    """Where the tokens of a padded batch [rows, width] stand once its padding is left out.

    `places` int64 [tokens] are their places in the flattened batch, `positions` int64 [1, tokens] their position ids.
    `texts` int64 [rows, width] numbers the texts, -1 is padding. `starts` int32 [texts + 1] says where each text begins
    among the tokens, and where the last one ends.
    """

    places: torch.Tensor
    positions: torch.Tensor
    texts: torch.Tensor
    starts: torch.Tensor
    _masks: dict[tuple[bool, int | None], torch.Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, batch: Mapping[str, torch.Tensor], first: int | None = None) -> UnpaddedLayout:
        """Of a batch in host memory. A row is one text, or several where its position ids begin anew.

        Without position ids a token has those that a model gives it in a padded row: its column. With `first` they
        count the tokens of a row instead, from that number on.
        """
        ids = batch["input_ids"]
        mask, given = batch.get("attention_mask"), batch.get("position_ids")
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        counted = real.cumsum(1)
        positions = torch.arange(ids.shape[1]).expand_as(ids) if first is None else counted - 1 + first
        begins = real & (counted == 1)
        if given is not None:
            positions = given
            begins[:, 1:] |= real[:, 1:] & (given.diff(dim=1) != 1)
        texts = (begins.flatten().cumsum(0).view_as(ids) - 1).masked_fill(~real, -1)
        places = real.flatten().nonzero()[:, 0]
        starts = begins.flatten()[places].nonzero()[:, 0]
        ends = torch.tensor([len(places)])
        return cls(places, positions.flatten()[places][None], texts, torch.cat([starts, ends]).int())

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> UnpaddedLayout:
        """On another device, by `move`."""
        places, positions, texts, starts = map(move, (self.places, self.positions, self.texts, self.starts))
        return replace(self, places=places, positions=positions, texts=texts, starts=starts, _masks={})

    def packed(self, padded: torch.Tensor) -> torch.Tensor:
        """[rows, width, …] as [1, tokens, …]."""
        return padded.flatten(0, 1)[self.places][None]

    def padded(self, packed: torch.Tensor) -> torch.Tensor:
        """[1, tokens, …] as [rows, width, …], with zeros for padding."""
        rows, width = self.texts.shape
        zeros = packed.new_zeros(rows * width, *packed.shape[2:])
        return zeros.index_copy(0, self.places, packed[0]).view(rows, width, *packed.shape[2:])

    def mask(self, *, causal: bool, window: int | None) -> torch.Tensor:
        """Which token of a row sees which, bool [rows, 1, width, width]. Padding sees padding: a softmax must see some.

        With a `window` a token sees those that are fewer than so many places away.
        """
        known = causal, window
        if known not in self._masks:
            column = torch.arange(self.texts.shape[1], device=self.texts.device)
            away = column[:, None] - column
            sees = self.texts[:, :, None] == self.texts[:, None, :]
            if causal:
                sees = sees & (away >= 0)
            if window is not None:
                sees = sees & (away.abs() < window)
            self._masks[known] = sees[:, None]
        return self._masks[known]


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    layout: UnpaddedLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of one layer, as transformers calls it.

    `query` is [1, heads, tokens, width], `key` and `value` may have fewer heads. Returns [1, tokens, heads, width].
    Raises Unsupported.
    """
    if layout is None:
        raise Unsupported("what is above its layers calls them by themselves")
    foreign = [name for name in _FOREIGN if others.get(name) is not None]
    if attention_mask is not None or foreign:
        raise Unsupported(f"its attention needs {', '.join(foreign) or 'a mask of its own'}")
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    query, key, value = (_narrow(tensor.transpose(1, 2)) for tensor in (query, key, value))
    computed = _flash if _has_kernel(query, dropout) else _in_rows
    return computed(query, key, value, layout, dropout, scaling, causal=causal, window=sliding_window), None


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    """In the precision of autocast, which only knows torch's own attentions."""
    kind = tensor.device.type
    return tensor.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tensor


def _in_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: UnpaddedLayout,
    dropout: float,
    scaling: float | None,
    *,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    """Tensors here are [1, tokens, heads, width]."""
    key, value = _as_many_heads(query, key, value)
    query, key, value = (layout.padded(tensor).transpose(1, 2) for tensor in (query, key, value))
    mask = layout.mask(causal=causal, window=window)
    attended = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling
    )
    return layout.packed(attended.transpose(1, 2))


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: UnpaddedLayout,
    dropout: float,
    scaling: float | None,
    *,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    """Tensors here are [1, tokens, heads, width]. No text is longer than a row of the padded batch is wide."""
    kernel = _kernel()
    assert kernel is not None, "it was asked for"
    key, value = _as_many_heads(query, key, value)
    before = -1 if window is None else window - 1
    behind = 0 if causal else before
    longest = layout.texts.shape[1]
    attended: torch.Tensor = kernel(
        query[0],
        key[0],
        value[0],
        layout.starts,
        layout.starts,
        longest,
        longest,
        scale=scaling,
        window_size=(before, behind),
    )
    return attended[None]


def _as_many_heads(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values repeated for the heads that share them: not every kernel, nor every torch, does it by itself."""
    groups = query.shape[2] // key.shape[2]
    if groups == 1:
        return key, value
    return key.repeat_interleave(groups, dim=2), value.repeat_interleave(groups, dim=2)


def _has_kernel(query: torch.Tensor, dropout: float) -> bool:
    width = query.shape[3]
    fits = query.dtype in _HALVES and dropout == 0.0 and width % 8 == 0 and width <= _WIDEST
    if not (query.is_cuda and fits and _kernel() is not None):
        return False
    return torch.cuda.get_device_capability(query.device) >= _AMPERE


@lru_cache(maxsize=1)
def _kernel() -> Callable[..., Any] | None:
    """`varlen_attn`, which torch has since 2.10; None where it has none that takes windows."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if "window_size" in inspect.signature(varlen_attn).parameters else None
