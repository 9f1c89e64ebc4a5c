"""Evaluating a split: batches of like lengths, no gradients, each process its share of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from workbench.tasks.interface import EvaluationResult, Evaluator
from workbench.tasks.shared.rows import Batch, Collator, TokenRows
from workbench.train import attention
from workbench.train.device import Device
from workbench.train.order import by_length
from workbench.train.passes import autocast
from workbench.train.ranks import Ranks
from workbench.train.sharding import gathered
from workbench.train.stopping import StopRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel


PREDICTIONS: Final = 2
"""The version of the columns of `predictions/`."""


class Interrupted(Exception):
    """A stop was asked for in the middle of an evaluation."""


def evaluate_split(
    model: PreTrainedModel,
    rows: TokenRows,
    collator: Collator,
    evaluator: Evaluator[Any, Any],
    *,
    device: Device,
    at_once: int,
    ranks: Ranks,
    stop: StopRequest,
) -> EvaluationResult | None:
    """The result on `rows` with the model's weights as they are; None in processes other than the first.

    Raises Interrupted, in every process, where a stop is asked for meanwhile: whoever asked does not wait for the
    whole of a long evaluation.
    """
    training = model.training
    model.eval()
    batches = by_length(rows.lengths, at_once)
    try:
        with torch.no_grad(), gathered(model), attention.for_evaluation(model), autocast(device):
            for start in range(0, len(batches), ranks.world):
                _heed(stop, ranks)
                for places in batches[start : start + ranks.world][ranks.rank : ranks.rank + 1]:
                    batch = _moved(collator([rows[place] for place in places]), device)
                    evaluator.add(places, batch, evaluator.ask(model, batch))
    finally:
        model.train(training)
    parts = ranks.gather(evaluator.part())
    return evaluator.result(parts) if ranks.first else None


def _moved(batch: Batch, device: Device) -> Batch:
    """The batch on the device. A GPU copies it from page-locked memory, and nobody waits for it."""
    if device.kind == "cpu":
        return batch
    return {name: tensor.pin_memory().to(device.torch, non_blocking=True) for name, tensor in batch.items()}


def _heed(stop: StopRequest, ranks: Ranks) -> None:
    (asked,) = ranks.any(stop.reason is not None)
    if asked:
        raise Interrupted


def write_predictions(
    result: EvaluationResult, directory: Path, split: str, *, task: str, labels: Sequence[str]
) -> str | None:
    """`predictions/<split>.parquet`, replaced whole. Returns its path within the run, None where there is no table.

    Its schema's metadata says under `workbench`, as JSON, which version of the columns it is, task and split, and the
    classes in the order of `probabilities`. Raises OSError.
    """
    if result.predictions is None:
        return None
    import pyarrow.parquet as pq

    table = result.predictions()
    said = json.dumps(
        {"version": PREDICTIONS, "task": task, "split": split, "labels": list(labels)}, ensure_ascii=False
    )
    directory.mkdir(mode=0o700, exist_ok=True)
    final = directory / f"{split}.parquet"
    partial = directory / f".{split}.{time.monotonic_ns()}"
    try:
        pq.write_table(table.replace_schema_metadata({"workbench": said}), partial, row_group_size=10_000)
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)
    return f"predictions/{split}.parquet"
