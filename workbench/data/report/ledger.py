"""The length ledger: what each max length would cost, in rows cut, tokens and gold labels lost, padding and time.

It is kept over a sample of the training rows, tokenized whole. Tasks that read a long text in several windows (tags,
answers) cut none of it: there the ledger tells of the windows, and only an answer that no window holds whole is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.contracts.events.data_event import LengthChoice, LengthLedger
from workbench.data.cache import token_entry
from workbench.data.cache.token_entry import Arrays
from workbench.data.cache.word_ids import on_all_cores
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import answer_spans, columns, tagged
from workbench.data.tables.splits import Splits
from workbench.recipe import Data

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SAMPLE: Final = 4000
_CHARACTERS: Final = 8_000_000  # of a sample: more would take longer than anyone waits for a check
_AT_ONCE: Final = 256
# The part of a window that the next one shares: what token-classification and question-answering do by default.
_OF_WORDS: Final = 4
_OF_CONTEXTS: Final = 3
_STEPS: Final = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384, 32768)

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """How rows that are too long are read in several windows.

    `repeated` [rows] are the tokens that are in every window of a row: special ones, and a question. Windows share
    `stride` tokens, or a part of their length, 1 of so many, where that is None. `answers` [golds, 3] are row, first
    and last token of what one window must hold whole; entities are put together again from several.
    """

    repeated: Ids
    stride: int | None
    part: int
    answers: Ids

    def steps(self, length: int) -> tuple[Ids, Ids]:
        """Of each row the tokens that a window has room for, and by how many the next one moves on."""
        room = np.maximum(length - self.repeated, 1)
        shared = length // self.part if self.stride is None else self.stride
        return room, np.maximum(room - np.where(shared < room, shared, room // 2), 1)

    def counts(self, tokens: Ids, length: int) -> Ids:
        """How many windows each row takes."""
        room, step = self.steps(length)
        beyond = tokens - self.repeated - room
        counted: Ids = 1 + np.maximum(0, -(-beyond // step))
        return counted

    def lost(self, length: int) -> float:
        """The share of answers that no window holds whole."""
        if not len(self.answers):
            return 0.0
        row, first, last = self.answers.T
        room, step = (of_row[row] for of_row in self.steps(length))
        return float((last >= first // step * step + room).mean())


@dataclass(frozen=True)
class Lengths:
    """Of a sample of rows the tokens of each, special ones included; `windows` where none of them is cut."""

    tokens: Ids
    windows: Windows | None = None

    def kept(self, length: int) -> Ids:
        """The tokens of each row, or of each window, that a model of that length sees."""
        if self.windows is None:
            return np.minimum(self.tokens, length)
        counted = self.windows.counts(self.tokens, length)
        _, step = self.windows.steps(length)
        last = np.minimum(self.tokens - (counted - 1) * step, length)
        return np.concatenate([np.repeat(length, (counted - 1).sum()), last])


@dataclass(frozen=True)
class BatchPlan:
    """How rows make batches; `hidden` is the width of the model, which says what long rows cost."""

    size: int
    grouped: bool
    fixed: bool
    hidden: int


def sample(rows: int, characters: float, limit: int = SAMPLE) -> Ids:
    """Positions of at most `limit` rows of so many, evenly spaced; fewer where rows are long on average."""
    wanted = max(1, min(rows, limit, int(_CHARACTERS / max(characters, 1))))
    return np.unique(np.linspace(0, rows - 1, wanted).astype(np.int64))


def lengths(splits: Splits, split: str, tokenizer: Tokenizer, data: Data, role: str | None = None) -> Lengths | None:
    """The lengths of a sample of a split, of `role` alone where one is given; None for lines of one text."""
    table = splits.tables()[split]
    if are_lines(table) or not table.num_rows:
        return None
    read = splits.texts(split, role)
    total = float(np.asarray(_code_points(read)).sum())
    chosen = sample(table.num_rows, total / table.num_rows)
    shape = splits.columns.shape.name
    if role is None and shape == "words":
        return _of_words(splits, split, tokenizer, data, chosen)
    if role is None and shape == "context":
        return _of_contexts(splits, split, tokenizer, data, chosen)
    if role is None and shape == "pair":
        return Lengths(
            _of_texts(
                splits, tokenizer, [columns.picked(splits.texts(split, part), chosen) for part in ("text", "text_pair")]
            )
        )
    return Lengths(_of_texts(splits, tokenizer, [pc.fill_null(columns.picked(read, chosen), "")]))


def _of_texts(splits: Splits, tokenizer: Tokenizer, texts: Sequence[pa.ChunkedArray]) -> Ids:
    """How many tokens each row of one text or two has."""

    def make() -> Arrays:
        listed = [column.to_pylist() for column in texts]
        return {"tokens": _counted(tokenizer, listed[0] if len(listed) == 1 else list(zip(*listed, strict=True)))}

    return _kept(splits, tokenizer, make, texts)["tokens"]


def _kept(
    splits: Splits, tokenizer: Tokenizer, make: Callable[[], Arrays], texts: Sequence[pa.ChunkedArray], *more: Any
) -> Arrays:
    """What `make` counts of these texts, found in the splits' cache where it was counted before. It depends on `more`,
    of plain JSON types, besides."""
    cache = splits.keeping("train")
    if cache is None:
        return make()
    key = token_entry.key_of(texts, "lengths", token_entry.tokenizer_digest(tokenizer), *more)
    about = {"holds": "lengths", "data": str(splits.origins["train"])}
    return cache.arrays(key, about, lambda: [make()])


def _code_points(texts: Any) -> Any:
    return pc.fill_null(pc.utf8_length(texts), 0)


def _encoded(tokenizer: Tokenizer, inputs: Sequence[Any], **options: Any) -> list[Encoding]:
    found: list[Encoding] = []
    for start in range(0, len(inputs), _AT_ONCE):
        with on_all_cores():
            found += tokenizer.encode_batch(list(inputs[start : start + _AT_ONCE]), **options)
    return found


def _counted(tokenizer: Tokenizer, inputs: Sequence[Any]) -> Ids:
    counts = [len(row.ids) for row in _encoded(tokenizer, inputs)]
    return np.asarray(counts, np.int64)


def _of_words(splits: Splits, split: str, tokenizer: Tokenizer, data: Data, chosen: Ids) -> Lengths:
    read = tagged.words(splits, split).rows()
    words = [read[int(row)].as_py() for row in chosen]

    def make() -> Arrays:
        rows = _encoded(tokenizer, words, is_pretokenized=True)
        return {"tokens": np.asarray([len(row.ids) for row in rows], np.int64)}

    flat = pa.chunked_array([[word for row in words for word in row]], pa.string())
    tokens = _kept(splits, tokenizer, make, [flat], "words", [len(row) for row in words])["tokens"]
    repeated = np.full(len(tokens), tokenizer.num_special_tokens_to_add(False))
    return Lengths(tokens, Windows(repeated, getattr(data, "stride", None), _OF_WORDS, np.zeros((0, 3), np.int64)))


def _of_contexts(splits: Splits, split: str, tokenizer: Tokenizer, data: Data, chosen: Ids) -> Lengths:
    gold = answer_spans.read(splits, split)
    starts, ends = gold.starts[chosen].tolist(), gold.ends[chosen].tolist()
    both = [columns.picked(splits.texts(split, part), chosen) for part in ("question", "context")]

    def make() -> Arrays:
        rows = _encoded(tokenizer, list(zip(*(column.to_pylist() for column in both), strict=True)))
        return _counted_of(rows, starts, ends)

    found = _kept(splits, tokenizer, make, both, "contexts", starts, ends)
    tokens = found["tokens"]
    return Lengths(
        tokens, Windows(tokens - found["held"], getattr(data, "stride", None), _OF_CONTEXTS, found["answers"])
    )


def _counted_of(rows: Sequence[Encoding], starts: Sequence[int], ends: Sequence[int]) -> Arrays:
    """Of questions with contexts the `tokens` of each, those `held` of the context, and `answers` as of `Windows`."""
    spans = [
        (at, *span)
        for at, (row, *places) in enumerate(zip(rows, starts, ends, strict=True))
        if (span := _answer(row, *places)) is not None
    ]
    return {
        "tokens": np.asarray([len(row.ids) for row in rows], np.int64),
        "held": np.asarray([row.sequence_ids.count(1) for row in rows], np.int64),
        "answers": np.asarray(spans, np.int64).reshape(-1, 3),
    }


def _answer(encoding: Encoding, start: int, end: int) -> tuple[int, int] | None:
    """First and last token of an answer, counted from the context's first; None where there is none."""
    if start < 0:
        return None
    first, last = encoding.char_to_token(start, 1), encoding.char_to_token(end - 1, 1)
    origin = encoding.sequence_ids.index(1)
    return None if first is None or last is None else (first - origin, last - origin)


