"""Which files of a directory make which split: they are told by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.data.formats import SUFFIXES
from workbench.errors import DataError

_CANONICAL = {"train": "train", "valid": "validation", "val": "validation", "dev": "validation", "test": "test"}
_SPLIT_FILE = re.compile(r"^(train|valid|val|dev|test)", re.IGNORECASE)


def split_files(directory: Path) -> dict[str, list[Path]]:
    """The files of each split, train first, in order of name. Raises DataError where there is nothing to go by."""
    grouped = _grouped(directory)
    if not grouped:
        raise DataError(
            "holds no data file", where=str(directory), mend=f"put train and test files there: {', '.join(SUFFIXES)}"
        )
    for split, files in grouped.items():
        _check_one_format(directory, split, files)
    return grouped


def _grouped(directory: Path) -> dict[str, list[Path]]:
    found = _data_files(directory) or _data_files(directory / "data")
    named: dict[str, list[Path]] = {}
    for path in found:
        if match := _SPLIT_FILE.match(path.name):
            named.setdefault(_CANONICAL[match[1].lower()], []).append(path)
    for child in sorted(path for path in directory.iterdir() if path.is_dir() and _SPLIT_FILE.match(path.name)):
        split = _CANONICAL[_SPLIT_FILE.match(child.name)[1].lower()]  # type: ignore[index]  # matched above
        if split not in named and (files := _data_files(child)):
            named[split] = files
    if not named and len(found) == 1:
        return {"train": found}
    if not named and found:
        listed = ", ".join(path.name for path in found[:6])
        raise DataError(
            "no file is named train*", where=str(directory), mend=f"name one of them in data.train: {listed}"
        )
    order = ("train", "validation", "test")
    return {split: named[split] for split in order if split in named}


def _data_files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    files = (path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not path.name.startswith("."))


def _check_one_format(directory: Path, split: str, files: Sequence[Path]) -> None:
    kinds = sorted({path.suffix.lower() for path in files})
    if len(kinds) > 1:
        listed = ", ".join(path.name for path in files)
        raise DataError(
            f"the {split} split is there in several formats: {listed}", where=str(directory), mend="keep one of them"
        )
