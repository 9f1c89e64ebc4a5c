"""How well answers are found: exact match and F1 over all questions of a split, and each question by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.interface import Prepared, Verdict, forward
from workbench.tasks.question_answering import predict
from workbench.tasks.question_answering.encode import Windows
from workbench.tasks.question_answering.predict import Found, Given, Search
from workbench.tasks.shared.rows import IGNORED, Batch

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits

_BEST: Final = ("best_f1", "best_f1_threshold")
_OF_NO_ANSWER: Final = ("exact_match_no_answer", "f1_no_answer", *_BEST)


@dataclass(frozen=True)
class Batched:
    """`Found` of one batch, as tensors on its device."""

    rows: NDArray[np.int64]
    tensors: tuple[Any, Any, Any, Any]

    def held(self) -> Found:
        """It in host memory; waits for the device."""
        return Found(self.rows, *(tensor.cpu().numpy() for tensor in self.tensors))


def found_in(outputs: Any, batch: Batch, windows: Windows, rows: NDArray[np.int64], search: Search) -> Batched:
    """The best spans of the windows `rows`, which are the batch, computed where the logits are."""
    import torch

    device = outputs.start_logits.device
    facts = torch.as_tensor(np.stack([windows.first[rows], windows.held[rows], windows.null[rows]]))
    first, held, null = facts.to(device, non_blocking=True)
    scores, tokens = predict.spans(outputs, first, held, search)
    nothing = predict.at(outputs.start_logits, null) + predict.at(outputs.end_logits, null)
    return Batched(rows, (tokens, scores, nothing, _losses(outputs, batch)))


def _losses(outputs: Any, batch: Batch) -> Any:
    """Each window's loss in nats, padding left out so that it does not depend on the batch; NaN without labels."""
    import torch

    labels, mask = batch.get("labels"), batch.get("attention_mask")
    if labels is None:
        return torch.full_like(outputs.start_logits[:, 0], torch.nan, dtype=torch.float32)
    both = []
    for logits, places in zip((outputs.start_logits, outputs.end_logits), labels.unbind(1), strict=True):
        seen = logits.float() if mask is None else logits.float().masked_fill(mask == 0, -torch.inf)
        both.append(torch.nn.functional.cross_entropy(seen, places, ignore_index=IGNORED, reduction="none"))
    return ((both[0] + both[1]) / 2).masked_fill(labels[:, 0] == IGNORED, torch.nan)


