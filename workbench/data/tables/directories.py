"""Which files of a directory make which split: they are told by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.core.errors import DataError
from workbench.data.formats import by_name, faults, raw
from workbench.data.formats.by_name import SUFFIXES

_CANONICAL = {
    "train": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "testa": "validation",  # CoNLL 2003 calls its two so
    "test": "test",
    "testb": "test",
}
_BEGINS = re.compile(r"(train|valid|val|dev|test)", re.IGNORECASE)
# `en_ewt-ud-train.conllu`, `weiboNER.conll.train`, `eng.testa`
_HOLDS = re.compile(r"[-_.](train|valid|val|dev|test[ab]?)(?=\.|$)", re.IGNORECASE)


def split_files(directory: Path, wanted: str | None = None) -> dict[str, list[Path]]:
    """The files of each split, train first, in order of name. Raises DataError where there is nothing to go by.

    `wanted` is the format they are read in, whatever their names say: then a file need only be named by its split.
    """
    grouped = _grouped(directory, wanted)
    if not grouped:
        raise DataError(
            "holds no data file", where=str(directory), hint=f"put train and test files there: {', '.join(SUFFIXES)}"
        )
    if wanted is None:
        for split, files in grouped.items():
            _check_one_format(directory, split, files)
    return grouped


def _grouped(directory: Path, wanted: str | None) -> dict[str, list[Path]]:
    found = _data_files(directory, wanted) or _data_files(directory / "data", wanted)
    named = _nested(directory, wanted) | _by_name(found, _BEGINS.match) or _by_name(found, _HOLDS.search)
    if not named and len(found) == 1:
        return {"train": found}
    if not named and found and all(path.name.startswith("part-") for path in found):
        return {"train": found}
    if not named and found:
        listed = ", ".join(path.name for path in found[:6])
        raise DataError(
            "no file is named train*", where=str(directory), hint=f"name one of them in data.train: {listed}"
        )
    order = ("train", "validation", "test")
    return {split: named[split] for split in order if split in named}


def _by_name(paths: Sequence[Path], told: Callable[[str], re.Match[str] | None]) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = {}
    for path in paths:
        if match := told(path.name):
            named.setdefault(_CANONICAL[match[1].lower()], []).append(path)
    return named


def _nested(directory: Path, wanted: str | None) -> dict[str, list[Path]]:
    """The files within directories that are named by the split."""
    named = _by_name([path for path in _listed(directory) if path.is_dir()], _BEGINS.match)
    files = {split: _data_files(paths[0], wanted) for split, paths in named.items()}
    return {split: paths for split, paths in files.items() if paths}


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise faults.unreadable(directory, error) from error


def _data_files(directory: Path, wanted: str | None) -> list[Path]:
    """Files that are data by their names. Links that lead nowhere stay among them, to be told of when they are read."""
    if not directory.is_dir():
        return []
    return [path for path in _listed(directory) if not path.is_dir() and _is_data(path, wanted)]


def _is_data(path: Path, wanted: str | None) -> bool:
    if wanted is not None and (_BEGINS.match(path.name) or _HOLDS.search(path.name)):
        return True
    return by_name.named(path) is not None


def _check_one_format(directory: Path, split: str, files: Sequence[Path]) -> None:
    kinds = sorted({raw.suffix(path) for path in files})
    if len(kinds) > 1:
        listed = ", ".join(path.name for path in files)
        raise DataError(
            f"the {split} split is there in several formats: {listed}", where=str(directory), hint="keep one of them"
        )
