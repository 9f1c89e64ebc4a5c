"""Questions with their contexts as windows of tokens: the same for training, evaluation and use.

A context that does not fit beside its question is cut into windows that share `stride` tokens, as
`truncation="only_second"` with `return_overflowing_tokens` does; each context is read once, however many questions
are asked about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import BadInput, ModelError
from workbench.data.cache.token_entry import Arrays
from workbench.tasks.shared.rows import IGNORED, TokenRows, flattened

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_ONCE: Final = 1000
_LEAST_ROOM: Final = 4  # tokens of question and context together, below which a window is of no use


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens around a question and a context, and the token type of each part.

    `null` is the place of the token that stands for "no answer", counted from the end where it is negative.
    """

    before: list[int]
    middle: list[int]
    after: list[int]
    types: tuple[int, int]
    null: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> PairTemplate:
        """The tokenizer's own; of one that sets no special tokens, the end token after each part.

        Raises ModelError for a slow tokenizer, which knows no places, and where there is no token to set.
        """
        if not tokenizer.is_fast:
            raise ModelError(
                "question-answering needs a fast tokenizer, which knows where each token stands in the text",
                where="model.tokenizer",
                hint="use one that has a tokenizer.json",
            )
        pair = tokenizer(["a"], ["a"], verbose=False).encodings[0]
        of = pair.sequence_ids
        question, context = of.index(0), of.index(1)
        middle, after = question + of.count(0), context + of.count(1)
        parts = pair.ids[:question], pair.ids[middle:context], pair.ids[after:]
        if not any(parts):
            end = tokenizer.eos_token_id
            if end is None:
                raise ModelError(
                    "the tokenizer has no token to set between question and context", where="model.tokenizer"
                )
            return cls([], [end], [end], (0, 0), -1)
        return cls(*parts, (pair.type_ids[question], pair.type_ids[context]), _null(tokenizer, *parts))

    @property
    def size(self) -> int:
        return len(self.before) + len(self.middle) + len(self.after)


def _null(tokenizer: PreTrainedTokenizerBase, before: list[int], middle: list[int], after: list[int]) -> int:
    """[CLS] where there is one, as Devlin et al. 2019 have it, else the first token of all or the last."""
    if tokenizer.cls_token_id in after:
        return after.index(tokenizer.cls_token_id) - len(after)
    if tokenizer.cls_token_id in before:
        return before.index(tokenizer.cls_token_id)
    if before or not after:
        return 0
    return -1


