"""Where rows come from: files, directories of files, saved data sets, the hub, and what is built in.

A source names its splits without reading them; a table is read when it is asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.paths import expanded
from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.data.cache import kept_tables
from workbench.data.cache.token_cache import TokenCache
from workbench.data.formats import by_name, column_faults, columnar, faults, notes, objects, raw, records
from workbench.data.formats.by_name import Format
from workbench.data.formats.delimited import FileLayout
from workbench.data.tables import builtin, class_directories, directories, hubdata
from workbench.recipe import Data

_NAMES = {"training": "train", "val": "validation", "valid": "validation", "dev": "validation", "eval": "validation"}


@dataclass
class SplitFiles:
    """One split of a source: the files that make it, and how they are read.

    `format` is that of the files, where they are read one by one and each is the rows of this split alone. `where`
    says where a row stands, where that is not told by the files; `told` is what to say of the split besides.
    """

    files: tuple[Path, ...]
    read: Callable[[], list[pa.Table]]
    label: str
    format: Format | None = None
    where: Callable[[int], str] | None = None
    told: tuple[str, ...] = ()
    _table: pa.Table | None = field(default=None, repr=False)
    _rows: list[int] = field(default_factory=list, repr=False)
    _notes: list[str] = field(default_factory=list, repr=False)
    _lines: dict[Path, npt.NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def table(self, cache: TokenCache | None = None) -> pa.Table:
        """Every row, those of large files by way of the cache. Raises DataError."""
        if self._table is None:
            tables = self.read() if self.format is None else self._of_files(self.format, cache)
            self._rows = [table.num_rows for table in tables]
            self._notes = [*self.told, *(note for table in tables for note in notes.of(table))]
            self._table = joined(tables, self.files)
        return self._table

    def _of_files(self, format: Format, cache: TokenCache | None) -> list[pa.Table]:
        return [kept_tables.kept(path, format.key, format.read, cache) for path in self.files]

    @property
    def notes(self) -> list[str]:
        """What the readers have to say of the files, a sentence each, with the place. Raises DataError."""
        self.table()
        return self._notes

    def place(self, row: int) -> str:
        """Where a row (from 0) stands: file and line where rows are lines, else file and number (from 1)."""
        self.table()
        if self.where is not None:
            return self.where(row)
        for path, count in zip(self.files, self._rows, strict=False):
            if row < count:
                return self._place(path, row)
            row -= count
        return f"{self.label}, row {row + 1}"

    def _place(self, path: Path, row: int) -> str:
        if self.format is None or self.format.lines is None:
            return f"{path}, row {row + 1}"
        if path not in self._lines:
            self._lines[path] = self.format.lines(path)
        return f"{path}:{self._lines[path][row]}"


@dataclass(frozen=True)
class Source:
    """Named splits. `name` is what the user called it."""

    name: str
    parts: dict[str, SplitFiles]

    @property
    def names(self) -> list[str]:
        return list(self.parts)

    def splits(self) -> dict[str, int]:
        """Rows of each split; reads them all. Raises DataError."""
        return {name: part.table().num_rows for name, part in self.parts.items()}

    def part(self, split: str) -> SplitFiles:
        """The split of that name (`dev`, `val` and `valid` stand for `validation`). Raises DataError."""
        name = split if split in self.parts else _NAMES.get(split, split)
        if name not in self.parts:
            there = clean(", ".join(self.parts)) or "none"
            raise DataError(
                f"no split {faults.quoted(split)}{nearest(split, self.parts)}",
                where=self.name,
                hint=f"it has {there}",
            )
        return self.parts[name]

    def table(self, split: str) -> pa.Table:
        """Every row of a split. Raises DataError."""
        return self.part(split).table()

    def place(self, split: str, row: int) -> str:
        """Where row number `row` (from 0) of a split stands, for a message."""
        return self.part(split).place(row)


def open_source(data: Data, search: Sequence[Path]) -> Source:
    """The source that `data.source` names. Relative paths are looked for in each directory of `search`.

    Raises DataError where there is nothing of that name, or nothing in it that can be read.
    """
    if data.source is None:
        raise DataError("no source is given", where="data.source", hint="name a file, a directory or a hub id")
    return open_named(
        data.source, search, config=data.config, revision=data.revision, wanted=data.format, layout=layout_of(data)
    )


def layout_of(data: Data) -> FileLayout | None:
    """How the recipe says that .csv and .tsv files are written, None where it says nothing."""
    if data.delimiter is None and data.header is True:
        return None
    return FileLayout(data.delimiter, tuple(data.header) if isinstance(data.header, list) else data.header)


def open_named(
    name: str,
    search: Sequence[Path],
    *,
    config: str | None = None,
    revision: str | None = None,
    wanted: str | None = None,
    layout: FileLayout | None = None,
) -> Source:
    """The source of that name: `builtin:…`, a file, a directory, or else a hub id.

    `wanted` is the format that files are read in (one of `formats.FORMATS`), where names do not say, and `layout` how
    .csv and .tsv files are written. Raises DataError.
    """
    if name.startswith("builtin:"):
        return _builtin(name)
    path = find(name, search)
    if path is not None:
        return from_path(path, wanted, layout)
    if is_pathlike(name):
        raise missing(name, search)
    return _hub(name, config, revision)


def find(name: str, search: Sequence[Path]) -> Path | None:
    """The file or directory of that name, absolute or in the first of `search` that has it."""
    return next((candidate for candidate in _candidates(name, search) if _exists(candidate)), None)


def _candidates(name: str, search: Sequence[Path]) -> list[Path]:
    path = expanded(name)
    return [path] if path.is_absolute() else [directory / path for directory in search or [Path()]]


def _exists(path: Path) -> bool:
    """Whether it is there, though it may be forbidden to look at it."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:  # such as a name too long to be one
        return False


