"""One term of a filter as SQL over the table `run`. Conditions are 0 or 1, never NULL, so that `not` is the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from workbench.contracts.events import END_STATES, LIVE_STATES, number
from workbench.core.errors import QueryError
from workbench.registry.lexer import AGGREGATES, Token

_TEXTS: Final = {"name": "name", "task": "task", "model": "model", "data": "data", "host": "host",
                 "reason": "reason", "digest": "digest"}  # fmt: skip
_NUMBERS: Final = {"step": "step", "total_steps": "total_steps", "epoch": "epoch", "attempt": "attempt"}
_TIMES: Final = frozenset({"created", "started", "finished", "updated"})
_DURATION: Final = "coalesce(finished, updated) - started"
_STATES: Final = {"live": LIVE_STATES, "ended": END_STATES}
_ATTRIBUTES: Final = (*_TEXTS, *_NUMBERS, *sorted(_TIMES), "id", "state", "tag", "notes", "duration", "live")

_SHORT: Final = 3
"""Characters that the trigram index needs at least; shorter words are looked for in the text itself."""

_METRIC: Final = {
    "min": "min", "max": "max", "last": "last", "first": "first", "count": "count",
    "best": "CASE WHEN chosen_flag IS NULL THEN CASE direction WHEN 1 THEN max WHEN -1 THEN min END ELSE chosen END",
    "": "CASE WHEN chosen_flag IS NULL THEN last ELSE chosen END",
}  # fmt: skip
_FLAG: Final = {
    "last": "last_flag", "first": "first_flag",
    "": "CASE WHEN chosen_flag IS NULL THEN last_flag ELSE chosen_flag END",
}  # fmt: skip
_LIKE: Final = "LIKE ? ESCAPE '\\'"


class Key(str):
    """A parameter that names a series or a recipe field: `query.bound` puts its number in its place.

    Looked up in SQL it would be looked up for each run: that is half of what a sort by a metric takes.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL with its parameters. `field` is the recipe field it takes for granted."""

    sql: str
    params: tuple[str | float, ...] = ()
    field: str = ""


def condition(token: Token, now: float | None) -> Clause:
    """A term as a condition. Raises QueryError."""
    name, key = token.name, token.name.lower()
    if not token.operator:
        return _word(token.value)
    if token.aggregate or "/" in name:
        return _metric(token)
    if key in _TEXTS:
        return _text(token, _TEXTS[key])
    if key in _NUMBERS:
        return _number(token, _NUMBERS[key])
    if key in _TIMES:
        return _time(token, key, now)
    match key:
        case "state":
            return _state(token)
        case "tag":
            return _tag(token)
        case "notes":
            return _within(token, "EXISTS (SELECT 1 FROM document WHERE run=pk AND {})", "notes")
        case "id":
            return _id(token)
        case "duration":
            return _duration(token)
    return _field(token)


def _word(word: str) -> Clause:
    """A bare word: anywhere in name, notes or tags, in any script."""
    if len(word) >= _SHORT and "\0" not in word:
        phrase = '"' + word.replace('"', '""') + '"'
        return Clause("pk IN (SELECT rowid FROM search WHERE search MATCH ?)", (phrase,))
    # The text that the index keeps beside itself: name, notes and tags lie together there.
    found = f"SELECT 1 FROM search_content WHERE id=pk AND (c0 {_LIKE} OR c1 {_LIKE} OR c2 {_LIKE})"
    return Clause(f"EXISTS ({found})", (_pattern(word),) * 3)


def _pattern(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _text(token: Token, column: str) -> Clause:
    return _within(token, "{}", column)


def _within(token: Token, frame: str, column: str) -> Clause:
    match token.operator:
        case ":":
            return Clause(frame.format(f"{column} {_LIKE}"), (_pattern(token.value),))
        case "=":
            return Clause(frame.format(f"{column}=? COLLATE NOCASE"), (token.value,))
        case "!=":
            return Clause("NOT " + frame.format(f"{column}=? COLLATE NOCASE"), (token.value,))
    raise _no_order(token)


def _no_order(token: Token) -> QueryError:
    return QueryError(
        f"{token.name} is text: {token.operator} does not order it", column=token.column, hint="use : or = or !="
    )


def _figure(token: Token) -> float:
    """The number a term compares with. Raises QueryError."""
    try:
        text = token.value
        value = number(text) if text in ("NaN", "Infinity", "-Infinity") else float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise QueryError(
            f"{token.value!r} is no number", column=token.value_column, hint=f"write {token.name}>=0.9, for example"
        )
    return value


def _comparison(operator: str) -> str:
    return {":": "=", "!=": "<>"}.get(operator, operator)


def _number(token: Token, column: str) -> Clause:
    return Clause(f"coalesce({column} {_comparison(token.operator)} ?, 0)", (_figure(token),))


def _metric(token: Token) -> Clause:
    column, flagged = _METRIC[token.aggregate or ""], _FLAG.get(token.aggregate or "")
    frame = "pk IN (SELECT run FROM summary WHERE key=? AND {})"
    if token.value.lower() == "nan" and flagged:
        # The one way to ask for what has diverged: eval/loss=nan.
        if token.operator not in (":", "=", "!="):
            raise QueryError("NaN is neither more nor less", column=token.value_column, hint="use = or !=")
        sign = "<>" if token.operator == "!=" else "="
        return Clause(frame.format(f"({flagged}){sign}1"), (Key(token.name),))
    if flagged:
        # Infinities are kept as flags beside NULL; compared, they are what they are again.
        column = f"CASE ({flagged}) WHEN 2 THEN 9e999 WHEN 3 THEN -9e999 ELSE {column} END"
    return Clause(frame.format(f"{column} {_comparison(token.operator)} ?"), (Key(token.name), _figure(token)))


def _time(token: Token, column: str, now: float | None) -> Clause:
    """`created>2d` is newer than two days ago; `created:2026-01-31` is on that day."""
    from workbench.registry import times  # few filters name a date: the others need not wait for it

    start, end = times.span(token.value, now, token.value_column)
    bounds: dict[str, tuple[str, tuple[float, ...]]] = {
        ">": (f"{column}>=?", (end,)), ">=": (f"{column}>=?", (start,)),
        "<": (f"{column}<?", (start,)), "<=": (f"{column}<?", (end,)),
        "!=": (f"({column}<? OR {column}>=?)", (start, end)),
    }  # fmt: skip
    sql, params = bounds.get(token.operator, (f"({column}>=? AND {column}<?)", (start, end)))
    return Clause(f"coalesce({sql}, 0)", params)


def _duration(token: Token) -> Clause:
    from workbench.registry import times

    seconds = times.length(token.value, token.value_column)
    return Clause(f"coalesce({_DURATION} {_comparison(token.operator)} ?, 0)", (seconds,))


def _state(token: Token) -> Clause:
    if token.operator not in (":", "=", "!="):
        raise _no_order(token)
    value = token.value.lower()
    wanted = _STATES.get(value, (value,))
    known = (*LIVE_STATES, *END_STATES)
    if not set(wanted) <= set(known):
        hint = f"states are {', '.join(known)}, and live and ended for groups of them"
        raise QueryError(f"there is no state {token.value!r}", column=token.value_column, hint=hint)
    sign = "NOT IN" if token.operator == "!=" else "IN"
    return Clause(f"state {sign} ({','.join('?' * len(wanted))})", tuple(wanted))


def _tag(token: Token) -> Clause:
    if token.operator not in (":", "=", "!="):
        raise _no_order(token)
    sign = "NOT " if token.operator == "!=" else ""
    sql = f"pk {sign}IN (SELECT run FROM tag WHERE tag=?)"
    return Clause(sql, (token.value,))


def _id(token: Token) -> Clause:
    """`id:` takes a prefix, as everywhere an id is asked for."""
    if token.operator == ":":
        return Clause("run.id>=? AND run.id<?", (token.value, token.value + chr(0x10FFFF)))
    return _text(token, "run.id")


def _field(token: Token) -> Clause:
    """A recipe field: by number where both sides have one, else as text."""
    frame, key = "pk IN (SELECT run FROM field WHERE key=? AND {})", Key(token.name)
    value, operator = token.value, token.operator
    try:
        figure: float | None = float(value)
    except ValueError:
        figure = None
    if operator not in (":", "=", "!="):
        return Clause(frame.format(f"number {operator} ?"), (key, _figure(token)), token.name)
    if figure is not None and not math.isnan(figure):
        test, params = "(number=? OR (number IS NULL AND text=?))", (figure, value)
        if operator == ":":
            test, params = f"(number=? OR (number IS NULL AND text {_LIKE}))", (figure, _pattern(value))
        return _negated(operator, frame.format(test), (key, *params), token.name)
    if operator == ":":
        return Clause(frame.format(f"text {_LIKE}"), (key, _pattern(value)), token.name)
    return _negated(operator, frame.format("text=? COLLATE NOCASE"), (key, value), token.name)


def _negated(operator: str, sql: str, params: tuple[str | float, ...], name: str) -> Clause:
    return Clause(("NOT " if operator == "!=" else "") + sql, params, name)


def sort_key(token: Token) -> Clause:
    """A `sort:` term as one expression of ORDER BY; runs that lack it come last. Raises QueryError."""
    if token.operator != ":":
        raise QueryError("an order is written sort:name", column=token.column, hint="use :")
    down = token.value.startswith("-")
    key, column = token.value[down:], token.value_column + down
    way = "DESC" if down else "ASC"
    expression, params, name = _sorted_by(key, column)
    # The value, then its absence: NULLS LAST says so in SQLite for either direction.
    return Clause(f"{expression} {way} NULLS LAST", params, name)


def _sorted_by(key: str, column: int) -> tuple[str, tuple[str | float, ...], str]:
    aggregate, _, rest = key.partition("(")
    if rest and aggregate in AGGREGATES:
        return _summary_value(_METRIC[aggregate]), (Key(rest.removesuffix(")").strip()),), ""
    if "/" in key:
        return _summary_value(_METRIC[""]), (Key(key),), ""
    plain = key.lower()
    if plain in _TEXTS:
        return f"{_TEXTS[plain]} COLLATE NOCASE", (), ""
    if plain in _NUMBERS or plain in _TIMES or plain in ("id", "state"):
        return f"run.{plain}", (), ""
    if plain == "duration":
        return _DURATION, (), ""
    if plain == "live":
        return f"state IN ({','.join(repr(state) for state in LIVE_STATES)})", (), ""
    if not key or plain in _ATTRIBUTES:
        raise QueryError(
            f"runs are not sorted by {key!r}", column=column, hint="try sort:-created or sort:-max(eval/f1)"
        )
    field = "(SELECT coalesce(number, text) FROM field WHERE key=? AND field.run=pk)"
    return field, (Key(key),), key


def _summary_value(column: str) -> str:
    return f"(SELECT {column} FROM summary WHERE key=? AND run=pk)"
