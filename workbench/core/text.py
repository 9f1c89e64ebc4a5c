"""Text from outside (data, models, names, logs) made safe and measured before it is shown.

A terminal obeys what it is sent: escape sequences, OSC 52 (which writes the clipboard), C1 controls and
bidirectional overrides all pass through Rich and Textual untouched. `clean` is the one door.
"""

from __future__ import annotations

import re
import unicodedata

from rich.cells import cell_len

# C0 controls have their own pictures in Unicode (U+2400 …): shown, they can be seen and cannot act.
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
_SUSPECT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u200b\u2028\u2029\ufeff\ud800-\udfff]"
)
_REPLACEMENT = "\ufffd"


def _picture(match: re.Match[str]) -> str:
    return _PICTURES.get(ord(match[0]), _REPLACEMENT)


def clean(text: str, *, newlines: bool = False) -> str:
    """`text` with every character that could act on a terminal replaced by one that can be seen.

    Controls become their Unicode pictures (ESC → ␛), C1, bidi, zero-width and surrogate characters U+FFFD.
    Tabs become a space. With `newlines`, line feeds stay; otherwise they become ⏎.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    if newlines:
        return "\n".join(_SUSPECT.sub(_picture, line) for line in text.split("\n"))
    return _SUSPECT.sub(_picture, text.replace("\n", "⏎"))


def cells(text: str) -> int:
    """How many terminal cells `text` takes: CJK and emoji two, combining marks none."""
    return len(text) if text.isascii() and text.isprintable() else cell_len(text)


def cut(text: str, width: int, *, ellipsis: str = "…") -> str:
    """`text` in at most `width` cells, with an ellipsis where something was left out. Never splits a character."""
    # No character takes less than zero cells, and marks are rare: a prefix this long decides it.
    head = text[: 4 * max(width, 0) + 16]
    if len(head) == len(text) and cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    if room < 0:
        return ""
    taken, used = 0, 0
    for character in head:
        size = cell_len(character)
        if used + size > room:
            break
        used += size
        taken += 1
    while taken < len(head) and unicodedata.combining(head[taken]):
        taken += 1
    return head[:taken] + ellipsis


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` cut or filled with spaces to exactly `width` cells, flush left or right."""
    text = cut(text, width)
    filler = " " * max(0, width - cell_len(text))
    return filler + text if right else text + filler
