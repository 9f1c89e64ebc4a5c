"""The first sentence of a text, as a summary or an answer that nobody thought about."""

from __future__ import annotations

import re
from typing import Final

_END: Final = re.compile(r"[.!?](?=\s)|[。！？\n]")


def first_sentence(text: str) -> str:
    """Up to the first mark that ends a sentence, else all of it."""
    stripped = text.strip()
    end = _END.search(stripped)
    return stripped if end is None else stripped[: end.end()].strip()
