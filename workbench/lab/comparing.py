"""Two runs over the same rows: what the second fixed, what it broke, and whether that may be chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.contracts.lab.prediction_requests import RunComparison
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.rundir import RunDir
from workbench.metrics import statistics


def splits(before: RunDir, after: RunDir) -> list[str]:
    """The splits both runs keep predictions of."""
    there = ({path.stem for path in run.predictions.glob("*.parquet")} for run in (before, after))
    return sorted(set.intersection(*there))


def compare(before: RunDir, after: RunDir, split: str) -> RunComparison:
    """Raises BadInput where the runs were not evaluated on the same rows, or one keeps no score of them."""
    tables = [_scored(run, split) for run in (before, after)]
    # Several pieces of a text may be of one row.
    one, other = (table.sort_by([("row", "ascending"), ("label", "ascending")]) for table in tables)
    if not one.column("row").equals(other.column("row")) or not one.column("label").equals(other.column("label")):
        raise BadInput(
            f"the runs were not evaluated on the same rows of {split}",
            where=f"{before.id} and {after.id}",
            hint="compare runs with equal data.validation, data.holdout_seed and labels",
        )
    scores = [np.asarray(table.column("score"), dtype=np.float64) for table in (one, other)]
    known = np.isfinite(scores[0]) & np.isfinite(scores[1])
    if not known.any():
        raise BadInput(f"the rows of {split} have no score", where=before.id)
    first, second = (score[known] for score in scores)
    whole = bool(np.isin(np.concatenate([first, second]), (0.0, 1.0)).all())
    change = statistics.mcnemar(first == 1, second == 1) if whole else None
    return RunComparison(split, len(first), change, statistics.paired(first, second))


def _scored(run: RunDir, split: str) -> pa.Table:
    """Row, label and score of every row. What has a label and a prediction alone is right or wrong."""
    path: Path = run.predictions / f"{Path(split).name}.parquet"
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        names = [name for name in ("row", "label", "prediction", "score") if name in file.schema_arrow.names]
        table = file.read(columns=names)
        if "score" not in names:
            right = pc.equal(table.column("label"), table.column("prediction"))
            table = table.append_column("score", pc.cast(pc.fill_null(right, False), pa.float32()))
        return table.select(["row", "label", "score"]).combine_chunks()
    except FileNotFoundError as error:
        raise BadInput(f"no predictions of {split}", where=run.id) from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise WorkbenchError(f"cannot be read ({error})", where=str(path)) from error
