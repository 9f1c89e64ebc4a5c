"""Data that comes with the program and with Python, for `source = "builtin:…"`. No network is needed."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.core.home import recipes_dir
from workbench.core.suggest import nearest
from workbench.data.formats import jsonlines
from workbench.data.tables import docstrings

Loaders = dict[str, Callable[[], pa.Table]]


def load(name: str) -> Loaders:
    """The splits of a built-in data set, each read when it is called. Raises DataError for an unknown name."""
    sets = {"reviews": _reviews, "python-docs": _python_docs, "docstrings": _docstrings}
    if name not in sets:
        raise DataError(
            f"no built-in data of that name{nearest(name, sets)}",
            where=f"builtin:{name}",
            hint=f"there are {', '.join('builtin:' + known for known in sets)}",
        )
    return sets[name]()


def _reviews() -> Loaders:
    """Short reviews of films, books, food, phones and hotels, written for this project: text, label and more."""
    directory = recipes_dir() / "data" / "reviews"
    found = {split: directory / f"{split}.jsonl" for split in ("train", "validation", "test")}
    if not found["train"].is_file():
        raise DataError("the shipped reviews are not installed", where=str(directory), hint="install workbench again")
    return {split: partial(jsonlines.read_jsonl, path) for split, path in found.items() if path.is_file()}


def _python_docs() -> Loaders:
    """Python's own help texts (`pydoc_data.topics`): topic, text. About 80 long documents in three fixed parts.

    Some stand there under two names; of those the first stays.
    """
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    named = {topics[topic].strip(): topic for topic in sorted(topics, reverse=True)}
    rows = [{"topic": topic, "text": text} for text, topic in named.items()]
    return _loaders(_parted(rows, lambda row: row["topic"]))


def _docstrings() -> Loaders:
    collected = docstrings.collect()
    parts: dict[str, list[dict[str, str]]] = {"train": [], "validation": [], "test": []}
    for rows in collected.values():
        for split, some in _parted(rows, lambda row: row["text"]).items():
            parts[split] += some
    return _loaders({split: sorted(rows, key=lambda row: digest(row["text"])) for split, rows in parts.items()})


def _loaders(parts: dict[str, list[dict[str, str]]]) -> Loaders:
    return {split: partial(pa.Table.from_pylist, rows) for split, rows in parts.items()}


def digest(text: str) -> bytes:
    """An order that is the same on every machine and has nothing to do with the alphabet."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _parted(rows: Sequence[dict[str, str]], key: Callable[[dict[str, str]], str]) -> dict[str, list[dict[str, str]]]:
    """Eight tenths, one tenth, one tenth: which row goes where hangs on its text only."""
    ordered = sorted(rows, key=lambda row: digest(key(row)))
    tenth = max(1, len(ordered) // 10)
    return {
        "train": list(ordered[2 * tenth :]),
        "validation": list(ordered[:tenth]),
        "test": list(ordered[tenth : 2 * tenth]),
    }
