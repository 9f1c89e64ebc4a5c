"""Which installed library does a docstring come from? Real text in several classes, made from what is installed.

Sources are parsed, never imported. A library's own name and nickname give the answer away, so every name of every
library here is masked in every docstring. Rows: text, label (the library), name (of what is documented).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.core.errors import DataError

LIBRARIES = ("datasets", "numpy", "rich", "sklearn", "textual", "torch", "transformers")
ROWS = 300
_MASK = "LIB"
_SHORTEST, _LONGEST = 40, 400
_LARGEST_FILE = 120_000
_NAMES = re.compile(
    r"\b(pytorch|torch|numpy|np|scikit-learn|sklearn|transformers|hugging ?face|hf|datasets|textual|rich)\b",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_SKIPPED = {"tests", "test", "testing", "_vendor", "vendor", "templates", "_internal", "deprecated", "externals"}


@dataclass(frozen=True)
class _Package:
    name: str
    root: Path


def collect(rows: int = ROWS) -> dict[str, list[dict[str, str]]]:
    """Up to `rows` docstrings of each installed library, no text twice. Raises DataError where fewer than 2 are."""
    packages = [package for name in LIBRARIES if (package := _package(name))]
    if len(packages) < 2:
        raise DataError("fewer than two of the libraries are installed", where="builtin:docstrings")
    seen: set[str] = set()
    found = {package.name: _some(package, rows, seen) for package in packages}
    fewest = min(len(some) for some in found.values())
    return {name: some[:fewest] for name, some in found.items()}


def _package(name: str) -> _Package | None:
    spec = importlib.util.find_spec(name)
    return _Package(name, Path(spec.origin).parent) if spec and spec.origin else None


def _some(package: _Package, rows: int, seen: set[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for path in _files(package.root):
        # A few of each file, so that no module's habits fill the class.
        of_file = 0
        for name, text in _documented(path):
            key = text.lower()
            if key in seen or of_file == 12:
                continue
            seen.add(key)
            of_file += 1
            found.append({"text": text, "label": package.name, "name": name})
            if len(found) == rows:
                return found
    return found


def _files(root: Path) -> list[Path]:
    """The package's modules in an order that is the same everywhere and mixes its sub-packages."""
    paths = [path.relative_to(root) for path in root.rglob("*.py")]
    kept = [path for path in paths if not _SKIPPED.intersection(path.parts) and not path.name.startswith("test_")]
    ordered = sorted(kept, key=lambda path: hashlib.sha256(path.as_posix().encode()).digest())
    return [root / path for path in ordered if (root / path).stat().st_size <= _LARGEST_FILE]


def _documented(path: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of what a module documents in public."""
    try:
        source = path.read_text("utf-8")
        if '"""' not in source:
            return
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return
    for node in _definitions(tree):
        docstring = ast.get_docstring(node)
        text = prose(docstring) if docstring else ""
        if len(text) >= _SHORTEST:
            yield node.name, text


def _definitions(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    child
                    for child in node.body
                    if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_")
                )


def prose(docstring: str) -> str:
    """The docstring on one line, library names masked, cut after a word."""
    text = _SPACE.sub(" ", _NAMES.sub(_MASK, docstring[: 3 * _LONGEST])).strip()
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rsplit(" ", 1)[0]
