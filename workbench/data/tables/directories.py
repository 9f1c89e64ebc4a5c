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
_DIRECTORY = re.compile(
    r"(train|valid|val|dev|test)(ing|idation|elopment|set|data|s)?(?=$|[-_.\d])|.*[-_.](train|valid|val|dev|test)$",
    re.IGNORECASE,
)
# Files that lie beside the data of many corpora and are none: aclImdb has lists of addresses and a vocabulary.
_BESIDE = re.compile(
    r"(read[-_]?me|licen[cs]e|copying|notice|changelog|authors?|contributing|citation|credits|requirements|"
    r"urls?([-_].*)?|(.*[-_])?vocab(ulary)?|stop_?words|checksums?|md5sums?|sha\d+sums?|manifest|file_?list)([-_.].*)?",
    re.IGNORECASE,
)
# `en_ewt-ud-train.conllu`, `weiboNER.conll.train`, `eng.testa`
_HOLDS = re.compile(r"[-_.](train|valid|val|dev|test[ab]?)(?=\.|$)", re.IGNORECASE)


def split_files(directory: Path, wanted: str | None = None) -> dict[str, list[Path]]:
    """The files of each split, train first, in order of name. Raises DataError where there is nothing to go by.

    `wanted` is the format they are read in, whatever their names say: then a file need only be named by its split.
    """
    grouped = _grouped(directory, wanted)
    if not grouped and (beside := beside_data(directory)):
        raise DataError(
            f"holds no data file but {', '.join(path.name for path in beside[:6])}, which by name is none",
            where=str(directory),
            hint="name it in data.train if it is to be trained on all the same",
        )
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
    return _in_order(named)


def _in_order(named: dict[str, list[Path]]) -> dict[str, list[Path]]:
    return {split: named[split] for split in ("train", "validation", "test") if split in named}


def _by_name(paths: Sequence[Path], told: Callable[[str], re.Match[str] | None]) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = {}
    for path in paths:
        if match := told(path.name):
            named.setdefault(_CANONICAL[match[1].lower()], []).append(path)
    return named


def _nested(directory: Path, wanted: str | None) -> dict[str, list[Path]]:
    """The files within directories that are named by the split."""
    files = {split: _data_files(paths[0], wanted) for split, paths in named_directories(directory).items()}
    return {split: paths for split, paths in files.items() if paths}


def named_directories(directory: Path) -> dict[str, list[Path]]:
    """The directories within that are named by a split: `train`, `testing`, `20news-bydate-test`."""
    named: dict[str, list[Path]] = {}
    for path in listed(directory):
        if path.is_dir() and (match := _DIRECTORY.match(path.name)):
            named.setdefault(_CANONICAL[(match[1] or match[3]).lower()], []).append(path)
    return _in_order(named)


def beside_data(directory: Path) -> list[Path]:
    """Files that lie there, or in the directories of splits, beside the data and by their names are none."""
    places = [directory, *(paths[0] for paths in named_directories(directory).values())]
    return [path for place in places for path in listed(place) if not path.is_dir() and is_beside_data(path)]


def is_beside_data(path: Path) -> bool:
    """Whether a text, by its name, is about data rather than data: a README, a vocabulary, a list of addresses."""
    return raw.suffix(path) in (".txt", "") and _BESIDE.fullmatch(path.stem) is not None


def listed(directory: Path) -> list[Path]:
    """What lies in a directory, hidden files left out, by name. Raises DataError."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise faults.unreadable(directory, error) from error


def _data_files(directory: Path, wanted: str | None) -> list[Path]:
    """Files that are data by their names. Links that lead nowhere stay among them, to be told of when they are read."""
    if not directory.is_dir():
        return []
    return [path for path in listed(directory) if not path.is_dir() and is_data(path, wanted)]


def is_data(path: Path, wanted: str | None) -> bool:
    """Whether a file is data by its name."""
    if is_beside_data(path):
        return False
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
