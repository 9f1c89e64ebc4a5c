"""What a model is asked: rows of the fields it reads, out of arguments, lines, objects or the rows of a data file."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from workbench.core.errors import BadInput

_READ_AT_ONCE: Final = 256
_SOME_ROWS: Final = "give a file with some"
_OBJECTS: Final = (".jsonl", ".ndjson")
_TABLES: Final = (".csv", ".tsv", ".json", ".parquet", ".arrow")


@dataclass(frozen=True)
class Asked:
    """One row: a text, or an object of fields, and where it stands, for a message."""

    value: str | Mapping[str, Any]
    where: str

    def of(
        self, fields: Sequence[str], names: Mapping[str, Sequence[str]], beside: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields, under any of their `names`; `beside` holds those that every row shares. Raises BadInput."""
        if isinstance(self.value, str):
            found = {**beside, fields[0]: self.value}
        else:
            there = dict(_leaves(self.value))
            known = {field: [name for name in (field, *names.get(field, ())) if name in there] for field in fields}
            found = {**beside, **{field: there[known[field][0]] for field in fields if known[field]}}
        for field in fields:
            if field not in found:
                raise BadInput(f"there is no {field}{self._held()}", where=self.where, hint=_hint(fields))
        return {field: found[field] for field in fields}

    def _held(self) -> str:
        return "" if isinstance(self.value, str) else f" among {', '.join(self.value) or 'no fields'}"


def read(arguments: list[str] | None, file: Path | None) -> Iterator[Asked]:
    """A row for each argument, line, object or row of a data file, as they are read.

    The first few hundred are read at once, so that what is wrong with them is said before anyone waits for a model.
    Empty lines are passed over, and that is said at the end. Raises BadInput where there is none, and as it is
    iterated at the first that cannot be read.
    """
    if arguments and file:
        raise BadInput("give texts or --file, not both", hint="leave one out")
    if file is not None and _suffix(file) in _TABLES:
        return _begun(_rows_of(file), BadInput("there is no row to predict on", where=str(file), hint=_SOME_ROWS))
    nothing = BadInput(
        "there is no text to predict on", hint="give some as arguments, with --file or on standard input"
    )
    if arguments:
        return _begun(_filled((("", text) for text in arguments), objects=False), nothing)
    objects = file is not None and _suffix(file) in _OBJECTS
    return _begun(_filled(_lines(file), objects=objects), nothing)


def _begun(rows: Iterator[Asked], nothing: BadInput) -> Iterator[Asked]:
    """The rows, the first of them read. Raises `nothing` where there is none."""
    first = list(islice(rows, _READ_AT_ONCE))
    if not first:
        raise nothing
    return chain(first, rows)


def _filled(lines: Iterable[tuple[str, str]], *, objects: bool) -> Iterator[Asked]:
    """Lines with their places as rows, empty ones passed over."""
    passed = 0
    for where, line in lines:
        if line.strip():
            yield Asked(_object(line, where) if objects else line, where)
        else:
            passed += 1
    if passed:
        print(f"workbench: {passed} empty {'text is' if passed == 1 else 'texts are'} passed over", file=sys.stderr)


def names_of(task: str, data: Mapping[str, Any]) -> dict[str, list[str]]:
    """By which names the fields of a row are known: those of the recipe's `[data]`, then the usual ones."""
    from workbench.tasks.spec import spec_of

    found: dict[str, list[str]] = {}
    for shape in spec_of(task).shapes:
        for role in shape.roles:
            own = data.get(role.name)
            found.setdefault(role.name, [_folded(own)] if isinstance(own, str) else [])
            found[role.name] += [name for name in role.usual if name not in found[role.name]]
    return found


@dataclass(frozen=True)
class Complete:
    """A row with the fields the model needs, where it stands, and all that was given of it."""

    fields: dict[str, str]
    where: str
    given: Mapping[str, Any]


def complete(
    asked: Iterable[Asked], fields: Sequence[str], second: str | None, names: Mapping[str, Sequence[str]]
) -> Iterator[Complete]:
    """Rows with the fields the model needs. Raises BadInput, as they are iterated, where one lacks some."""
    if second is not None and len(fields) < 2:
        raise BadInput("the model reads one text", where="--with", hint="leave it out")
    beside = {} if second is None else {fields[1]: second}
    return (_completed(row, row.of(fields, names, beside)) for row in asked)


def _completed(row: Asked, fields: dict[str, str]) -> Complete:
    return Complete(fields, row.where, fields if isinstance(row.value, str) else row.value)


def _hint(fields: Sequence[str]) -> str:
    objects = ", ".join(f'"{name}": "…"' for name in fields)
    whole = f"a .jsonl file of {{{objects}}}"
    return f"give --with the {fields[1]}, or --file {whole}" if len(fields) > 1 else f"give texts, or --file {whole}"


def _folded(name: str) -> str:
    from workbench.data.tables.columns import folded

    return folded(name)


def _suffix(file: Path) -> str:
    return Path(file.name.lower().removesuffix(".gz")).suffix


def _leaves(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Each field of an object as a text, of an object within as `translation.en`; missing values are left out."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        if value is not None:
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield _folded(before + name), said


def _rows_of(file: Path) -> Iterator[Asked]:
    """The rows of a data file, as training reads it. Raises BadInput."""
    from workbench.data.formats import streamed

    if not file.is_file():
        raise BadInput("no such file", where=str(file), hint="give a file that is there")
    rows = (row for table in streamed.tables(file) for row in table.to_pylist())
    return (Asked(row, f"{file}, row {number}") for number, row in enumerate(rows, 1))


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadInput(f"not JSON ({error})", where=where, hint="write one object a line") from error
    if not isinstance(value, dict):
        raise BadInput("not an object", where=where, hint='write {"text": "…"}')
    return value


def _lines(file: Path | None) -> Iterator[tuple[str, str]]:
    """The lines of a UTF-8 file, or of standard input, with their places. Raises BadInput."""
    where = str(file) if file else "standard input"
    try:
        with _opened(file) as source:
            for number, line in enumerate(source, 1):
                yield f"{where}:{number}", _decoded(line, f"{where}:{number}", first=number == 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot be read ({reason})", where=where, hint="give a UTF-8 text file") from error


def _opened(file: Path | None) -> contextlib.AbstractContextManager[Iterable[bytes]]:
    if file is None:
        return contextlib.nullcontext(sys.stdin.buffer)
    return gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")


def _decoded(line: bytes, where: str, *, first: bool) -> str:
    try:
        return line.decode("utf-8-sig" if first else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8", where=where, hint="give a UTF-8 text file") from error
