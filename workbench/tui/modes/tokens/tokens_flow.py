"""How tokens are laid out: as the text they came from, with ids and labels below, or one a line. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.contracts.lab.token_requests import TextToken
from workbench.core.text import cells, clean, cut, pad
from workbench.display.spans import Line, Span, StyleName, line
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SHOWN = 400  # characters of one token: an unknown word may be a megabyte long


def shown(token: TextToken) -> str:
    """Its piece of the text, safe to show. Later bytes of a character are numbered: 酒₂."""
    if token.part:
        return str(token.part + 1).translate(_SUBSCRIPTS)
    return clean(token.piece[:_SHOWN]) or clean(token.token[:_SHOWN]) or "∅"


def notes(token: TextToken) -> str:
    """What is special about it, in words."""
    words = {"special": token.special, "unknown": token.unknown, "cut off": token.cut, "padding": not token.mask}
    said = [word for word, is_so in words.items() if is_so]
    return ", ".join([*said, f"byte {token.part + 1} of its character"] if token.part else said)


def style(token: TextToken, index: int) -> StyleName:
    """How it is coloured; neighbours differ."""
    if token.unknown:
        return "cut-unknown" if token.cut else "unknown"
    if token.special:
        return "cut-special" if token.cut else "special"
    if index % 2:
        return "cut-odd" if token.cut else "odd"
    return "cut-even" if token.cut else "even"


@dataclass(frozen=True, slots=True)
class Box:
    """A stretch of a line: a token (by its index), or what stands between tokens (index None)."""

    index: int | None
    text: str
    style: StyleName
    column: int
    width: int


Rows = list[list[Box]]


def marks(tokens: Sequence[TextToken], limit: int | None) -> dict[int, str]:
    """Before which tokens the text is cut, and the words that say so."""
    found: dict[int, str] = {}
    before: bool | None = None
    for index, token in enumerate(tokens):
        if token.sequence is None:
            continue
        if token.cut != (before or False) and (before is not None or token.cut):
            found[index] = f"┃cut here at {limit}┃"
        before = token.cut
    return found


def flow(tokens: Sequence[TextToken], sources: Sequence[str], width: int, limit: int | None) -> Rows:
    """Tokens side by side as in the text, spaces between them kept; lines break where the text does."""
    page = _Page(width)
    cuts = marks(tokens, limit)
    reached: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.sequence is not None:
            gap = sources[token.sequence][reached.get(token.sequence, 0) : token.start]
            page.gap(gap)
            reached[token.sequence] = max(token.end, reached.get(token.sequence, 0))
        elif index:
            page.gap(" ")
        if index in cuts:
            page.add(None, cuts[index], "warn")
        page.add(index, shown(token), style(token, index))
        if token.sequence is None:
            page.gap(" ")
        if "\n" in token.piece and not token.part:
            page.turn()
    return page.rows


def boxes(tokens: Sequence[TextToken], width: int, limit: int | None) -> Rows:
    """Tokens side by side, each as wide as its id and its label, so that they can stand below it."""
    page = _Page(width)
    cuts = marks(tokens, limit)
    for index, token in enumerate(tokens):
        if index in cuts:
            page.add(None, cuts[index], "warn")
            page.gap(" ")
        size = max(cells(shown(token)), len(str(token.id)), cells(below(token)))
        page.add(index, pad(shown(token), min(size, width)), style(token, index))
        page.gap(" ")
    return page.rows


class _Page:
    """Fills lines of so many cells from left to right."""

    def __init__(self, width: int) -> None:
        self.rows: Rows = [[]]
        self._width, self._used = max(2, width), 0

    def add(self, index: int | None, text: str, style: StyleName) -> None:
        text = cut(text, self._width)
        size = cells(text)
        if self._used + size > self._width:
            self.turn()
        self.rows[-1].append(Box(index, text, style, self._used, size))
        self._used += size

    def gap(self, text: str) -> None:
        """Spaces, which a break swallows. Line feeds among them break the line."""
        for number, part in enumerate(text.split("\n")):
            if number:
                self.turn()
            size = cells(clean(part[: self._width]))
            if part and self.rows[-1] and self._used + size < self._width:
                self.rows[-1].append(Box(None, clean(part[: self._width]), "", self._used, size))
                self._used += size

    def turn(self) -> None:
        if self.rows[-1]:
            self.rows.append([])
            self._used = 0


def below(token: TextToken) -> str:
    """Its label, safe to show, in a few cells."""
    return cut(clean(token.label[:_SHOWN]).replace("-100", "−100"), 16)


def drawn(rows: Rows, tokens: Sequence[TextToken], cursor: int, *, ids: bool, labels: bool = False) -> Iterator[Line]:
    """The lines of laid out rows; with `ids` a second one below each, with `labels` a third."""
    for row in rows:
        yield tuple(Span(box.text, "token-cursor" if box.index == cursor else box.style) for box in row)
        if ids:
            yield tuple(
                Span(" " * box.width if box.index is None else pad(str(tokens[box.index].id), box.width), "muted")
                for box in row
            )
        if labels:
            yield tuple(_label(tokens, box) for box in row)


def _label(tokens: Sequence[TextToken], box: Box) -> Span:
    text = "" if box.index is None else below(tokens[box.index])
    return Span(pad(text, box.width), "muted" if text in ("", "−100", "O") else "warn")


class TokenTable(TableSource):
    """One token a line: number, id, token, piece, characters, word, label, what is special."""

    def __init__(self, tokens: Sequence[TextToken], limit: int | None) -> None:
        self._tokens, self._cuts, self.total = tokens, marks(tokens, limit), len(tokens)

    def columns(self, width: int, window: TableWindow) -> Sequence[Column]:
        here = [self._tokens[place] for place in window.indices]
        name = min(24, max([5, *(cells(clean(token.token[:40])) for token in here)]))
        piece = min(20, max([5, *(cells(shown(token)) for token in here)]))
        label = max((cells(below(token)) for token in self._tokens), default=0)
        return (
            Column("number", "#", 5, right=True), Column("id", "id", 6, right=True, gap=1),
            Column("token", "token", name), Column("piece", "piece", piece),
            Column("characters", "characters", 11, right=True), Column("word", "word", 5, right=True, gap=1),
            Column("label", "label" if label else "", max(5, label) if label else 0, gap=2 if label else 0),
            Column("notes", "", 0, grow=True),
        )  # fmt: skip

    def row(self, place: int) -> Row:
        token = self._tokens[place]
        where = "–" if token.sequence is None else f"{token.start}–{token.end}"
        word = "–" if token.word is None else str(token.word)
        before, after = (str(place), str(token.id), clean(token.token[:40])), (where, word, below(token))
        said = [*(line((text, "muted")) for text in after), line((self._cuts.get(place) or notes(token), "muted"))]
        piece = line((shown(token), style(token, place)))
        return Row(str(place), [*(line((text, "muted")) for text in before), piece, *said])