def is_pathlike(name: str) -> bool:
    """Whether `name` can only be meant as a path, never as a hub id (`name` or `owner/name`)."""
    has_suffix = raw.suffix(Path(name)) in by_name.SUFFIXES or raw.is_packed(Path(name))
    return has_suffix or name.startswith(("/", ".", "~")) or name.count("/") > 1 or name.endswith("/")


def missing(name: str, search: Sequence[Path]) -> DataError:
    """The DataError for a path that is nowhere: where it was looked for, and what is near."""
    candidates = _candidates(name, search)
    link = next((path for path in candidates if path.is_symlink()), None)
    if link is not None:
        return DataError(f"a link that leads nowhere (to {clean(str(link.readlink()))})", where=str(link))
    parents = list(dict.fromkeys(path.parent for path in candidates))
    near = sorted(path.name for parent in parents if parent.is_dir() for path in parent.iterdir())
    looked = ", ".join(map(str, parents))
    return DataError(
        f"no such file or directory{nearest(Path(name).name, near)}", where=name, hint=f"looked in {looked}"
    )


def from_path(path: Path, wanted: str | None = None, layout: FileLayout | None = None) -> Source:
    """A file or a directory, as `from_file` and `from_directory`. Raises DataError."""
    return from_directory(path, wanted, layout) if path.is_dir() else from_file(path, wanted, layout)


def from_file(path: Path, wanted: str | None = None, layout: FileLayout | None = None) -> Source:
    """One file. It is all `train`, unless it is JSON that names its splits. Raises DataError."""
    raw.check(path)
    format = by_name.of(path, wanted, layout)
    if format.name == "json":
        tables = objects.read_json(path)
        return Source(str(path), {key or "train": _json_part(path, key, table) for key, table in tables.items()})
    return Source(str(path), {"train": _file_part((path,), str(path), format)})


def _json_part(path: Path, key: str | None, table: pa.Table) -> SplitFiles:
    if key is None:
        return SplitFiles((path,), lambda: [table], str(path))
    return _held_part(table, f"{path}, {key}")


def _file_part(files: tuple[Path, ...], label: str, format: Format, told: tuple[str, ...] = ()) -> SplitFiles:
    return SplitFiles(files, lambda: [format.read(path) for path in files], label, format, told=told)


