"""masked-lm, put together: what stands where the text is masked."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Task
from workbench.tasks.masked_lm import baselines, data, evaluate, loss, model, predict

TASK: Final = Task(
    tokenizer=data.tokenizer,
    config=data.config,
    prepare=data.prepare,
    collator=data.collator,
    model=model.load,
    loss=loss.loss,
    evaluator=evaluate.evaluator,
    baselines=baselines.baselines,
    predictor=predict.MaskFiller,
    draws=True,
)
