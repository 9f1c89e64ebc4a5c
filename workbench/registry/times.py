"""Dates and lengths of time as a filter says them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Final

from workbench.core.errors import QueryError

_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_LENGTH: Final = re.compile(r"(?:\d+(?:\.\d*)?(?:min|[smhdwy]))+")
_PART: Final = re.compile(r"(\d+(?:\.\d*)?)(min|[smhdwy])")
_MEND: Final = "write 2d, 3h, 30m, today, yesterday, 2026-01-31 or 2026-01-31T14:00"


def span(text: str, now: float | None, column: int) -> tuple[float, float]:
    """From when to when `text` is, in seconds since 1970: a day is 24 hours long, `2d` and a time of day a moment.

    Dates are local. Raises QueryError, pointing at `column`.
    """
    now = time.time() if now is None else now
    try:
        if _LENGTH.fullmatch(text.lower()):
            moment = now - _seconds(text.lower())
            return moment, moment
        day = _day(text.lower(), now)
        if day is not None:
            return day.timestamp(), (day + timedelta(days=1)).timestamp()
        moment = datetime.fromisoformat(text).timestamp()
        return moment, moment
    except (ValueError, OverflowError, OSError) as error:
        raise QueryError(f"{text!r} is no date", column=column, hint=_MEND) from error


def _day(text: str, now: float) -> datetime | None:
    """Midnight of the day that `text` names, if it names one."""
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    return datetime.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None


def length(text: str, column: int) -> float:
    """`90`, `1h30m`, `2d` in seconds. Raises QueryError, pointing at `column`."""
    if _LENGTH.fullmatch(text.lower()):
        return _seconds(text.lower())
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise QueryError(f"{text!r} is no length of time", column=column, hint="write 90s, 30m, 1h30m or 2d")
    return seconds


def _seconds(text: str) -> float:
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
