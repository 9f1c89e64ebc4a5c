"""The length ledger: what each max length would cost, in rows cut, tokens and gold labels lost, padding and time.

It is kept over a sample of the training rows, tokenized whole. "Lost" is what lies beyond the length in a single
window: tasks that read a long text in several windows (tags, answers) lose none of it and take more windows instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.data import answers, tagged
from workbench.data.lines import are_lines
from workbench.data.splits import Splits
from workbench.recipe import Data
from workbench.tagging import spans

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SAMPLE: Final = 4000
_CHARACTERS: Final = 8_000_000  # of a sample: more would take longer than anyone waits for a check
_AT_ONCE: Final = 256
_STEPS: Final = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384, 32768)

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Lengths:
    """Of a sample of rows the tokens of each, special ones included; and of each gold label (an entity, an answer)
    the tokens it takes to see it whole, None for tasks whose labels stand in no place.
    """

    tokens: Ids
    golds: Ids | None = None


@dataclass(frozen=True)
class Entry:
    """What a max length means. Shares are from 0 to 1; `time` is a multiple of the chosen length's."""

    max_length: int
    rows_cut: float
    tokens_lost: float
    golds_lost: float | None
    padding: float
    time: float


@dataclass(frozen=True)
class Batches:
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
        return _of_contexts(splits, split, tokenizer, chosen)
    if role is None and shape == "pair":
        both = [splits.texts(split, part).take(chosen).to_pylist() for part in ("text", "text_pair")]
        return Lengths(_counted(tokenizer, list(zip(*both, strict=True))))
    return Lengths(_counted(tokenizer, [text or "" for text in read.take(chosen).to_pylist()]))


def _code_points(texts: Any) -> Any:
    import pyarrow.compute as pc

    return pc.fill_null(pc.utf8_length(texts), 0)


def _encoded(tokenizer: Tokenizer, inputs: Sequence[Any], **options: Any) -> list[Encoding]:
    found: list[Encoding] = []
    for start in range(0, len(inputs), _AT_ONCE):
        found += tokenizer.encode_batch(list(inputs[start : start + _AT_ONCE]), **options)
    return found


def _counted(tokenizer: Tokenizer, inputs: Sequence[Any]) -> Ids:
    counts = [len(row.ids) for row in _encoded(tokenizer, inputs)]
    return np.asarray(counts, np.int64)


def _of_words(splits: Splits, split: str, tokenizer: Tokenizer, data: Data, chosen: Ids) -> Lengths:
    known = tagged.tagset(splits, data)
    words, tags = tagged.words(splits, split), tagged.encode(splits, split, known, data)
    read, named = words.rows(), tags.rows()
    texts = [read[int(row)].as_py() for row in chosen]
    rows = _encoded(tokenizer, texts, is_pretokenized=True)
    special = tokenizer.num_special_tokens_to_add(False)
    golds: list[int] = []
    for row, encoding in zip(chosen, rows, strict=True):
        ids = [known.canonical[tag] for tag in named[int(row)].as_py()]
        last = {word: place for place, word in enumerate(encoding.word_ids) if word is not None}
        for _, _, end in spans(ids, known.scheme):
            golds.append(last.get(end - 1, -1) + 1 + special // 2)
    return Lengths(np.asarray([len(row.ids) for row in rows], np.int64), np.asarray(golds, np.int64))


def _of_contexts(splits: Splits, split: str, tokenizer: Tokenizer, chosen: Ids) -> Lengths:
    gold = answers.read(splits, split)
    both = [splits.texts(split, part).take(chosen).to_pylist() for part in ("question", "context")]
    rows = _encoded(tokenizer, list(zip(*both, strict=True)))
    golds = []
    for row, encoding in zip(chosen, rows, strict=True):
        if gold.starts[row] >= 0:
            place = encoding.char_to_token(int(gold.ends[row]) - 1, 1)
            golds.append(len(encoding.ids) if place is None else place + 2)
    return Lengths(np.asarray([len(row.ids) for row in rows], np.int64), np.asarray(golds, np.int64))


def entries(found: Lengths, chosen: int, limit: int | None, batches: Batches) -> list[Entry]:
    """An entry for `chosen` and the usual lengths up to `limit` or the longest row, whichever is less."""
    longest = int(found.tokens.max(initial=1))
    top = min(longest, limit or longest)
    usual = [step for step in _STEPS if step < top]
    return [_entry(found, length, chosen, batches) for length in sorted({*usual, top, chosen})]


def _entry(found: Lengths, length: int, chosen: int, batches: Batches) -> Entry:
    tokens, golds = found.tokens, found.golds
    kept = np.minimum(tokens, length)
    padded, time = _cost(kept, length, batches)
    base = _cost(np.minimum(tokens, chosen), chosen, batches)[1]
    return Entry(
        max_length=length,
        rows_cut=float((tokens > length).mean()),
        tokens_lost=float(1 - kept.sum() / tokens.sum()),
        golds_lost=None if golds is None or not len(golds) else float((golds > length).mean()),
        padding=float(1 - kept.sum() / padded),
        time=time / base,
    )


def _cost(kept: Ids, length: int, batches: Batches) -> tuple[int, float]:
    """Tokens with padding, and the work they make in tokens of a short row.

    A token costs 1 + width / (12 hidden) times what one of a short row does (Kaplan et al. 2020, section 2.1).
    """
    order = np.sort(kept) if batches.grouped else kept[np.random.default_rng(0).permutation(len(kept))]
    starts = np.arange(0, len(order), batches.size)
    widths = np.full(len(starts), length) if batches.fixed else np.maximum.reduceat(order, starts)
    sizes = np.diff(np.append(starts, len(order)))
    padded = widths * sizes
    return int(padded.sum()), float((padded * (1 + widths / (12 * batches.hidden))).sum())


def record(found: Lengths, rows: int, chosen: int, limit: int | None, batches: Batches) -> dict[str, Any]:
    """The ledger as plain JSON types, with `median`, `p95` and `max` tokens, and of how many rows it is a sample."""
    median, p95 = np.percentile(found.tokens, (50, 95))
    return {
        "rows": rows,
        "sampled": len(found.tokens),
        "chosen": chosen,
        "median": round(median),
        "p95": round(p95),
        "max": int(found.tokens.max()),
        "entries": [asdict(entry) for entry in entries(found, chosen, limit, batches)],
    }
