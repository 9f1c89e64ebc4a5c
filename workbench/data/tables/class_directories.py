"""A directory for each class, a text in each file: `train/pos/0_9.txt`, as aclImdb, 20 Newsgroups and BBC have it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from workbench.data.formats import by_name, faults, notes, raw
from workbench.data.tables import directories

_UNLABELLED: Final = ("unsup", "unlabeled", "unlabelled", "unsupervised")  # of no class, as aclImdb's train/unsup
_LEAST: Final = 2


def splits_of(directory: Path) -> dict[str, list[Path]]:
    """The directories of classes of each split, all as train where none is named; nothing where there are no such.

    They may lie one directory deeper, in `data/` or in the only one there is.
    """
    named = {
        split: classes
        for split, paths in directories.named_directories(directory).items()
        if (classes := _classes(paths[0]))
    }
    if named:
        return named
    within = [path for path in directories.listed(directory) if path.is_dir()]
    places = (directory, directory / "data", *(within if len(within) == 1 else ()))
    lone = next((classes for place in places if (classes := _classes(place))), None)
    return {} if lone is None else {"train": lone}


def _classes(directory: Path) -> list[Path]:
    """Those within a directory, where they hold most of its texts."""
    if not directory.is_dir():
        return []
    there = directories.listed(directory)
    split_names = {path for paths in directories.named_directories(directory).values() for path in paths}
    classes = [path for path in there if path.is_dir() and path not in split_names and texts_in(path)]
    loose = [path for path in there if not path.is_dir() and directories.is_data(path, None)]
    if len(classes) < _LEAST or any(not _is_text(path) for path in loose):
        return []
    return classes if sum(len(texts_in(path)) for path in classes) > len(loose) else []


def texts_in(directory: Path) -> list[Path]:
    """The texts of a class; nothing where other data lies among them."""
    files = [path for path in directories.listed(directory) if not path.is_dir()]
    if any(by_name.named(path) is not None and not _is_text(path) for path in files):
        return []
    return [path for path in files if _is_text(path) and not directories.is_beside_data(path)]


def _is_text(path: Path) -> bool:
    """Whether a name is that of a text: 20 Newsgroups numbers its files, with no suffix."""
    return raw.suffix(path) in (".txt", ".text", "") or re.fullmatch(r"\.\d+", path.suffix) is not None


def read(classes: Sequence[Path]) -> pa.Table:
    """A row for each file: its text, and its directory as the label. Raises DataError with a file that is no UTF-8."""
    texts = [(_text(path), _label(directory)) for directory in classes for path in texts_in(directory)]
    table = pa.table({
        "text": pa.array([text for text, _ in texts], pa.string()),
        "label": pa.array([label for _, label in texts], pa.string()),
    })  # fmt: skip
    root = classes[0].parent
    return notes.noted(table, [f"{root}: each of {len(texts):,} files is a text, and its directory the label"])


def place(classes: Sequence[Path], row: int) -> str:
    """The file of a row."""
    files = [path for directory in classes for path in texts_in(directory)]
    return str(files[row])


def _text(path: Path) -> str:
    with raw.opened(path) as file:
        data = file.read()
    if fault := faults.encoding_fault(path, data):
        raise fault
    return data.decode().strip("\r\n")


def _label(directory: Path) -> str | None:
    return None if directory.name.lower() in _UNLABELLED else directory.name
