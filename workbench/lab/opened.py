"""A trained model opened to be asked, in a lab process of its own. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.lab.client import Lab


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

    def predict(self, rows: Sequence[str | Mapping[str, str]], *, top_k: int | None = None) -> list[dict[str, Any]]:
        """An answer to each text, or row of `fields`, as `workbench predict --json` gives it."""
        given = [row if isinstance(row, str) else dict(row) for row in rows]
        return list(self._lab.call("model.predict", handle=self._handle, texts=given, top_k=top_k))

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
