"""`model.*`: a trained model is opened, asked about rows, and writes text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from workbench.contracts.answers import Answer
from workbench.contracts.lab.request import LabRequest, StreamRequest

AskedRow: TypeAlias = str | Mapping[str, object]
"""A text, or the fields of a row by name."""
Place: TypeAlias = Literal["run", "checkpoint", "path", "base"]


@dataclass(frozen=True, slots=True)
class ModelOpenReply:
    """`fields` are what a row needs; `generates` says whether text can be generated. `step` is None for a model that no
    run made. The handle outlives the process."""

    handle: str
    task: str
    labels: tuple[str, ...]
    fields: tuple[str, ...]
    generates: bool
    name: str
    step: int | None


@dataclass(frozen=True, slots=True)
class ModelOpen(LabRequest[ModelOpenReply]):
    """Load a model: of a `run` by its id or directory, the model it made, else its newest sealed checkpoint; the
    directory of a `checkpoint`; a `path`, a directory of any of these kinds or of a model; or the `base` that a run
    was tuned from."""

    METHOD: ClassVar[str] = "model.open"

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class ModelPredictReply:
    """An answer to each row."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class ModelPredict(LabRequest[ModelPredictReply]):
    """Ask about a few rows."""

    METHOD: ClassVar[str] = "model.predict"

    handle: str
    rows: tuple[AskedRow, ...]
    top_k: int | None = None


@dataclass(frozen=True, slots=True)
class ModelBatchReply:
    """The id of a job, to be given to `ModelFeed` and `ModelAnswers`."""

    job: str


@dataclass(frozen=True, slots=True)
class ModelBatch(LabRequest[ModelBatchReply]):
    """Begin to ask about many rows."""

    METHOD: ClassVar[str] = "model.batch"

    handle: str
    top_k: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFeed(LabRequest[None]):
    """The next rows of a job; None ends it."""

    METHOD: ClassVar[str] = "model.feed"

    job: str
    rows: tuple[AskedRow, ...] | None


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with a row, and what to do about it."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class AnswersPiece:
    """The answers to the rows of one `ModelFeed`; to those before a row that is refused, and then its `fault`."""

    answers: tuple[Answer, ...]
    fault: RowFault | None = None


@dataclass(frozen=True, slots=True)
class ModelAnswers(StreamRequest[AnswersPiece]):
    """A piece for each `ModelFeed`, until the job is ended."""

    METHOD: ClassVar[str] = "model.answers"

    job: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """More of a text that is being written."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelGenerate(StreamRequest[TextPiece]):
    """Go on from a prompt. `options` are fields of a recipe's `[generate]`; those not given are as in the recipe of the
    run that made the model."""

    METHOD: ClassVar[str] = "model.generate"

    handle: str
    prompt: str
    options: Mapping[str, object] = field(default_factory=dict)
