"""A trained model opened to be asked, in a lab process of its own. Imports nothing heavy."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from workbench.contracts.answers import Answer, dump
from workbench.contracts.coding import Json
from workbench.contracts.lab.model_requests import (
    AnswersPiece,
    AskedRow,
    ModelAnswers,
    ModelBatch,
    ModelFeed,
    ModelGenerate,
    ModelOpen,
    ModelPredict,
)
from workbench.core.errors import BadInput, WorkbenchError
from workbench.lab.client import Lab, PieceStream

AHEAD: Final = 3  # windows that are read, tokenized or answered at a time
WINDOW: Final = 2048  # rows at most
FIRST_WINDOW: Final = 256  # fewer, so that the first answers come soon
CHARACTERS: Final = 1 << 20  # of a window: long texts make smaller ones


class RefusedRow(BadInput):
    """The model cannot answer a row. All rows before it are answered."""


class Model:
    """A trained model in a process of its own. Close it, or use it in a `with` block."""

    def __init__(self, directory: Path) -> None:
        """Loads what is in the directory: a model, a checkpoint, or a run. Raises ModelError, BadInput."""
        self._lab = Lab()
        try:
            opened = self._lab.ask(ModelOpen("path", str(directory)))
        except BaseException:
            self._lab.close()
            raise
        self._handle = opened.handle
        self.task, self.labels = opened.task, list(opened.labels)
        self.fields, self.generates = opened.fields, opened.generates

    def predict(self, rows: Sequence[AskedRow], *, top_k: int | None = None) -> list[dict[str, Json]]:
        """An answer to each text, or row of `fields`, as `workbench predict --json` gives it."""
        return list(map(dump, self.answers(rows, top_k=top_k)))

    def predict_each(self, rows: Iterable[AskedRow], *, top_k: int | None = None) -> Iterator[dict[str, Json]]:
        """An answer to each row as `predict` gives it, while rows are still read: any number in little memory.

        Where `rows` raises a WorkbenchError the rows before are answered first. Raises RefusedRow.
        """
        with contextlib.closing(self.answer_each(rows, top_k=top_k)) as answers:
            yield from map(dump, answers)

    def answers(self, rows: Sequence[AskedRow], *, top_k: int | None = None) -> Sequence[Answer]:
        """As `predict`, typed."""
        return self._lab.ask(ModelPredict(self._handle, tuple(rows), top_k)).answers

    def answer_each(self, rows: Iterable[AskedRow], *, top_k: int | None = None) -> Generator[Answer, None, None]:
        """As `predict_each`, typed.

        Where `rows` raises a WorkbenchError the rows before are answered first. Raises RefusedRow.
        """
        job = self._lab.ask(ModelBatch(self._handle, top_k)).job
        stream = self._lab.stream(ModelAnswers(job))
        try:
            yield from self._answers(_Feed(self._lab, job, rows), stream)
        finally:
            # Both are needed: it may be waiting for rows, or be amidst them.
            stream.cancel()
            with contextlib.suppress(WorkbenchError):
                self._lab.send(ModelFeed(job, None))

    def _answers(self, feed: _Feed, stream: PieceStream[AnswersPiece]) -> Iterator[Answer]:
        answered = 0
        feed.fill(AHEAD)
        while feed.on_the_way:
            piece = next(stream)
            feed.on_the_way -= 1
            feed.fill(AHEAD)
            yield from piece.answers
            answered += len(piece.answers)
            if piece.fault is not None:
                raise RefusedRow(piece.fault.what, where=f"row {answered + 1}", hint=piece.fault.hint)
        if feed.fault is not None:
            raise feed.fault

    def generate(self, prompt: str, **options: object) -> Iterator[str]:
        """Pieces of text that go on from the prompt, as they come. `options` are fields of `[generate]`."""
        for piece in self._lab.stream(ModelGenerate(self._handle, prompt, options)):
            yield piece.text

    def close(self) -> None:
        self._lab.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()


class _Feed:
    """Gives a job its rows, a window at a time. `fault` is what ended them before their end."""

    def __init__(self, lab: Lab, job: str, rows: Iterable[AskedRow]) -> None:
        self._lab, self._job, self._windows = lab, job, self._windows_of(iter(rows))
        self.on_the_way = 0
        self.fault: WorkbenchError | None = None

    def fill(self, ahead: int) -> None:
        """Send windows until so many are on the way, or there are no more."""
        while self.on_the_way < ahead and (window := next(self._windows, None)) is not None:
            self._lab.send(ModelFeed(self._job, window))
            self.on_the_way += 1

    def _windows_of(self, rows: Iterator[AskedRow]) -> Iterator[tuple[AskedRow, ...]]:
        most = FIRST_WINDOW
        while window := self._window(rows, most):
            yield window
            most = WINDOW

    def _window(self, rows: Iterator[AskedRow], most: int) -> tuple[AskedRow, ...]:
        window: list[AskedRow] = []
        characters = 0
        while len(window) < most and characters < CHARACTERS and (row := self._next(rows)) is not None:
            window.append(row)
            characters += len(row) if isinstance(row, str) else sum(len(str(value)) for value in row.values())
        return tuple(window)

    def _next(self, rows: Iterator[AskedRow]) -> AskedRow | None:
        if self.fault is not None:
            return None
        try:
            return next(rows, None)
        except WorkbenchError as fault:
            self.fault = fault
            return None
