"""token-classification, put together: a tag for every word, of entities or plain, such as parts of speech."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Task
from workbench.tasks.token_classification import baselines, data, evaluate, loss, model, predict

TASK: Final = Task(
    tokenizer=data.tokenizer,
    config=data.config,
    prepare=data.prepare,
    collator=data.collator,
    model=model.load,
    loss=loss.loss,
    evaluator=evaluate.evaluator,
    baselines=baselines.baselines,
    predictor=predict.Tagger,
)
