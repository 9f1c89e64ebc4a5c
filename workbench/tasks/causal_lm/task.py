"""causal-lm, put together: what comes next in plain text, a prompt's completion, or the answers of a chat."""

from __future__ import annotations

from typing import Final

from workbench.tasks.causal_lm import baselines, data, evaluate, loss, model, predict
from workbench.tasks.interface import Task

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
    predictor=predict.TextGenerator,
)
