"""Pages of what a run predicted: `predictions/<split>.parquet`, filtered to a cell of its confusion matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.contracts.lab.prediction_requests import (
    PredictedRow,
    PredictionsCompare,
    PredictionsPage,
    PredictionsPageReply,
    RunComparison,
)
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.lab import comparing

PAGE_LIMIT = 500
TEXT_LIMIT = 50_000
_Wide = tuple[str, float | None]  # the text, and the probability of the prediction
_NARROW = ("row", "label", "prediction", "loss")


@dataclass(frozen=True)
class _Split:
    """The narrow columns of one file, and the stamp of the file they are from."""

    stamp: tuple[int, int]
    narrow: pa.Table


class PredictionService:
    """`predictions.*` of the lab. Keeps the narrow columns of the file asked for last."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._kept: dict[Path, _Split] = {}

    def page(self, request: PredictionsPage) -> PredictionsPageReply:
        """Raises BadInput where the file is missing or another's."""
        path = self._file(request.run, request.split)
        narrow = self._narrow(path)
        chosen = _order(narrow, _cell(narrow, request.label, request.prediction), request.sort)
        first = max(request.offset, 0)
        window = chosen[first : first + min(max(request.limit, 0), PAGE_LIMIT)]
        return PredictionsPageReply(len(chosen), _rows(path, narrow, window))

    def compare(self, request: PredictionsCompare) -> RunComparison:
        """Raises BadInput where they were not evaluated on the same rows."""
        return comparing.compare(self._run(request.before), self._run(request.after), request.split)

    def _run(self, run: str) -> RunDir:
        path = Path(run)
        return RunDir(path if path.is_absolute() else self._home.runs / path.name)

    def _file(self, run: str, split: str) -> Path:
        path = self._run(run).predictions / f"{Path(split).name}.parquet"
        if not path.is_file():
            raise BadInput(
                f"no predictions of the {split} split",
                where=self._run(run).id,
                hint="they are written when a run evaluates that split",
            )
        return path

    def _narrow(self, path: Path) -> pa.Table:
        facts = path.stat()
        stamp = (facts.st_mtime_ns, facts.st_size)
        kept = self._kept.get(path)
        if kept is None or kept.stamp != stamp:
            kept = _Split(stamp, _read_narrow(path))
            self._kept = {path: kept}
        return kept.narrow


def _read_narrow(path: Path) -> pa.Table:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        missing = [name for name in (*_NARROW, "text") if name not in file.schema_arrow.names]
        if missing:
            raise BadInput(f"no column {missing[0]!r}", where=str(path), hint="it is not a predictions file")
        return file.read(columns=list(_NARROW))
    except (pa.ArrowException, OSError) as error:
        raise WorkbenchError(f"cannot be read ({error})", where=str(path)) from error


def _cell(narrow: pa.Table, label: str | None, prediction: str | None) -> npt.NDArray[np.int64]:
    """Positions of the rows with that label and that prediction; None is any."""
    keep = np.ones(len(narrow), dtype=bool)
    for column, wanted in (("label", label), ("prediction", prediction)):
        if wanted is not None:
            same = pc.equal(narrow[column].cast(pa.string()), wanted)
            keep &= pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(keep)


def _order(narrow: pa.Table, positions: npt.NDArray[np.int64], sort: str) -> npt.NDArray[np.int64]:
    if sort == "row":
        keys = narrow["row"].to_numpy()[positions]
    else:
        loss = narrow["loss"].cast(pa.float64()).to_numpy()[positions]
        worst = np.where(np.isnan(loss), np.inf, loss)
        keys = -worst if sort == "loss" else worst
    ordered: npt.NDArray[np.int64] = positions[np.argsort(keys, kind="stable")]
    return ordered


def _rows(path: Path, narrow: pa.Table, positions: npt.NDArray[np.int64]) -> tuple[PredictedRow, ...]:
    wide = _wide(path, positions.tolist())
    rows = narrow.take(pa.array(positions, pa.int64())).to_pylist()
    return tuple(
        PredictedRow(
            row=row["row"],
            label=str(row["label"]),
            prediction=str(row["prediction"]),
            probability=probability,
            loss=math.nan if row["loss"] is None else row["loss"],
            text=text,
        )
        for row, (text, probability) in zip(rows, wide, strict=True)
    )


def _wide(path: Path, positions: list[int]) -> list[_Wide]:
    """Text and probability at each position; only the row groups that hold them are read."""
    file = pq.ParquetFile(path, pre_buffer=False)
    names = [name for name in ("text", "probabilities") if name in file.schema_arrow.names]
    found: dict[int, _Wide] = {}
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        here = [position for position in positions if start <= position < end]
        if here:
            table = file.read_row_group(group, columns=names).take(pa.array([p - start for p in here]))
            found |= dict(zip(here, map(_extra, table.to_pylist()), strict=True))
        start = end
    return [found[position] for position in positions]


def _extra(row: dict[str, Any]) -> _Wide:
    text = "" if row["text"] is None else str(row["text"])
    return text[:TEXT_LIMIT], max(row.get("probabilities") or (), default=None)
