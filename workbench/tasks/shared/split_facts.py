"""What every task says of a split, and the numbers that its rows have in the user's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables.columns import ROW

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits


def row_numbers(splits: Splits, split: str) -> NDArray[np.int64]:
    """Of each row of a split, [rows]."""
    return np.asarray(splits.tables()[split].column(ROW))


def counts_of(
    splits: Splits, split: str, *, truncated: int, tokens: int, dropped: int = 0, **more: object
) -> dict[str, object]:
    """What the `data` event says of a split; `dropped` are rows that the task leaves out, `more` what it counts."""
    rows, gone = splits.tables()[split].num_rows, splits.dropped.get(split, 0) + dropped
    return {"rows": rows, "dropped": gone, "truncated": truncated, "tokens": tokens, **more}
