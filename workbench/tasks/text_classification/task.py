"""text-classification, put together: one label a text or a pair of texts, any number of labels, or numbers."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Task
from workbench.tasks.text_classification import baselines, data, evaluate, loss, model, predict

TASK: Final = Task(
    tokenizer=data.tokenizer,
    config=data.config,
    prepare=data.prepare,
    collator=data.collator,
    model=model.load,
    loss=loss.loss,
    evaluator=evaluate.evaluator,
    baselines=baselines.baselines,
    predictor=predict.TextClassifier,
    finish=model.finish,
)
