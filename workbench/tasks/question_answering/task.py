"""question-answering, put together: the piece of a context that answers a question, or none (SQuAD v1 and v2)."""

from __future__ import annotations

from typing import Final

from workbench.tasks.interface import Task
from workbench.tasks.question_answering import baselines, data, evaluate, loss, model, predict

TASK: Final = Task(
    tokenizer=data.tokenizer,
    config=data.config,
    prepare=data.prepare,
    collator=data.collator,
    model=model.load,
    loss=loss.loss,
    evaluator=evaluate.evaluator,
    baselines=baselines.baselines,
    predictor=predict.Answerer,
)
