"""The name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from workbench.core.text import clean


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None where no known name is close."""
    there = list(known)
    # An abbreviation is nearer to what it abbreviates than to a word of its own length: acc is accuracy, not mcc.
    begun = [word for word in there if len(name) > 2 and word.startswith(name)]
    close = begun or difflib.get_close_matches(name, there, n=1, cutoff=0.6)
    return close[0] if close else None


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'label'?)`, or nothing where no known name is close."""
    close = closest(name, known)
    return f" (did you mean '{clean(close)}'?)" if close else ""
