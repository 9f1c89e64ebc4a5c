"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path


def expanded(written: str | Path) -> Path:
    """`~` and `~user` taken as a shell takes them: where there is no such user, the path stays as it was written."""
    path = Path(written)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user, or nobody's home is known
        return path
