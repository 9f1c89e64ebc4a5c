"""The filter language of TUI, command line and Python: text in, SQL out.

    bert imdb                       words: in the name, the notes or a tag, wherever they stand
    "cold start"                    several words as one
    state:running  tag:baseline     state, tag and id are what they are; live and ended are groups of states
    task:class  model:bert  data:imdb  name:…  notes:…  host:…      contain that text
    train.learning_rate<=3e-5       any recipe field; `:` contains, `=` equals, != < <= > >=
    eval/f1>=.9                     the last value of a metric
    min(eval/loss)<0.3              or its min, max, last, first, best (its direction known), count
    created>2d  finished<2026-01-31 newer than two days ago; before a date (s m h d w, today, yesterday, ISO)
    duration>1h30m  step>=100       how long it has run; how far it came
    a b   a and b   a or b   not a   -a   ( … )
    sort:-max(eval/f1)  sort:name   by anything above; `-` from the greatest; runs without it come last

Text is compared without regard to case. `parse` never touches a registry; `bound` does, for names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from workbench.core.errors import QueryError
from workbench.registry.lexer import Token, tokens
from workbench.registry.terms import Clause, Key, condition, sort_key

if TYPE_CHECKING:
    from workbench.registry.database import Connection

_DEEPEST: Final = 50
"""Brackets within brackets: SQLite's own expressions may not be deeper than 1000."""

_LONGEST: Final = 200
"""Terms in one filter."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as SQL over the table `run`: a condition and an order ("" where it says none), each with parameters.

    `fields` are the recipe fields it names, each with its column, for `bound`.
    """

    sql: str = "1"
    params: tuple[str | float, ...] = ()
    order: str = ""
    order_params: tuple[str | float, ...] = ()
    fields: tuple[tuple[str, int], ...] = ()


def parse(text: str, *, now: float | None = None) -> Filter:
    """The filter that `text` says. `now` (seconds since 1970) is what `2d` counts from. Raises QueryError."""
    if not text.strip():
        return Filter()
    # A lone surrogate, which a terminal can send, is no text that a database could hold.
    return _Parser(text.encode("utf-8", "replace").decode(), now).filter()


class _Parser:
    """Recursive descent: or, and, not, brackets, term."""

    def __init__(self, text: str, now: float | None) -> None:
        self._tokens, self._at, self._now = tokens(text), 0, now
        self._orders: list[Clause] = []
        self._fields: list[tuple[str, int]] = []
        if len(self._tokens) > _LONGEST:
            raise QueryError("the filter is too long", column=self._tokens[_LONGEST].column, hint="use fewer terms")

    def filter(self) -> Filter:
        found = self._either(0) if self._next else Clause("1")
        if (token := self._next) is not None:
            raise QueryError("a bracket closes that none has opened", column=token.column, hint="take it out")
        return Filter(
            sql=found.sql,
            params=found.params,
            order=", ".join(clause.sql for clause in self._orders),
            order_params=tuple(value for clause in self._orders for value in clause.params),
            fields=tuple(self._fields),
        )

    @property
    def _next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _is(self, *kinds: str) -> bool:
        return self._next is not None and self._next.kind in kinds

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _either(self, depth: int) -> Clause:
        clauses = [self._both(depth)]
        while self._is("or"):
            self._take()
            clauses.append(self._both(depth))
        return _joined(clauses, " OR ")

    def _both(self, depth: int) -> Clause:
        clauses = [self._negated(depth)]
        while self._next is not None and not self._is("or", ")"):
            if self._is("and"):
                self._take()
            clauses.append(self._negated(depth))
        return _joined([clause for clause in clauses if clause.sql] or [Clause("1")], " AND ")

    def _negated(self, depth: int) -> Clause:
        if not self._is("not"):
            return self._primary(depth)
        token = self._take()
        if depth >= _DEEPEST:
            raise _too_deep(token)
        if self._next is not None and self._next.name == "sort":
            raise QueryError("an order cannot be negated", column=token.column, hint="write sort:-… to turn it round")
        inside = self._negated(depth + 1)
        return Clause(f"NOT ({inside.sql})", inside.params)

    def _primary(self, depth: int) -> Clause:
        token = self._next
        if token is None:
            raise QueryError("the filter ends too early", column=self._end, hint="say what should follow")
        if token.kind == "(":
            return self._bracket(depth)
        if token.kind != "term":
            raise QueryError(f"{token.text!r} does not stand here", column=token.column, hint="put a term before it")
        self._take()
        if token.name == "sort":
            return self._sort(token, depth)
        found = condition(token, self._now)
        self._note(found, token)
        return found

    def _sort(self, token: Token, depth: int) -> Clause:
        if depth:
            raise QueryError("an order stands by itself", column=token.column, hint="take it out of the brackets")
        found = sort_key(token)
        self._note(found, token)
        self._orders.append(found)
        return Clause("")

    def _note(self, clause: Clause, token: Token) -> None:
        if clause.field:
            self._fields.append((clause.field, token.column))

    def _bracket(self, depth: int) -> Clause:
        opening = self._take()
        if depth >= _DEEPEST:
            raise _too_deep(opening)
        inside = self._either(depth + 1)
        if not self._is(")"):
            raise QueryError("this bracket is not closed", column=opening.column, hint="add )")
        self._take()
        return Clause(f"({inside.sql})", inside.params)

    @property
    def _end(self) -> int:
        last = self._tokens[-1]
        return last.column + len(last.text)


