"""seq2seq, put together: one text written after another, such as a summary, a translation or an answer."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Task
from workbench.tasks.seq2seq import baselines, data, evaluate, loss, model, predict

TASK: Final = Task(
    tokenizer=data.tokenizer,
    config=data.config,
    prepare=data.prepare,
    collator=data.collator,
    model=model.load,
    loss=loss.loss,
    evaluator=evaluate.evaluator,
    baselines=baselines.baselines,
    samples=predict.samples,
    predictor=predict.TextWriter,
)