def from_directory(directory: Path, wanted: str | None = None, layout: FileLayout | None = None) -> Source:
    """A `save_to_disk` directory, or one of files named by split (`train*`, `valid*`, `dev*`, `val*`, `test*`).

    Files may lie one directory deeper, in `data/` or in one named by the split; several of a split are joined in
    order of name. Where none begins with a split's name, it may stand within (`reviews-train.csv`, `eng.testa`). A
    single file is all `train`, and so are `part-*`. With a directory for each class a file is a text. Raises DataError.
    """
    if columnar.is_saved(directory):
        shards = columnar.saved_splits(directory)
        return Source(str(directory), {name: _arrow_part(files, directory) for name, files in shards.items()})
    classes = class_directories.splits_of(directory) if wanted in (None, "txt") else {}
    if classes:
        return Source(str(directory), {name: _class_part(found, directory) for name, found in classes.items()})
    grouped = directories.split_files(directory, wanted)
    told = _beside(directory)
    return Source(
        str(directory),
        {
            name: _file_part(tuple(files), str(directory), by_name.of(files[0], wanted, layout), told)
            for name, files in grouped.items()
        },
    )


def _class_part(classes: list[Path], directory: Path) -> SplitFiles:
    return SplitFiles(
        (),
        lambda: [class_directories.read(classes)],
        str(directory),
        where=lambda row: class_directories.place(classes, row),
        told=_beside(directory),
    )


def _beside(directory: Path) -> tuple[str, ...]:
    """That some files were not read, which lie beside the data."""
    found = [str(path.relative_to(directory)) for path in directories.beside_data(directory)]
    return (f"{directory}: not read, by name no data: {clean(', '.join(found[:8]))}",) if found else ()


def _arrow_part(files: tuple[Path, ...], directory: Path) -> SplitFiles:
    def read() -> list[pa.Table]:
        return [columnar.with_features(columnar.read_arrow(path), path.parent) for path in files]

    return SplitFiles(files, read, str(directory))


def joined(tables: Sequence[pa.Table], files: Sequence[Path]) -> pa.Table:
    """Shards as one table.

    A column that a shard lacks, or holds in another type than the first, carries a fault that names the shard
    (`column_faults`): it is null there, or holds texts throughout.
    """
    if len(tables) == 1:
        return tables[0]
    met: dict[str, DataError] = {}
    for path, table in zip(files, tables, strict=True):
        met = _unlike(tables[0], files[0], table, path) | column_faults.of(table) | met
    alike = [records.loosened(table, met) for table in tables]
    return column_faults.marked(pa.concat_tables(alike, promote_options="permissive"), met)


def _unlike(first: pa.Table, first_path: Path, table: pa.Table, path: Path) -> dict[str, DataError]:
    """What is wrong with the columns of a shard beside those of the first."""
    met = {}
    for name in set(first.column_names) ^ set(table.column_names):
        what = f"column {faults.quoted(name)} is in only one of this file and {first_path.name}"
        met[name] = DataError(what, where=str(path))
    for name in set(first.column_names) & set(table.column_names):
        own, other = (pa.schema([one.schema.field(name)]) for one in (table, first))
        try:
            pa.unify_schemas([other, own], promote_options="permissive")
        except pa.ArrowException as error:
            what = f"the files of this split hold a column in different types ({faults.quoted(error, 120)})"
            met[name] = DataError(what, where=str(path))
    return met


def _builtin(name: str) -> Source:
    tables = builtin.load(name.removeprefix("builtin:"))
    return Source(name, {split: SplitFiles((), _reader(read), f"{name}, {split}") for split, read in tables.items()})


def _reader(read: Callable[[], pa.Table]) -> Callable[[], list[pa.Table]]:
    return lambda: [read()]


def _hub(name: str, config: str | None, revision: str | None) -> Source:
    cached = hubdata.cached_splits(name, config, revision)
    if cached is not None:
        parts = {split: _arrow_part(files, files[0].parent) for split, files in cached.items()}
        for split, part in parts.items():
            part.label = f"{name}, {split}"
        return Source(name, parts)
    tables = hubdata.download(name, config, revision)
    return Source(name, {split: _held_part(table, f"{name}, {split}") for split, table in tables.items()})


def _held_part(table: pa.Table, label: str) -> SplitFiles:
    return SplitFiles((), lambda: [table], label)
