"""What the registry answers with: frozen, picklable, free of SQLite, so that a snapshot may cross threads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from workbench.contracts.events import plain

FLAGS: Final = {1: math.nan, 2: math.inf, 3: -math.inf}


def flag_of(value: float) -> int:
    """0 for a finite value, else how `value` is kept beside NULL."""
    if math.isfinite(value):
        return 0
    return 1 if math.isnan(value) else (2 if value > 0 else 3)


def restored(value: float | None, flag: int) -> float:
    """The number that was logged, from what is stored."""
    return FLAGS[flag] if value is None else value


@dataclass(frozen=True, slots=True)
class Summary:
    """A series in one line. `min` and `max` are of finite values only, None where there are none.

    `best` of an evaluation is what the metric is at the checkpoint that the run keeps, NaN where it has no value there:
    so all of a run's are of one model. Of another series it is the best value, None unless it is known which way is
    better. `step` is where that is, else where the last is.
    """

    first: float
    last: float
    min: float | None
    max: float | None
    best: float | None
    step: int
    count: int
    nonfinite: int = 0
    last_step: int = 0

    @property
    def best_or_last(self) -> float:
        """What a list shows: the value of the checkpoint that is kept, else the best or the newest."""
        return self.last if self.best is None else self.best

    def as_json(self) -> dict[str, float | int | str | None]:
        """`{"last","min","max","best","step"}`, with "NaN", "Infinity" and "-Infinity" as the logs write them."""
        return {
            "last": plain(self.last),
            "min": self.min,
            "max": self.max,
            "best": self.best if self.best is None else plain(self.best),
            "step": self.step,
        }


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as a list shows it. Times are seconds since 1970; `epoch` and `step` are how far training has come."""

    id: str
    name: str
    state: str
    task: str
    model: str
    data: str
    created: float
    started: float | None
    finished: float | None
    updated: float | None
    reason: str
    tags: tuple[str, ...]
    notes: str
    deleted: bool
    digest: str
    step: int | None
    total_steps: int | None
    epoch: float | None
    attempt: int
    host: str
    best_key: str | None
    recipe_json: str
    metrics: Mapping[str, Summary] = field(default_factory=dict)

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, parsed anew at each call; empty where the run's facts could not be read."""
        try:
            return dict(json.loads(self.recipe_json))
        except ValueError:  # a registry that is damaged just here
            return {}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch of a run. `state` is how it ended, or the run's own while it is the newest."""

    number: int
    state: str
    started: float | None
    finished: float | None
    reason: str
    exit_code: int | None
    signal: str | None
    resume_step: int | None
    host: str | None
    pid: int | None

    def as_json(self) -> dict[str, float | int | str | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SeriesView:
    """What a chart draws of a series: at most two points a column, the least and the greatest of their bucket.

    `points` are (step, value), finite, in step order, with `times` beside them (seconds since 1970). `total` counts
    every point in the range, and `hidden` those that nothing here stands for: none. `nonfinite` are (step, value) of
    NaN and infinities, all of them where they are few, else about one a column; `nonfinite_total` counts them.
    """

    points: list[tuple[int, float]]
    times: list[float]
    total: int
    nonfinite: list[tuple[int, float]]
    nonfinite_total: int
    hidden: int = 0
