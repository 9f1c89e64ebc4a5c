"""A filter's text cut into tokens, each with the column it begins at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workbench.core.errors import QueryError

AGGREGATES: Final = ("min", "max", "last", "first", "best", "count")

_SPACE: Final = re.compile(r"\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_OPERATOR: Final = re.compile(r"<=|>=|!=|=|<|>|:")
_NAME: Final = re.compile(r"[^\W\d][\w./\-]*")
_AGGREGATE: Final = re.compile(rf"({'|'.join(AGGREGATES)})\(\s*([^\s()<>=!:\"]+)\s*\)")
_WORD: Final = re.compile(r'[^\s()"]+')
_KEYWORDS: Final = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is "(", ")", "and", "or", "not" or "term".

    A term has an operator and a value after its name, or none of these: then `value` is a word to search for.
    `value_column` is where the value begins. A name within an aggregate, `max(eval/f1)`, has it in `aggregate`.
    """

    kind: str
    text: str
    column: int
    name: str = ""
    aggregate: str = ""
    operator: str = ""
    value: str = ""
    value_column: int = 0


def tokens(text: str) -> list[Token]:
    """Every token of `text`. Raises QueryError for a quote that is not closed or an operator without a value."""
    found: list[Token] = []
    at = _skip(text, 0)
    while at < len(text):
        token, at = _token(text, at)
        found.append(token)
        at = _skip(text, at)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _token(text: str, at: int) -> tuple[Token, int]:
    if text[at] in "()":
        return Token(text[at], text[at], at), at + 1
    if text[at] == "-" and at + 1 < len(text) and text[at + 1] not in " )\t\n":
        return Token("not", "-", at), at + 1
    return _named(text, at) or _bare(text, at)


def _named(text: str, at: int) -> tuple[Token, int] | None:
    """A name, an operator and a value, if that is what stands here. Spaces may stand around the operator, not `:`."""
    aggregate = _AGGREGATE.match(text, at)
    name = aggregate or _NAME.match(text, at)
    if name is None:
        return None
    operator = _OPERATOR.match(text, _skip(text, name.end()))
    if operator is None or (operator[0] == ":" and operator.start() != name.end()):
        if aggregate:
            raise _lone(aggregate[0], at)
        return None
    start = operator.end() if operator[0] == ":" else _skip(text, operator.end())
    value, end = _value(text, start, key=name[0], sorting=name[0] == "sort")
    token = Token(
        "term", text[at:end], at, aggregate[2] if aggregate else name[0], aggregate[1] if aggregate else "",
        operator[0], value, start,
    )  # fmt: skip
    return token, end


def _lone(aggregate: str, at: int) -> QueryError:
    hint = f"write {aggregate}<0.3, or sort:{aggregate}"
    return QueryError(f"{aggregate} is compared with nothing", column=at, hint=hint)


def _value(text: str, at: int, *, key: str, sorting: bool) -> tuple[str, int]:
    if at < len(text) and text[at] == '"':
        return _quoted(text, at)
    if sorting:
        sign = 1 if text[at : at + 1] == "-" else 0
        if aggregate := _AGGREGATE.match(text, at + sign):
            return text[at : aggregate.end()], aggregate.end()
    word = _WORD.match(text, at)
    if word is None:
        raise QueryError("a value is missing", column=min(at, len(text)), hint=f"say what {key} is compared with")
    return word[0], word.end()


def _quoted(text: str, at: int) -> tuple[str, int]:
    match = _QUOTED.match(text, at)
    if match is None:
        raise QueryError("this quote is not closed", column=at, hint='add "')
    return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL), match.end()


def _bare(text: str, at: int) -> tuple[Token, int]:
    if text[at] == '"':
        value, end = _quoted(text, at)
        return Token("term", text[at:end], at, value=value, value_column=at), end
    match = _WORD.match(text, at)
    word = match[0] if match else text[at]
    if word.lower() in _KEYWORDS:
        return Token(word.lower(), word, at), at + len(word)
    return Token("term", word, at, value=word, value_column=at), at + len(word)
