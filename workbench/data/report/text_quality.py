"""Texts that look as if something went wrong with them before they came here."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# What UTF-8 read as Latin-1, Windows-1252 or GBK looks like, and what a decoder leaves of bytes it cannot read.
_MISREAD: Final = "Ã[\u0080-\u00bf]|â€|Â[\u00a0-\u00bf]|ï¿½|锟斤拷|烫烫烫"
SIGNS: Final = {
    "control characters": "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\u0080-\u009f]",
    "characters that could not be decoded": "\ufffd",
    "signs of a wrong encoding": _MISREAD,
    "invisible characters": "[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]",
}
_LONG: Final = 20  # so many times the median is very long
_LONG_FROM: Final = 5_000


def signs(texts: pa.Array) -> dict[str, int]:
    """How many texts show each sign. All are looked for beyond ASCII's printable characters."""
    if not len(texts):
        return {}
    return {name: _matching(texts, pattern) for name, pattern in SIGNS.items()}


def _matching(texts: pa.Array, pattern: str) -> int:
    return int(pc.sum(pc.fill_null(pc.match_substring_regex(texts, pattern), False)).as_py() or 0)


def very_long(lengths: NDArray[np.int32]) -> int:
    """How many texts are far longer than the others, by their characters."""
    if not len(lengths):
        return 0
    return int((lengths > max(_LONG_FROM, _LONG * float(np.median(lengths)))).sum())
