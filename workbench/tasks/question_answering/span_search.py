"""From start and end logits to answers: the best spans of each window, merged over the windows of a question.

A span's score is the sum of its start and end logits, that of "no answer" the sum at the token which stands for it;
over the windows of a question the least of these counts (Devlin et al. 2019, section 4.3). Every span of at most so
many tokens is looked at, not only pairs of the likeliest starts and ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.tasks.question_answering.encode import ContextWindows
from workbench.tasks.question_answering.loss import SpanLogits
from workbench.tasks.shared.rows import IGNORED, Batch

if TYPE_CHECKING:
    import torch

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class SpanSearch:
    """`n_best` answers are considered, of at most `longest` tokens. Without a threshold there is always an answer."""

    n_best: int
    longest: int
    threshold: float | None


@dataclass(frozen=True)
class BestSpans:
    """The best spans of some windows: `rows` int64 [windows] says which; `tokens` int32 [windows, n_best, 2] are first
    and last token of the best spans, `scores` float32 [windows, n_best] theirs, -inf where there are fewer; `null`
    float32 [windows] is the score of no answer, `losses` float32 [windows] in nats, NaN where there is no label.
    """

    rows: NDArray[np.int64]
    tokens: NDArray[np.int32]
    scores: NDArray[np.float32]
    null: NDArray[np.float32]
    losses: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[BestSpans]) -> BestSpans:
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class ChosenSpan:
    """The answer to a question: `best` and the others in `candidates` are start, end and score, likeliest first.

    `margin` is by how much the score of no answer is above the best one's; `is_answer` says whether the best is the
    answer, or there is none.
    """

    candidates: list[tuple[int, int, float]]
    null: float
    is_answer: bool

    @property
    def best(self) -> tuple[int, int]:
        """The likeliest piece, whether it is given as the answer or not; (0, 0) where there is none."""
        return self.candidates[0][:2] if self.candidates else (0, 0)

    @property
    def span(self) -> tuple[int, int]:
        """What is given, in code points of the context; (0, 0) for no answer."""
        return self.best if self.is_answer else (0, 0)

    @property
    def margin(self) -> float:
        return self.null - self.candidates[0][2] if self.candidates else np.inf

    @property
    def no_answer_probability(self) -> float:
        """Of no answer against the best one: the logistic of the margin."""
        return float(1 / (1 + np.exp(-np.clip(self.margin, -700, 700))))

    def shares(self, *, null: bool) -> tuple[list[float], float]:
        """The probability of each candidate and of no answer, which with `null` is one of the choices."""
        scores = np.array([score for _, _, score in self.candidates] + ([self.null] if null else []), np.float64)
        if not len(scores):
            return [], 1.0
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return shares[: len(self.candidates)].tolist(), float(shares[-1]) if null else 0.0


@dataclass(frozen=True)
class SpansOnDevice:
    """`BestSpans` of one batch, as tensors on its device."""

    rows: NDArray[np.int64]
    tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

    def on_host(self) -> BestSpans:
        """Copies them to host memory; waits for the device."""
        return BestSpans(self.rows, *(tensor.cpu().numpy() for tensor in self.tensors))


def best_spans(
    outputs: SpanLogits, batch: Batch, windows: ContextWindows, rows: NDArray[np.int64], search: SpanSearch
) -> SpansOnDevice:
    """The best spans of the windows `rows`, which are the batch, computed where the logits are."""
    import torch

    device = outputs.start_logits.device
    facts = torch.as_tensor(np.stack([windows.first[rows], windows.held[rows], windows.null[rows]]))
    first, held, null = facts.to(device, non_blocking=True)
    scores, tokens = spans(outputs, first, held, search)
    nothing = at(outputs.start_logits, null) + at(outputs.end_logits, null)
    return SpansOnDevice(rows, (tokens, scores, nothing, _losses(outputs, batch)))


def _losses(outputs: SpanLogits, batch: Batch) -> torch.Tensor:
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


def spans(
    outputs: SpanLogits, first: torch.Tensor, held: torch.Tensor, search: SpanSearch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores [windows, n_best] and tokens [windows, n_best, 2] of the best spans within the context, likeliest first.

    `first` and `held` [windows] say where the context's tokens are. All of it is done where the logits are.
    """
    import torch

    starts, ends = (_within(logits, first, held) for logits in (outputs.start_logits, outputs.end_logits))
    width, longest = starts.shape[1], min(search.longest, starts.shape[1])
    ends = torch.nn.functional.pad(ends, (0, longest - 1), value=-torch.inf)
    sums = (starts[:, :, None] + ends.unfold(1, longest, 1)).flatten(1)
    scores, places = sums.topk(min(search.n_best, width * longest), dim=1)
    missing = (0, search.n_best - scores.shape[1])
    scores = torch.nn.functional.pad(scores, missing, value=-torch.inf)
    places = torch.nn.functional.pad(places, missing)
    begin = places // longest
    return scores, torch.stack([begin, begin + places % longest], dim=2).int()


