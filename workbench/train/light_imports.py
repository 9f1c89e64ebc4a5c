"""Imports that leave out what the check of a recipe does not need. For a process that does nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _NotThere(MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")


def arrow_without_pandas() -> None:
    """pyarrow imports pandas with the first scalar that it makes (0.6 s), and once it has none it never asks again."""
    import pyarrow as pa

    finder = _NotThere()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)


def transformers_without_torch() -> None:
    """Tokenizers and configs need no torch, which transformers imports where it is (2 s). Models cannot be loaded then.

    Does nothing where torch is imported already.
    """
    if "torch" in sys.modules:
        return
    # What is None there cannot be imported, and counts as not installed.
    sys.modules["torch"] = None  # type: ignore[assignment]  # the documented way to say so
    try:
        from transformers import AutoConfig, AutoTokenizer  # noqa: F401
    finally:
        del sys.modules["torch"]