def entries(found: Lengths, chosen: int, limit: int | None, batches: BatchPlan) -> list[LengthChoice]:
    """What `chosen` means, and the usual lengths up to `limit` or the longest row, whichever is less."""
    longest = int(found.tokens.max(initial=1))
    top = min(longest, limit or longest)
    usual = [step for step in _STEPS if step < top]
    return [_entry(found, length, chosen, batches) for length in sorted({*usual, top, chosen})]


def _entry(found: Lengths, length: int, chosen: int, batches: BatchPlan) -> LengthChoice:
    tokens, windows, kept = found.tokens, found.windows, found.kept(length)
    padded, time = _cost(kept, length, batches)
    base = _cost(found.kept(chosen), chosen, batches)[1]
    return LengthChoice(
        max_length=length,
        rows_cut=float((tokens > length).mean()),
        windows=None if windows is None else float(windows.counts(tokens, length).mean()),
        tokens_lost=float(1 - kept.sum() / tokens.sum()) if windows is None else 0.0,
        golds_lost=None if windows is None else windows.lost(length),
        padding=float(1 - kept.sum() / padded),
        time=time / base,
    )


def _cost(kept: Ids, length: int, batches: BatchPlan) -> tuple[int, float]:
    """Tokens with padding, and the work they make in tokens of a short row.

    A token costs 1 + width / (12 hidden) times what one of a short row does (Kaplan et al. 2020, section 2.1).
    """
    order = np.sort(kept) if batches.grouped else kept[np.random.default_rng(0).permutation(len(kept))]
    starts = np.arange(0, len(order), batches.size)
    widths = np.full(len(starts), length) if batches.fixed else np.maximum.reduceat(order, starts)
    sizes = np.diff(np.append(starts, len(order)))
    padded = widths * sizes
    return int(padded.sum()), float((padded * (1 + widths / (12 * batches.hidden))).sum())


def of(found: Lengths, rows: int, chosen: int, limit: int | None, batches: BatchPlan) -> LengthLedger:
    """The ledger of a split of so many `rows`, of which a sample was found."""
    median, p95 = np.percentile(found.tokens, (50, 95))
    return LengthLedger(
        rows=rows,
        sampled=len(found.tokens),
        chosen=chosen,
        median=round(median),
        p95=round(p95),
        max=int(found.tokens.max()),
        entries=tuple(entries(found, chosen, limit, batches)),
    )
