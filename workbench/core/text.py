"""Text from outside (data, models, names, logs) made safe and measured before it is shown.

A terminal obeys what it is sent: escape sequences, OSC 52 (which writes the clipboard), C1 controls and
bidirectional overrides all pass through Rich and Textual untouched. `clean` is the one door.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from typing import TextIO

from rich.cells import cell_len

# C0 controls have their own pictures in Unicode (U+2400 …): shown, they can be seen and cannot act.
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
# Beside them DEL and C1, bidirectional controls, line separators, what is there and takes no room (soft hyphen, word
# joiner, interlinear annotation, byte order mark, tags), and lone surrogates.
_UNSEEN = (
    "\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f"
)
_SUSPECT = re.compile(f"[\x00-\x1f{_UNSEEN}]")
_SUSPECT_IN_JSON = re.compile(f"[{_UNSEEN}]")
_REPLACEMENT = "\ufffd"
# What our own sentences and tables are drawn with, for a terminal that knows ASCII alone.
_ASCII = dict(zip("–—‑‘’“”·×→↑↓±≤≥✓✗⏎⌁│─▁▂▃▄▅▆▇█▉▊▋▌▍▎▏", "---''\"\".x>^v~<>+x~~|-__--==########|", strict=True)) | {
    "…": "...",
    "∞": "inf",
}


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


def escaped(text: str) -> str:
    """JSON as it is, with every character in it that `clean` would replace as `\\uXXXX`: the same JSON."""
    return _SUSPECT_IN_JSON.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def nearest_ascii(error: UnicodeError) -> tuple[str, int]:
    """How a stream writes what its encoding lacks: our own signs by plain ones, é by e, all else by a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(sign) or _bare(sign) for sign in lacking), error.end


def _bare(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"


NEAREST_ASCII = "workbench.nearest-ascii"
"""Under this name, as the `errors` of a stream."""

codecs.register_error(NEAREST_ASCII, nearest_ascii)


def can_redraw(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can take back what was written: a dumb one (Emacs, some CI) cannot."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


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
