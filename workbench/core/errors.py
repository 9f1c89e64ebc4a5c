"""The one family of exceptions that reaches a user.

Every message answers three questions in one sentence: what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class WorkbenchError(Exception):
    """An action failed. `exit_code` is what the command line ends with; `answered` is set where a part of an answer was
    printed before."""

    exit_code = 1
    answered = False

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """What, where and the hint in one line: `recipes/x.toml:12: no column 'txt': use one of text, label`."""
        place = f"{self.where}: " if self.where else ""
        hint = f": {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


class BadInput(WorkbenchError):
    """What the user gave cannot be used; nothing was changed."""

    exit_code = 2


class NotWritable(BadInput):
    """The home is read-only, another user's, or on a full disk: it can be looked at, and nothing can be kept in it."""


class RecipeError(BadInput):
    """A recipe does not validate. `problems` lists every fault found, each a full sentence."""

    def __init__(self, problems: list[str], *, where: str = "") -> None:
        self.problems = problems
        head = problems[0] if len(problems) == 1 else f"{len(problems)} problems:\n  " + "\n  ".join(problems)
        super().__init__(head, where=where)


class DataError(BadInput):
    """The data named by a recipe cannot be used as it asks."""


class ModelError(BadInput):
    """The model or tokenizer named cannot be found or loaded."""


class UnknownRun(BadInput):
    """No run has that id, prefix or name."""


class AmbiguousRun(BadInput):
    """Several runs begin with that prefix."""


class QueryError(BadInput):
    """A filter does not parse. `column` is where it stops making sense, counted from 0."""

    def __init__(self, what: str, *, column: int, hint: str = "") -> None:
        self.column = column
        super().__init__(what, where=f"filter, column {column + 1}", hint=hint)