@dataclass(frozen=True, kw_only=True)
class ContextWindows(TokenRows):
    """Rows of tokens that know where their tokens stand in the contexts.

    Of each window: `place`, its question among those that were given; `first` and `held`, where in it the context's
    tokens begin and how many there are; `begins`, where the first of these stands in `spans`; `null`, the token for
    no answer. `spans` int32 [tokens, 2] are start and end of every context's tokens, in code points.
    """

    place: NDArray[np.int64]
    first: NDArray[np.int64]
    held: NDArray[np.int64]
    begins: NDArray[np.int64]
    null: NDArray[np.int64]
    spans: NDArray[np.int32]

    @classmethod
    def of(cls, found: Arrays) -> ContextWindows:
        """What `arrays` gave; its rows are numbered by their questions."""
        place, first, held, begins, null, spans = (
            found[name] for name in ("place", "first", "held", "begins", "null", "spans")
        )
        return cls(
            found["ids"],
            found["bounds"],
            place,
            segments=found.get("segments"),
            place=place,
            first=first,
            held=held,
            begins=begins,
            null=null,
            spans=spans,
        )

    def arrays(self) -> Arrays:
        """The fields by name, but for `source` and what has no value."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {name: values for name, values in named.items() if values is not None}

    def plain(self, kept: NDArray[np.bool_]) -> TokenRows:
        """The windows that are `kept`, without the way back to the text."""
        if kept.all():
            return TokenRows(self.ids, self.bounds, self.source, self.labels, segments=self.segments)
        along = np.repeat(kept, self.lengths)
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths[kept])])
        labels = None if self.labels is None else self.labels[kept]
        segments = None if self.segments is None else self.segments[along]
        return TokenRows(self.ids[along], bounds, self.source[kept], labels, segments=segments)


@dataclass(frozen=True)
class ContextCutter:
    """How questions and contexts become windows of at most `max_length` tokens that share `stride`."""

    tokenizer: PreTrainedTokenizerBase
    template: PairTemplate
    max_length: int
    stride: int
    segments: bool  # whether the model has token types

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int | None, segments: bool
    ) -> ContextCutter:
        """Without a stride a third of the window, as 128 of 384. Raises BadInput for lengths that leave no room."""
        template = PairTemplate.of(tokenizer)
        room = max_length - template.size
        if room < _LEAST_ROOM:
            raise BadInput(
                f"a window of {max_length} tokens has no room for a question and a context",
                where="data.max_length",
                hint=f"use {template.size + _LEAST_ROOM} or more",
            )
        if stride is not None and stride >= room:
            raise BadInput(
                f"windows of {max_length} tokens that share {stride} do not move on",
                where="data.stride",
                hint="use a quarter of data.max_length or so",
            )
        return cls(tokenizer, template, max_length, max_length // 3 if stride is None else stride, segments)

    def settings(self) -> dict[str, object]:
        """What windows depend on, beside the tokenizer's own file."""
        own = {"segments": self.segments, "max_length": self.max_length, "stride": self.stride}
        return own | asdict(self.template)

    @property
    def longest_question(self) -> int:
        """Tokens of a question that are kept: half of the window, so that the context has as much."""
        return (self.max_length - self.template.size) // 2

    def windows(self, questions: Sequence[str], contexts: Sequence[str]) -> tuple[ContextWindows, list[int]]:
        """The windows of all questions, in order, and the questions that were cut for their length."""
        asked = [ids for ids, _ in self._encoded(questions, spans=False)]
        longest = self.longest_question
        cut = [place for place, ids in enumerate(asked) if len(ids) > longest]
        texts = {context: number for number, context in enumerate(dict.fromkeys(contexts))}
        read = list(self._encoded(list(texts), spans=True))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(ids) for ids, _ in read], dtype=np.int64)])
        made = _Made()
        for place, (ids, context) in enumerate(zip(asked, contexts, strict=True)):
            number = texts[context]
            self._add(made, place, ids[:longest], read[number][0], int(starts[number]))
        spans = np.concatenate([np.zeros((0, 2), np.int32), *(spans for _, spans in read)])
        return made.windows(self.template.null, spans, self.segments), cut

    def _add(self, made: _Made, place: int, question: NDArray[np.int32], context: NDArray[np.int32], at: int) -> None:
        template = self.template
        head = np.concatenate([template.before, question, template.middle]).astype(np.int32)
        tail = np.asarray(template.after, np.int32)
        room = self.max_length - len(head) - len(tail)
        for start in _starts(len(context), room, self.stride):
            part = context[start : start + room]
            made.rows.append(np.concatenate([head, part, tail]))
            made.facts.append((place, len(head), len(part), at + start, len(tail)))
            if self.segments:
                kinds = np.repeat(np.asarray(template.types, np.int8), (len(head), len(part) + len(tail)))
                made.segments.append(kinds)

    def _encoded(self, texts: Sequence[str], *, spans: bool) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Ids of each text without special tokens, and where its tokens start and end."""
        none = np.zeros((0, 2), np.int32)
        for start in range(0, len(texts), _AT_ONCE):
            chunk = list(texts[start : start + _AT_ONCE])
            encoded = self.tokenizer(
                chunk,
                add_special_tokens=False,
                truncation=False,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            for one in encoded.encodings:
                where = np.asarray(one.offsets, np.int32).reshape(-1, 2) if spans else none
                yield np.asarray(one.ids, np.int32), where


def _starts(tokens: int, room: int, stride: int) -> range:
    """Where windows begin so that each but the first repeats the last `stride` tokens of the one before.

    Where a long question leaves no more room than that, they share half of what there is.
    """
    shared = stride if stride < room else room // 2
    return range(0, max(1, tokens - shared), room - shared)


class _Made:
    """What is gathered of windows while they are cut."""

    def __init__(self) -> None:
        self.rows: list[NDArray[np.int32]] = []
        self.segments: list[NDArray[np.int8]] = []
        self.facts: list[tuple[int, int, int, int, int]] = []  # place, first, held, begins, special tokens after it

    def windows(self, null: int, spans: NDArray[np.int32], segmented: bool) -> ContextWindows:
        facts = np.asarray(self.facts, np.int64).reshape(-1, 5)
        place, first, held, begins, after = facts.T
        nulls = np.full(len(facts), null) if null >= 0 else first + held + after + null
        segments = np.concatenate([np.zeros(0, np.int8), *self.segments]) if segmented else None
        ids, bounds = flattened(self.rows)
        return ContextWindows(
            ids,
            bounds,
            source=place,
            segments=segments,
            place=place,
            first=first,
            held=held,
            begins=begins,
            null=nulls,
            spans=spans,
        )


def labelled(
    windows: ContextWindows, starts: NDArray[np.int64], ends: NDArray[np.int64], answerable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First and last token of the answer in each window, int64 [windows, 2]; and the questions whose answer is lost.

    `starts` and `ends` [questions] are the answers' places in the context in code points, -1 where there is none. A
    window without the answer points at its token for no answer, as do all of a question that is not `answerable`.
    Those of a question that has an answer, which stands in no window or is not known, point nowhere: `IGNORED`.
    """
    edges = _touched(windows, starts, ends)[windows.place] - windows.begins[:, None]
    within = (edges[:, 0] >= 0) & (edges[:, 0] <= edges[:, 1]) & (edges[:, 1] < windows.held)
    within &= starts[windows.place] >= 0
    held = np.zeros(len(starts), bool)
    held[windows.place[within]] = True
    lost = answerable & ~held
    labels = np.where(within[:, None], edges + windows.first[:, None], windows.null[:, None])
    labels[lost[windows.place]] = IGNORED
    return labels, lost


def _touched(windows: ContextWindows, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first and last token of each context, as places in `spans`, that the answer touches; tokens are in order."""
    touched = np.full((len(starts), 2), -1, np.int64)
    questions = np.arange(len(starts))
    lows = windows.begins[np.searchsorted(windows.place, questions)]
    highs = (windows.begins + windows.held)[np.searchsorted(windows.place, questions, side="right") - 1]
    for question in np.flatnonzero(starts >= 0):
        low, high = lows[question], highs[question]
        spans = windows.spans[low:high]
        touched[question, 0] = low + np.searchsorted(spans[:, 1], starts[question], side="right")
        touched[question, 1] = low + np.searchsorted(spans[:, 0], ends[question], side="left") - 1
    return touched
