"""Where a run stands by the metric that chooses: the best so far, and how long nothing was better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.metrics.catalog import Direction


@dataclass(frozen=True, slots=True)
class Rule:
    """`metric` by its bare name; None where nothing chooses and the last weights are kept."""

    metric: str | None
    direction: Direction
    patience: int | None = None
    threshold: float = 0.0


@dataclass(slots=True)
class Standing:
    """Goes into every checkpoint, so that a resumed run stops where the uninterrupted one would have."""

    best: float | None = None
    loss: float | None = None
    best_step: int | None = None
    waited: int = 0
    ended: bool = False

    def update(self, rule: Rule, step: int, scalars: Mapping[str, float]) -> bool:
        """Take an evaluation in. Returns whether it is the best so far; sets `ended` when patience has run out.

        A value that is undefined or not a number is no better than any; of equal ones that with the smaller loss is.
        """
        if rule.metric is None:
            return False
        value = scalars.get(rule.metric, math.nan)
        gain = self._gain(rule, value)
        self.waited = 0 if gain > rule.threshold else self.waited + 1
        self.ended = rule.patience is not None and self.waited >= rule.patience
        loss = scalars.get("loss", math.nan)
        better = gain > 0 or (gain == 0 and self.loss is not None and loss < self.loss)
        if better:
            self.best, self.best_step, self.loss = value, step, None if math.isnan(loss) else loss
        return better

    def _gain(self, rule: Rule, value: float) -> float:
        """How much better than the best so far; negative where it is worse or no number."""
        if math.isnan(value):
            return -math.inf
        if self.best is None:
            return math.inf
        return value - self.best if rule.direction == "max" else self.best - value

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Standing:
        return cls(
            record["best"], record.get("loss"), record["best_step"], int(record["waited"]), bool(record["ended"])
        )
