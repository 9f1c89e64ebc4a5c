"""Questions asked faster than they are answered: one is out, and of those that come meanwhile only the newest waits."""

from __future__ import annotations

from typing import Generic, TypeVar

Question = TypeVar("Question")


class Newest(Generic[Question]):
    """Says what to send and when. `reset` forgets the one that is out: its answer is nobody's."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._out: Question | None = None
        self._waiting: Question | None = None

    def ask(self, question: Question) -> bool:
        """Whether to send `question` now; otherwise it waits, in place of any that waited.

        One that is out already does not wait for itself.
        """
        if self._out is None:
            self._out = question
            return True
        self._waiting = None if question == self._out else question
        return False

    def answered(self) -> Question | None:
        """The one that is out has its answer, or failed. Returns the one to send now."""
        self._out, self._waiting = self._waiting, None
        return self._out
