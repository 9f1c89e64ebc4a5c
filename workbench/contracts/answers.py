"""What a model answers to a row: of every predictor, over the lab's pipe, and as `workbench predict` prints it.

`dump` is the JSON of `predict --json` and `--jsonl`. The fields say which kind it is: no two kinds have the same. What
was asked and cut says so in `cut`, which is not there where nothing was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from workbench.contracts.coding import Json, reader, record


@dataclass(frozen=True, slots=True)
class CutText:
    """Of a text's `of` tokens the model has seen `at`; it knows nothing of the rest."""

    at: int
    of: int


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """One label, and the probability of each, likeliest first."""

    label: str
    probabilities: Mapping[str, float]
    cut: CutText | None = None


@dataclass(frozen=True, slots=True)
class LabelsAnswer:
    """Any number of labels, and the probability of each that there is, likeliest first."""

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    cut: CutText | None = None


@dataclass(frozen=True, slots=True)
class ValuesAnswer:
    """A number for each target of a regression."""

    values: Mapping[str, float]
    cut: CutText | None = None


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """A piece of the text, `start` to `end` in its code points, that is a `label`; `score` from 0 to 1."""

    label: str
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class EntitiesAnswer:
    """The entities of a text, in its order."""

    entities: tuple[FoundEntity, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of the context, `start` to `end` in its code points, and its probability."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class ExtractAnswer:
    """The piece of the context that answers a question, as in `Candidate`; empty where nothing does."""

    answer: str
    start: int
    end: int
    score: float
    candidates: tuple[Candidate, ...]
    """The likeliest pieces, whether one of them is given as the answer or not."""
    cut: CutText | None = None
    """Of the question; a context is read whole."""


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """A text that the model wrote."""

    text: str
    cut: CutText | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """A token that may stand where a mask does, and its probability."""

    token: str
    score: float


@dataclass(frozen=True, slots=True)
class FillsAnswer:
    """For each mask of the text the likeliest tokens."""

    fills: tuple[tuple[Fill, ...], ...]


Answer: TypeAlias = (
    LabelAnswer | LabelsAnswer | ValuesAnswer | EntitiesAnswer | ExtractAnswer | TextAnswer | FillsAnswer
)


_READ: Final[Callable[[object], Answer]] = reader(Answer)


def parse(record: object) -> Answer:
    """The answer that `dump` made a record of. Raises one of `coding.UNREADABLE`."""
    return _READ(record)


def dump(answer: Answer) -> dict[str, Json]:
    """An answer as JSON has it; floats are as they are, and may be NaN."""
    made = record(answer)
    if made.get("cut") is None:
        made.pop("cut", None)
    return made
