"""Texts that look as if something went wrong with them before they came here."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What UTF-8 read as Latin-1, Windows-1252 or GBK looks like, and what a decoder leaves of bytes it cannot read.
_MISREAD: Final = "Ã[\u0080-\u00bf]|â€|Â[\u00a0-\u00bf]|ï¿½|锟斤拷|烫烫烫"
_SIGNS: Final = {
    "control characters": "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\u0080-\u009f]",
    "characters that could not be decoded": "\ufffd",
    "signs of a wrong encoding": _MISREAD,
    "invisible characters": "[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]",
}
_LONG: Final = 20  # so many times the median is very long
_LONG_FROM: Final = 5_000


def odd(texts: pa.ChunkedArray) -> dict[str, int]:
    """How many texts show each sign; those that none shows are left out."""
    found = {name: _matching(texts, pattern) for name, pattern in _SIGNS.items()}
    found["very long texts"] = _very_long(texts)
    return {name: count for name, count in found.items() if count}


def _matching(texts: pa.ChunkedArray, pattern: str) -> int:
    return int(pc.sum(pc.fill_null(pc.match_substring_regex(texts, pattern), False)).as_py() or 0)


def _very_long(texts: pa.ChunkedArray) -> int:
    lengths = np.asarray(pc.fill_null(pc.utf8_length(texts), 0), dtype=np.int64)
    if not len(lengths):
        return 0
    return int((lengths > max(_LONG_FROM, _LONG * float(np.median(lengths)))).sum())
