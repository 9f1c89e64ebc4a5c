"""Which reader a file's name asks for, or `data.format` where names do not say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.suggest import nearest
from workbench.data.formats import (
    column_faults,
    columnar,
    conll,
    delimited,
    faults,
    jsonlines,
    objects,
    raw,
    text_lines,
)
from workbench.data.formats.delimited import Layout


@dataclass(frozen=True)
class Format:
    """One way to write rows. `lines` gives the line on which each row begins, where rows are lines of a text.

    `packed`: a file of it may be packed with gzip, and end in `.gz` besides.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], pa.Table]
    lines: Callable[[Path], npt.NDArray[np.int64]] | None = None
    packed: bool = True
    layout: Layout | None = None

    @property
    def key(self) -> str:
        """Equal where files are read alike."""
        return self.name if self.layout is None else f"{self.name} {self.layout}"


def _unnamed(path: Path) -> pa.Table:
    tables = objects.read_json(path)
    if len(tables) > 1:
        raise DataError("names splits of its own", where=str(path), hint="give the file alone as the source")
    return next(iter(tables.values()))


FORMATS: Final = {
    format.name: format
    for format in (
        Format("csv", (".csv",), delimited.read_csv),
        Format("tsv", (".tsv",), delimited.read_tsv),
        Format("jsonl", (".jsonl", ".ndjson"), jsonlines.read_jsonl, jsonlines.lines_of),
        Format("parquet", (".parquet",), columnar.read_parquet, packed=False),
        Format("arrow", (".arrow",), columnar.read_arrow, packed=False),
        Format("txt", (".txt",), text_lines.read_txt, text_lines.lines_of),
        Format("conll", conll.SUFFIXES, conll.read_conll, conll.lines_of),
        Format("json", (".json",), _unnamed),
    )
}
SUFFIXES: Final = tuple(suffix for format in FORMATS.values() for suffix in format.suffixes)


def named(path: Path) -> Format | None:
    """The format that the name speaks of: by its suffix, or by a `.conll` within, as `weiboNER.conll.train` has."""
    suffix = raw.suffix(path)
    by_suffix = next((format for format in FORMATS.values() if suffix in format.suffixes), None)
    if by_suffix is None and ".conll" in path.name.lower():
        return FORMATS["conll"]
    return by_suffix


def asked(wanted: str) -> Format:
    """The format of that name, as `data.format` gives it. Raises DataError."""
    if wanted not in FORMATS:
        what = f"no format {faults.quoted(wanted)}{nearest(wanted, FORMATS)}"
        raise DataError(what, where="data.format", hint=f"it is one of {', '.join(FORMATS)}")
    return FORMATS[wanted]


def of(path: Path, wanted: str | None = None, layout: Layout | None = None) -> Format:
    """How a file is read: as `wanted`, else as its name says, else by its first lines. Raises DataError.

    A name that ends in .txt says little: one that is plainly CoNLL, a tag on every line, is read as that, and one whose
    `layout` is given as csv.
    """
    format = asked(wanted) if wanted is not None else named(path)
    if layout is not None:
        if wanted is None and (format is None or format.name == "txt"):
            format = FORMATS["csv"]
        readers = {"csv": delimited.read_csv, "tsv": delimited.read_tsv}
        if format is not None and format.name in readers:
            format = replace(format, read=functools.partial(readers[format.name], layout=layout), layout=layout)
    if wanted is None and (format is None or format.name == "txt") and conll.looks_like(path):
        format = FORMATS["conll"]
    if format is None:
        raise DataError(
            f"files of type {raw.suffix(path) or 'none'} are not read",
            where=str(path),
            hint=f"use one of {', '.join(SUFFIXES)}, or set data.format",
        )
    if raw.is_packed(path) and not format.packed:
        raise DataError(f"{format.name} is not read from .gz", where=str(path), hint="unpack it with gunzip")
    return format


def read_file(path: Path, wanted: str | None = None) -> pa.Table:
    """The rows of one file, every column of which is wanted. Raises DataError."""
    table = of(path, wanted).read(path)
    column_faults.check(table, table.column_names)
    return table