class AnswerJudge:
    """Keeps the best spans of every window; what they are worth is found once, over all windows of each question."""

    def __init__(self, split: str, splits: Splits, prepared: Prepared, search: Search) -> None:
        windows = prepared.splits[split]
        assert isinstance(windows, Windows), "what is judged knows its way back to the text"
        self._split, self._splits, self._search, self._windows = split, splits, search, windows
        self._found: list[Batched] = []

    def ask(self, model: Any, batch: Batch) -> Any:
        return forward(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        self._found.append(found_in(outputs, batch, self._windows, np.asarray(rows), self._search))

    def part(self) -> Found:
        n_best, none = self._search.n_best, np.zeros(0, np.float32)
        nothing = Found(
            np.zeros(0, np.int64), np.zeros((0, n_best, 2), np.int32), np.zeros((0, n_best), np.float32), none, none
        )
        return Found.joined([nothing, *(batched.held() for batched in self._found)])

    def verdict(self, parts: Sequence[Found]) -> Verdict:
        from workbench.data.tables import answer_spans

        found = Found.joined(parts)
        contexts = self._splits.texts(self._split, "context").to_pylist()
        given = predict.answers(self._windows, found, contexts, self._search)
        golds = answer_spans.read(self._splits, self._split).golds
        judged = Judged(given, contexts, golds, answer_spans.by_character(golds))
        losses = np.full(len(self._windows), np.nan)
        losses[found.rows] = found.losses
        scalars, undefined = self._loss(losses)
        result = judged.measured(thresholds=self._search.threshold is not None)
        table = partial(self._table, judged, losses)
        # Where each question has an answer, what is asked of the others is not undefined: it does not arise.
        aside = _OF_NO_ANSWER if not result["report"]["no_answer"] else ()
        undefined += [name for name in result["undefined"] if name not in aside]
        return Verdict(scalars | result["scalars"], undefined, result["report"], table)

    def _loss(self, losses: NDArray[np.float64]) -> tuple[dict[str, float], list[str]]:
        """The mean over the windows that have labels, as training takes it."""
        known = losses[_labelled(self._windows)]
        return ({"loss": float(known.mean())}, []) if len(known) else ({}, ["loss"])

    def _table(self, judged: Judged, losses: NDArray[np.float64]) -> Any:
        import pyarrow as pa

        exact, f1 = zip(*judged.each(), strict=True)
        spans = np.array([given.span for given in judged.given], np.int64).reshape(-1, 2)
        none = np.array([given.no_answer_probability for given in judged.given], np.float32)
        return pa.table(
            {
                "row": self._splits.tables()[self._split].column("__row__"),
                "label": pa.array([golds[0] if golds else "" for golds in judged.golds], pa.string()),
                "prediction": pa.array(judged.texts(called=True), pa.string()),
                "score": pa.array(f1, pa.float32()),
                "loss": _of_questions(self._windows, losses),
                "text": self._splits.texts(self._split),
                "start": pa.array(spans[:, 0]),
                "end": pa.array(spans[:, 1]),
                "no_answer_probability": pa.array(none),
                "exact": pa.array(map(bool, exact), pa.bool_()),
            }
        )


def _labelled(windows: Windows) -> NDArray[np.bool_]:
    assert windows.labels is not None, "windows that are judged have labels"
    known: NDArray[np.bool_] = windows.labels[:, 0] != IGNORED
    return known


def _of_questions(windows: Windows, losses: NDArray[np.float64]) -> Any:
    """The mean loss of each question's windows, float32; null where its answer is in none of them."""
    import pyarrow as pa

    known = _labelled(windows)
    number = int(windows.place[-1]) + 1
    counted = np.bincount(windows.place[known], minlength=number)
    sums = np.bincount(windows.place[known], losses[known], minlength=number)
    means = sums / np.maximum(counted, 1)
    return pa.array(means.astype(np.float32), mask=counted == 0)


@dataclass(frozen=True)
class Judged:
    """What was answered to each question, and what would have been right. `characters`: compared by character."""

    given: list[Given]
    contexts: list[str]
    golds: list[list[str]]
    characters: bool

    def texts(self, *, called: bool) -> list[str]:
        """The answers; unless `called` the likeliest piece even where no answer was given."""
        spans = [given.span if called else given.best for given in self.given]
        return [context[start:end] for context, (start, end) in zip(self.contexts, spans, strict=True)]

    def measured(self, *, thresholds: bool) -> dict[str, Any]:
        """What the metric says of the answers as given; with `thresholds` also what the best one would make of them.

        `best_f1_threshold` is a margin, as `evaluate.null_threshold` is.
        """
        result = self._computed(called=True)
        if not thresholds:
            return result
        likeliest = self._computed(called=False)["scalars"]
        scalars = result["scalars"] | {name: likeliest[name] for name in _BEST if name in likeliest}
        if "best_f1_threshold" in scalars:
            scalars["best_f1_threshold"] = self._margin(scalars["best_f1_threshold"])
        return result | {"scalars": scalars}

    def _computed(self, *, called: bool) -> dict[str, Any]:
        from workbench.metrics.exact_match import Answers

        none = [given.no_answer_probability for given in self.given]
        texts = self.texts(called=called)
        predictions = [
            {"text": text, "no_answer_probability": probability} for text, probability in zip(texts, none, strict=True)
        ]
        result: dict[str, Any] = Answers().compute(
            predictions=predictions, references=self.golds, characters=self.characters
        )
        return result

    def _margin(self, probability: float) -> float:
        """The greatest margin whose probability of no answer is at most this; below all, where there is none."""
        margins = np.array([given.margin for given in self.given])
        none = np.array([given.no_answer_probability for given in self.given])
        margins, none = margins[np.isfinite(margins)], none[np.isfinite(margins)]
        if not len(margins):
            return 0.0
        under = margins[none <= probability]
        return float(under.max()) if len(under) else float(margins.min()) - 1.0

    def each(self) -> list[tuple[float, float]]:
        """Exact match and F1 of each question."""
        from workbench.metrics.exact_match import best

        answered = zip(self.texts(called=True), self.golds, strict=True)
        return [best(text, golds, characters=self.characters) for text, golds in answered]