def _too_deep(token: Token) -> QueryError:
    return QueryError("the brackets are too deep", column=token.column, hint="use fewer of them")


def _joined(clauses: list[Clause], word: str) -> Clause:
    if len(clauses) == 1:
        return clauses[0]
    if any(not clause.sql for clause in clauses):
        clauses = [clause if clause.sql else Clause("1") for clause in clauses]
    params = tuple(value for clause in clauses for value in clause.params)
    return Clause("(" + word.join(clause.sql for clause in clauses) + ")", params)


def bound(wanted: Filter, connection: Connection) -> Filter:
    """The filter for one registry: names are its numbers there. Raises QueryError for a recipe field that no run has.

    Where no run has been entered yet nothing is known, and nothing is refused.
    """
    for name, column in wanted.fields:
        known = "SELECT 1 FROM field WHERE key=(SELECT id FROM key WHERE name=?) LIMIT 1"
        if connection.execute(known, (name,)).fetchone() is None:
            _refuse(name, column, connection)
    return replace(
        wanted, params=_numbered(wanted.params, connection), order_params=_numbered(wanted.order_params, connection)
    )


def _numbered(params: tuple[str | float, ...], connection: Connection) -> tuple[str | float, ...]:
    return tuple(_number(value, connection) if isinstance(value, Key) else value for value in params)


def _number(key: Key, connection: Connection) -> int:
    found = connection.execute("SELECT id FROM key WHERE name=?", (str(key),)).fetchone()
    return int(found[0]) if found else -1


def _refuse(name: str, column: int, connection: Connection) -> None:
    import difflib

    rows = connection.execute(
        "SELECT name FROM key WHERE EXISTS (SELECT 1 FROM field WHERE key=id) "
        "OR EXISTS (SELECT 1 FROM summary WHERE key=id)"
    ).fetchall()
    names = [row[0] for row in rows]
    if not names:
        return
    ends = {known.replace("/", ".").rsplit(".", 1)[-1]: known for known in names}
    close = difflib.get_close_matches(name, names, n=1) or [
        ends[end] for end in difflib.get_close_matches(name.rsplit(".", 1)[-1], list(ends), n=1)
    ]
    hint = f"did you mean {close[0]}?" if close else "recipe fields are written train.learning_rate, metrics eval/f1"
    raise QueryError(f"no run has a field {name!r}", column=column, hint=hint)