def _within(logits: torch.Tensor, first: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """Logits in fp32, -inf outside of the context."""
    import torch

    places = torch.arange(logits.shape[1], device=logits.device)
    outside = (places < first[:, None]) | (places >= (first + held)[:, None])
    return logits.float().masked_fill(outside, -torch.inf)


def at(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The logit of one token of each window, in fp32."""
    return logits.float().gather(1, places[:, None])[:, 0]


def answers(windows: ContextWindows, found: BestSpans, contexts: Sequence[str], search: SpanSearch) -> list[ChosenSpan]:
    """The answer to each question, out of what was found in all of its windows."""
    null = np.full(len(contexts), np.inf)
    np.minimum.at(null, windows.place[found.rows], found.null)
    question, begin, end, score = _merged(*_pieces(windows, found, contexts))
    bounds = np.searchsorted(question, np.arange(len(contexts) + 1))
    chosen = []
    for place in range(len(contexts)):
        own = slice(bounds[place], min(bounds[place + 1], bounds[place] + search.n_best))
        candidates = list(zip(begin[own].tolist(), end[own].tolist(), score[own].tolist(), strict=True))
        chosen.append(_chosen(candidates, float(null[place]), search.threshold))
    return chosen


def _chosen(candidates: list[tuple[int, int, float]], null: float, threshold: float | None) -> ChosenSpan:
    is_answer = bool(candidates) and (threshold is None or null - candidates[0][2] <= threshold)
    return ChosenSpan(candidates, null, is_answer)


_Pieces = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Scores]


def _pieces(windows: ContextWindows, found: BestSpans, contexts: Sequence[str]) -> _Pieces:
    """Question, start and end in code points, and score, of every span that was found."""
    there = np.isfinite(found.scores)
    window = np.repeat(found.rows, there.sum(axis=1))
    tokens = found.tokens[there] + (windows.begins - windows.first)[window][:, None]
    question = windows.place[window]
    begin, end = windows.spans[tokens[:, 0], 0], windows.spans[tokens[:, 1], 1]
    tidied = [_tidied(contexts[row], a, b) for row, a, b in zip(question, begin.tolist(), end.tolist(), strict=True)]
    edges = np.asarray(tidied, np.int64).reshape(-1, 2)
    kept = edges[:, 1] > edges[:, 0]
    return question[kept], edges[kept, 0], edges[kept, 1], found.scores[there][kept].astype(np.float64)


def _tidied(context: str, start: int, end: int) -> tuple[int, int]:
    """Without white space around it, which some tokens bring; with the marks on its last letter, which others leave."""
    while end < len(context) and unicodedata.category(context[end])[0] == "M":
        end += 1
    while start < end and context[start].isspace():
        start += 1
    while start < end and context[end - 1].isspace():
        end -= 1
    return start, end


def _merged(question: NDArray[np.int64], begin: NDArray[np.int64], end: NDArray[np.int64], score: Scores) -> _Pieces:
    """Each piece once, with its best score; by question, likeliest first, then the one that stands first."""
    order = np.lexsort((-score, end, begin, question))
    question, begin, end, score = question[order], begin[order], end[order], score[order]
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(question) == 0) & (np.diff(begin) == 0) & (np.diff(end) == 0)
    question, begin, end, score = question[~again], begin[~again], end[~again], score[~again]
    order = np.lexsort((end, begin, -score, question))
    return question[order], begin[order], end[order], score[order]
