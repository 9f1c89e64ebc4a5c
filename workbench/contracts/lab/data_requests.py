"""`data.*`: the rows of a source, a recipe or a run, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

from workbench.contracts.coding import Tabled
from workbench.contracts.lab.request import LabRequest

LabelSpan: TypeAlias = tuple[int, int, int, str]
"""Sequence (0 the text, 1 the second one), start and end in its characters, label."""


@dataclass(frozen=True, slots=True)
class TextTargets:
    """What is learned of a text. `rest` is the label of tokens that no span touches.

    With `words` the spans of the text are its words, which the tokenizer gets one by one, `spaced` or not; only the
    first token of each has the label.
    """

    spans: tuple[LabelSpan, ...] = ()
    words: bool = False
    spaced: bool = True
    rest: str = ""


NO_TARGETS: Final = TextTargets()


@dataclass(frozen=True, slots=True)
class RowPassage:
    """What of a row is made into tokens."""

    text: str
    pair: str | None = None
    targets: TextTargets = NO_TARGETS


@dataclass(frozen=True, slots=True)
class RowsOf:
    """Whose rows: of a source (file, directory, hub id, `builtin:…`), of a recipe's file, or of a run by its id."""

    kind: Literal["source", "recipe", "run"]
    name: str


@dataclass(frozen=True, slots=True)
class DataSplitsReply:
    """`notes` are sentences; `max_length` and `tokenizer` the recipe's, where there is one."""

    name: str
    splits: tuple[str, ...]
    notes: tuple[str, ...]
    max_length: int | None
    tokenizer: str | None


@dataclass(frozen=True, slots=True)
class DataSplits(LabRequest[DataSplitsReply]):
    """Which splits there are."""

    METHOD: ClassVar[str] = "data.splits"

    of: RowsOf


@dataclass(frozen=True, slots=True)
class ShortRow(Tabled):
    """A row in short. `at` is its position, to be given to `DataRow`, `index` that in the source's split; `label` is ""
    where it has none, `text` the first 400 of `length` characters."""

    at: int
    index: int
    label: str
    text: str
    length: int


@dataclass(frozen=True, slots=True)
class DataPageReply:
    """Of `known` rows, `total` match. With `more` there may be others: the end of a large file has not been seen."""

    total: int
    known: int
    more: bool
    rows: tuple[ShortRow, ...]


@dataclass(frozen=True, slots=True)
class DataPage(LabRequest[DataPageReply]):
    """The rows `offset` and on of those that have `search` in a column of text, in any case, and the label, if any."""

    METHOD: ClassVar[str] = "data.page"

    of: RowsOf
    split: str
    offset: int = 0
    limit: int = 100
    search: str = ""
    label: str | None = None


@dataclass(frozen=True, slots=True)
class RowField:
    """A column of a row: `text` may be its beginning only, of `characters`."""

    name: str
    text: str
    characters: int


@dataclass(frozen=True, slots=True)
class DataRowReply:
    """A row whole. `text` is the name of the column that is the text; `label` is "" where it has none."""

    index: int
    text: str | None
    label: str
    fields: tuple[RowField, ...]
    passage: RowPassage


@dataclass(frozen=True, slots=True)
class DataRow(LabRequest[DataRowReply]):
    """The row at a position, its fields cut at `limit` characters."""

    METHOD: ClassVar[str] = "data.row"

    of: RowsOf
    split: str
    at: int
    limit: int = 20_000


@dataclass(frozen=True, slots=True)
class LengthSpread:
    """Lengths of texts in characters: `bins` of equal width count those up to `top`, `beyond` those above."""

    bins: tuple[int, ...]
    top: int
    beyond: int
    median: int
    p95: int
    max: int


@dataclass(frozen=True, slots=True)
class DataStatsReply:
    """The figures of a split; `partial` where they are of its first rows.

    `labels` are the rows of the commonest of so many `kinds` of label, "" those without one, None where there are no
    labels. `shared` is how many of the texts another split has too.
    """

    rows: int
    dropped: int
    labels: Mapping[str, int] | None
    kinds: int
    lengths: LengthSpread
    empty: int
    repeated: int
    partial: bool = False
    shared: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataStats(LabRequest[DataStatsReply]):
    """What a split looks like as a whole."""

    METHOD: ClassVar[str] = "data.stats"

    of: RowsOf
    split: str
