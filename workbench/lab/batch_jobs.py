"""Many rows asked of one model: tokenized ahead in one thread, answered in another, a window of rows at a time.

Rows are batched by length within a window. Whoever asks decides how many windows are on the way, and so how many rows
are held here: each window gets exactly one piece, in their order.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.contracts.answers import dump
from workbench.core.errors import BadInput

if TYPE_CHECKING:
    from workbench.tasks.interface import Asked, Predictor


@dataclass(frozen=True)
class _Window:
    """Rows as tokens, and what is wrong with the row after them, if something is."""

    encoded: Any
    rows: int
    fault: BadInput | None = None


class BatchJob:
    """`feed` and `answers` are called from different threads."""

    def __init__(self, predictor: Predictor, top_k: int | None) -> None:
        self._predictor, self._top_k = predictor, top_k
        self._windows: queue.SimpleQueue[_Window | Exception | None] = queue.SimpleQueue()

    def feed(self, rows: Sequence[Asked]) -> None:
        """Tokenize some rows. What goes wrong is said among the answers."""
        try:
            self._windows.put(self._window(rows))
        except Exception as error:  # noqa: BLE001  # raised again where the answers are waited for
            self._windows.put(error)

    def end(self) -> None:
        """There are no more rows."""
        self._windows.put(None)

    def answers(self) -> Iterator[dict[str, Any]]:
        """For each window `{"answers": [...]}`.

        Where a row is refused there are the answers to the rows before it, and `"fault": {"what", "hint"}`.
        """
        while (window := self._windows.get()) is not None:
            if isinstance(window, Exception):
                raise window
            found = self._predictor.answer(window.encoded, self._top_k) if window.rows else []
            piece: dict[str, Any] = {"answers": list(map(dump, found))}
            if window.fault is not None:
                piece["fault"] = {"what": window.fault.what, "hint": window.fault.hint}
            yield piece

    def _window(self, rows: Sequence[Asked]) -> _Window:
        try:
            return _Window(self._predictor.encode(rows), len(rows))
        except BadInput:
            good, fault = self._refused(rows)
            return _Window(self._predictor.encode(rows[:good]) if good else None, good, fault)

    def _refused(self, rows: Sequence[Asked]) -> tuple[int, BadInput]:
        """The place of the first row that is refused, and why. Tries one after the other."""
        for place, row in enumerate(rows):
            try:
                self._predictor.encode([row])
            except BadInput as fault:
                return place, fault
        raise AssertionError("rows that are refused hold one that is")
