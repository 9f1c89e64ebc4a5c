"""A trained model opened to be asked, in a lab process of its own. Imports nothing heavy."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from workbench.contracts.answers import Answer, dump, parse
from workbench.contracts.coding import Json
from workbench.core.errors import BadInput, WorkbenchError
from workbench.lab.client import Lab, Stream

Row = str | Mapping[str, str]

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
            opened = self._lab.call("model.open", path=str(directory))
        except BaseException:
            self._lab.close()
            raise
        self._handle = str(opened["handle"])
        self.task, self.labels = str(opened["task"]), list(opened["labels"])
        self.fields, self.generates = tuple(opened["fields"]), bool(opened["generates"])

    def predict(self, rows: Sequence[Row], *, top_k: int | None = None) -> list[dict[str, Json]]:
        """An answer to each text, or row of `fields`, as `workbench predict --json` gives it."""
        return list(map(dump, self.answers(rows, top_k=top_k)))

    def predict_each(self, rows: Iterable[Row], *, top_k: int | None = None) -> Generator[dict[str, Json], None, None]:
        """An answer to each row as `predict` gives it, while rows are still read: any number in little memory.

        Where `rows` raises a WorkbenchError the rows before are answered first. Raises RefusedRow.
        """
        with contextlib.closing(self.answer_each(rows, top_k=top_k)) as answers:
            yield from map(dump, answers)

    def answers(self, rows: Sequence[Row], *, top_k: int | None = None) -> Sequence[Answer]:
        """As `predict`, typed."""
        given = [row if isinstance(row, str) else dict(row) for row in rows]
        return list(map(parse, self._lab.call("model.predict", handle=self._handle, texts=given, top_k=top_k)))

    def answer_each(self, rows: Iterable[Row], *, top_k: int | None = None) -> Generator[Answer, None, None]:
        """As `predict_each`, typed.

        Where `rows` raises a WorkbenchError the rows before are answered first. Raises RefusedRow.
        """
        job = str(self._lab.call("model.batch", handle=self._handle, top_k=top_k))
        stream = self._lab.stream("model.answers", job=job)
        try:
            yield from self._answers(_Feed(self._lab, job, rows), stream)
        finally:
            # Both are needed: it may be waiting for rows, or be amidst them.
            stream.cancel()
            with contextlib.suppress(WorkbenchError):
                self._lab.send("model.feed", job=job, rows=None)

    def _answers(self, feed: _Feed, stream: Stream) -> Iterator[Answer]:
        answered = 0
        feed.fill(AHEAD)
        while feed.on_the_way:
            piece = next(stream)
            feed.on_the_way -= 1
            feed.fill(AHEAD)
            yield from map(parse, piece["answers"])
            answered += len(piece["answers"])
            if fault := piece.get("fault"):
                raise RefusedRow(str(fault["what"]), where=f"row {answered + 1}", hint=str(fault["hint"]))
        if feed.fault is not None:
            raise feed.fault

    def generate(self, prompt: str, **options: Any) -> Iterator[str]:
        """Pieces of text that go on from the prompt, as they come. `options` are fields of `[generate]`."""
        for piece in self._lab.stream("model.generate", handle=self._handle, prompt=prompt, **options):
            yield str(piece.get("text", ""))

    def close(self) -> None:
        self._lab.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()


class _Feed:
    """Gives a job its rows, a window at a time. `fault` is what ended them before their end."""

    def __init__(self, lab: Lab, job: str, rows: Iterable[Row]) -> None:
        self._lab, self._job, self._windows = lab, job, self._windows_of(iter(rows))
        self.on_the_way = 0
        self.fault: WorkbenchError | None = None

    def fill(self, ahead: int) -> None:
        """Send windows until so many are on the way, or there are no more."""
        while self.on_the_way < ahead and (window := next(self._windows, None)) is not None:
            self._lab.send("model.feed", job=self._job, rows=window)
            self.on_the_way += 1

    def _windows_of(self, rows: Iterator[Row]) -> Iterator[list[Row]]:
        most = FIRST_WINDOW
        while window := self._window(rows, most):
            yield window
            most = WINDOW

    def _window(self, rows: Iterator[Row], most: int) -> list[Row]:
        window: list[Row] = []
        characters = 0
        while len(window) < most and characters < CHARACTERS and (row := self._next(rows)) is not None:
            window.append(row if isinstance(row, str) else dict(row))
            characters += len(row) if isinstance(row, str) else sum(map(len, row.values()))
        return window

    def _next(self, rows: Iterator[Row]) -> Row | None:
        if self.fault is not None:
            return None
        try:
            return next(rows, None)
        except WorkbenchError as fault:
            self.fault = fault
            return None
