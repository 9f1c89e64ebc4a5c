"""Long text folded to a width measured in cells."""

from __future__ import annotations

from workbench.core.text import cells


def wrap(text: str, width: int, limit: int | None = None) -> list[str]:
    """`text` in lines of at most `width` cells, broken after spaces where there are some, and at line feeds.

    At most `limit` lines: what lies beyond is not even looked at. Text is expected clean. Nothing is lost of what
    is shown but the spaces that a line was broken at.
    """
    lines: list[str] = []
    width = max(2, width)
    for paragraph in text.split("\n"):
        rest = paragraph
        while limit is None or len(lines) < limit:
            taken = _fits(rest, width)
            line, rest = rest[:taken], rest[taken:]
            lines.append(line.rstrip(" ") if rest or cells(line) > width else line)
            if not rest:
                break
        if limit is not None and len(lines) >= limit:
            break
    return lines


def _fits(text: str, width: int) -> int:
    """How many characters of `text` make the first line, the spaces it is broken at included."""
    if len(text) <= width // 2:
        return len(text)
    used = 0
    for place, character in enumerate(text):
        used += cells(character)
        if used > width:
            return _break(text, place)
    return len(text)


def _break(text: str, place: int) -> int:
    if text[place] == " ":
        return place + len(text[place:]) - len(text[place:].lstrip(" ")) if text[place:].strip() else len(text)
    space = text.rfind(" ", 0, place)
    return space + 1 if space > 0 else max(1, place)
