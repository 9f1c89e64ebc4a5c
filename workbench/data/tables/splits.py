"""From a recipe to its rows: train, validation and test, shuffled, sliced, held out and cleaned as it says.

Every table has a column `__row__` (int64): the row's index in the split it comes from, before anything was moved or
dropped, so that each number can be led back to its evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import DataError
from workbench.data.cache import kept_tables
from workbench.data.cache.token_cache import TokenCache
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import column_roles, columns, label_cells, slices, sources, spellings, word_layouts
from workbench.data.tables.roles import Shape
from workbench.recipe import Data, Recipe

DEFAULT_HOLDOUT = 0.1
_WORTH = 1_000_000  # bytes of rows
_HASHED = 10_000  # rows at a time
_Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Origin:
    """The split of a source that rows come from."""

    source: sources.Source
    split: str

    def place(self, row: int) -> str:
        """File and line (or number) of row `row` of the split, as `__row__` counts."""
        return self.source.place(self.split, row)

    def __str__(self) -> str:
        return self.source.name if len(self.source.parts) == 1 else f"{self.source.name} ({self.split})"


@dataclass(frozen=True)
class Splits:
    """The rows of a recipe, and which of their columns is what. `cache` keeps the tokens that are made of them.

    `notes` are what is good to know of how they were read, `warnings` what is likely to be wrong with it.
    """

    train: pa.Table
    validation: pa.Table | None
    test: pa.Table | None
    columns: column_roles.Columns
    origins: dict[str, Origin]
    dropped: dict[str, int]
    notes: list[str] = field(default_factory=list)
    cache: TokenCache | None = None
    warnings: list[str] = field(default_factory=list)

    def tables(self) -> dict[str, pa.Table]:
        """Those there are, by name, train first."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: table for name, table in named.items() if table is not None}

    def keeping(self, split: str) -> TokenCache | None:
        """The cache, where a split is so large that what is made of it is worth a file."""
        return self.cache if self.tables()[split].nbytes >= _WORTH else None

    def place(self, split: str, position: int) -> str:
        """Where the row at `position` of one of our tables stands in the user's files."""
        row = self.tables()[split].column(columns.ROW)[position].as_py()
        return self.origins[split].place(row)

    @property
    def text(self) -> str:
        """The column that is read first: the text, the words, the question."""
        found = self.columns.of(self.columns.shape.reads[0])
        assert found is not None, "what is read is needed"
        return found

    @property
    def label(self) -> str | None:
        """The column of the label, None where the task needs none."""
        return self.columns.of("label")

    def texts(self, split: str, role: str | None = None) -> pa.ChunkedArray:
        """The texts of one role in a split, as strings; of all that is read of a row, if no role is given."""
        table, where = self.tables()[split], str(self.origins[split])
        if role is None:
            return column_roles.reading(self.columns, table, where)
        column = self.columns.of(role)
        assert column is not None, f"there is no {role}"
        return columns.strings(table, column, where)

    def digest(self, split: str) -> str:
        """16 hex digits, equal where the rows are, in their order: all that is read of them, labels among it."""
        hashed, table = hashlib.sha256(), self.tables()[split]
        roles = {name: role for role, several in sorted(self.columns.named.items()) for name in several}
        read = table.select([name for name in roles if name in table.column_names])
        for start in range(0, read.num_rows, _HASHED):
            # Whole batches of one size: how a reader cut the rows into chunks is not to tell.
            for column in read.slice(start, _HASHED).columns:
                hashed.update(repr(column.to_pylist()).encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()[:16]

    def values(self, split: str, role: str) -> pa.ChunkedArray:
        """The column of one role in a split, as it is."""
        return self.tables()[split].column(self.columns.of(role))


def load(recipe: Recipe, shapes: Sequence[Shape], search: Sequence[Path], cache: TokenCache | None = None) -> Splits:
    """Read, shuffle, slice, clean and divide, in this order; then take the subset of train. `shapes` are the task's.

    Shuffling is `numpy.random.default_rng(seed).permutation(rows)`, the same rows as `datasets`' `shuffle(seed)`.
    Rows without what the task needs of them (`Role.filled`) are dropped and counted. Lines of a text file
    are kept, empty ones too, and are held out and sampled in one piece. Large files that were read before come from
    `cache`, which the splits keep. Raises DataError.
    """
    data, notes = recipe.data, list[str]()
    evaluated = recipe.evaluate.every != "never"
    source = sources.open_source(data, search) if data.source is not None else None
    words = word_layouts.Told() if any(role.name == "tags" for shape in shapes for role in shape.roles) else None
    tables: dict[str, pa.Table] = {}
    origins: dict[str, Origin] = {}
    for name, spec in _wanted(data, source, evaluated, notes).items():
        tables[name], origins[name] = _read(spec, f"data.{name}", data, source, search, notes, cache, words)
    notes += words.notes if words else []
    asked = [column for columns_of in column_roles.named(data, shapes).values() for column in columns_of]
    tables = {name: columns.unfolded(table, asked) for name, table in tables.items()}
    chosen = column_roles.find(recipe, shapes, tables["train"], str(origins["train"]))
    notes += column_roles.note(chosen, data)
    made = spellings.settled(_whole(tables, origins, chosen, notes), chosen, data)
    notes += made.notes
    dropped: dict[str, int] = {}
    for name, table in made.tables.items():
        opened, without = _labels_opened(table, made.tables["train"], chosen, data), made.without_text.get(name)
        tables[name], dropped[name] = _cleaned(
            opened, chosen, without, f"data.{name}", str(origins[name]), notes, cache
        )
    if "validation" not in tables and (data.holdout is not None or evaluated):
        share = DEFAULT_HOLDOUT if data.holdout is None else data.holdout
        tables["train"], tables["validation"] = hold_out(
            tables["train"], share, data.holdout_seed, chosen.lone("label"), notes, cache
        )
        origins["validation"], dropped["validation"] = origins["train"], 0
    tables["train"] = _subset(tables["train"], data, notes, cache)
    validation, test = tables.get("validation"), tables.get("test")
    warnings = words.warnings if words else []
    return Splits(tables["train"], validation, test, chosen, origins, dropped, notes, cache, warnings)


def _whole(
    tables: dict[str, pa.Table], origins: dict[str, Origin], chosen: column_roles.Columns, notes: list[str]
) -> dict[str, pa.Table]:
    """The tables with every column that is read, those made of others among them. Raises DataError."""
    made = {}
    for name, table in tables.items():
        where = str(origins[name])
        made[name] = column_roles.joined(chosen, column_roles.completed(chosen, table, tables["train"]), where)
        column_roles.check(chosen, made[name], where)
        notes += [note for note in column_roles.note_faults(chosen, made[name]) if note not in notes]
    return made


def _labels_opened(table: pa.Table, train: pa.Table, chosen: column_roles.Columns, data: Data) -> pa.Table:
    separator, problem = getattr(data, "label_separator", None), getattr(data, "problem", None)
    return label_cells.opened(table, train, chosen, separator, problem)


def _wanted(data: Data, source: sources.Source | None, evaluated: bool, notes: list[str]) -> dict[str, str]:
    """What is to be read for each split. Nothing for a validation that is held out, or not wanted."""
    wanted = {"train": data.train, "validation": data.validation, "test": data.test}
    if data.validation is not None and data.holdout is not None:
        notes.append("data.holdout is not used: data.validation names its rows")
    if data.validation is None and data.holdout is None and evaluated:
        wanted["validation"] = _validation_of(source, data.train)
    return {name: spec for name, spec in wanted.items() if spec is not None}


def _validation_of(source: sources.Source | None, train: str) -> str | None:
    """The source's own validation split, unless that is what is trained on."""
    if source is None or "validation" not in source.names:
        return None
    return "validation" if slices.parse(train, "data.train").name != "validation" else None


def _read(
    spec: str,
    where: str,
    data: Data,
    source: sources.Source | None,
    search: Sequence[Path],
    notes: list[str],
    cache: TokenCache | None,
    told: word_layouts.Told | None = None,
) -> tuple[pa.Table, Origin]:
    part = slices.parse(spec, where)
    origin = _origin(part.name, where, data, source, search)
    table = origin.source.part(origin.split).table(cache)
    notes += [note for note in origin.source.part(origin.split).notes if note not in notes]
    if columns.ROW in table.column_names:
        table = table.drop_columns([columns.ROW])
    metadata = table.schema.metadata
    table = table.append_column(columns.ROW, columns.numbers(np.arange(table.num_rows)))
    table = table.replace_schema_metadata(metadata)
    if told is not None:
        table = word_layouts.arranged(table, word_layouts.WordColumns.of(data), str(origin), origin.place, told)
    if data.shuffle_seed is not None:
        table = kept_tables.rows(table, np.random.default_rng(data.shuffle_seed).permutation(table.num_rows), cache)
        if are_lines(table):
            notes.append(f"{where}: data.shuffle_seed mixes the lines of a text, which are then read out of order")
    start, stop, said = part.bounds(table.num_rows)
    notes += said
    if start == stop:
        raise DataError(f"{part} has no rows", where=where, hint=f"{origin} has {table.num_rows}; slice within them")
    return table.slice(start, stop - start), origin


def _origin(name: str, where: str, data: Data, source: sources.Source | None, search: Sequence[Path]) -> Origin:
    if source is not None and (name in source.parts or not sources.is_pathlike(name)):
        source.part(name)
        return Origin(source, name)
    places = list(search)
    if source is not None and Path(source.name).is_dir():
        places.append(Path(source.name))
    path = sources.find(name, places)
    if path is None:
        if sources.is_pathlike(name):
            raise sources.missing(name, places)
        raise DataError(
            f"'{name}' is a split, and there is no source that has it", where=where, hint="give data.source, or a file"
        )
    opened = sources.from_path(path, data.format, sources.layout_of(data))
    asked = where.removeprefix("data.")
    return Origin(opened, asked if asked in opened.parts else opened.names[0])


def _cleaned(
    table: pa.Table,
    chosen: column_roles.Columns,
    without: NDArray[np.bool_] | None,
    where: str,
    origin: str,
    notes: list[str],
    cache: TokenCache | None,
) -> tuple[pa.Table, int]:
    if are_lines(table) and chosen.of("label") is None:
        return table, 0
    filled = chosen.filled()
    needed = [name for named in filled.values() for name in named]
    usable = columns.usable(table, needed, chosen.nothing()).to_numpy() & (True if without is None else ~without)
    kept = table if usable.all() else kept_tables.rows(table, np.flatnonzero(usable), cache)
    dropped = table.num_rows - kept.num_rows
    if not kept.num_rows:
        raise DataError(f"every row has an empty {' or '.join(filled)}", where=origin)
    if dropped:
        notes.append(f"{where}: {dropped} of {table.num_rows} rows dropped for an empty {' or '.join(filled)}")
    return kept, dropped


def hold_out(
    table: pa.Table,
    share: float | int,
    seed: int,
    label: str | None,
    notes: list[str],
    cache: TokenCache | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Train and validation rows out of one table: a share (0 to 1) or a number of rows for validation.

    Stratified by label where every class has two rows or more; lines of a text give up their last part in one piece.
    Both keep the order of the table. Raises DataError where too few rows are left on a side.
    """
    rows = table.num_rows
    wanted = max(1, round(rows * share)) if isinstance(share, float) else share
    if wanted >= rows:
        raise DataError(
            f"{wanted} rows cannot be held out of {rows}",
            where="data.holdout",
            hint="hold out fewer, or name data.validation",
        )
    if are_lines(table):
        notes.append(f"validation: the last {wanted:,} of {rows:,} lines of train, held out in one piece")
        return table.slice(0, rows - wanted), table.slice(rows - wanted)
    generator = np.random.default_rng(seed)
    chosen, how = _chosen(table, wanted, generator, label)
    notes.append(f"validation: {len(chosen):,} of {rows:,} rows held out of train{how}")
    mask = np.zeros(rows, dtype=bool)
    mask[chosen] = True
    left, right = (kept_tables.rows(table, np.flatnonzero(side), cache) for side in (~mask, mask))
    return left, right


def _chosen(table: pa.Table, wanted: int, generator: np.random.Generator, label: str | None) -> tuple[_Indices, str]:
    if label is None or not _has_classes(table.column(label)):
        return generator.permutation(table.num_rows)[:wanted], ""
    codes = _codes(table.column(label))
    sizes = np.bincount(codes)
    if sizes.min() < 2:
        return generator.permutation(len(codes))[:wanted], ", not stratified: a class has a single row"
    if wanted < len(sizes):
        return generator.permutation(len(codes))[:wanted], ", not stratified: fewer rows than classes"
    quota = _quota(sizes, wanted)
    picked = [generator.permutation(np.flatnonzero(codes == code))[:count] for code, count in enumerate(quota)]
    return np.concatenate(picked), ", stratified by label"


def _has_classes(column: pa.ChunkedArray) -> bool:
    """Whether a value stands for a class: a list of them does not, nor does a number with a fraction."""
    if pa.types.is_nested(column.type) or pa.types.is_decimal(column.type):
        return False
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
        except pa.ArrowInvalid:
            return True
    return not pa.types.is_floating(column.type) or not pc.any(pc.not_equal(column, pc.round(column))).as_py()


def _codes(column: pa.ChunkedArray) -> _Indices:
    encoded = pc.dictionary_encode(column).combine_chunks()
    indices = encoded.indices if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0).indices
    return np.asarray(indices, dtype=np.int64)


def _quota(sizes: _Indices, wanted: int) -> _Indices:
    """How many rows of each class: its share, largest remainders rounded up, at least one left on either side."""
    exact = sizes * (wanted / sizes.sum())
    quota = np.floor(exact).astype(np.int64)
    quota[quota == 0] = 1
    while quota.sum() < wanted:
        quota[np.argmax(np.where(quota < sizes - 1, exact - quota, -np.inf))] += 1
    while quota.sum() > wanted:
        quota[np.argmax(np.where(quota > 1, quota - exact, -np.inf))] -= 1
    capped: _Indices = np.minimum(quota, sizes - 1)
    return capped


def _subset(table: pa.Table, data: Data, notes: list[str], cache: TokenCache | None) -> pa.Table:
    if data.subset is None:
        return table
    wanted, rows = data.subset.rows, table.num_rows
    if wanted >= rows:
        notes.append(f"data.subset: {wanted} rows asked for, train has {rows}: all are used")
        return table
    generator = np.random.default_rng(data.subset.seed)
    if are_lines(table):
        start = int(generator.integers(rows - wanted + 1))
        notes.append(f"data.subset: lines {start + 1} to {start + wanted} of {rows}, in one piece")
        return table.slice(start, wanted)
    notes.append(f"data.subset: {wanted:,} of {rows:,} rows")
    return kept_tables.rows(table, generator.permutation(rows)[:wanted], cache)
