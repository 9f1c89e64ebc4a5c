"""causal-lm: what comes next, on plain text.

Rows need a text. Lines of a text file are one document; other rows are a document each, with the end token between.
The tokens are packed into blocks without regard to where documents end (Brown et al. 2020, section 2.2). Training
drops the last block of a split where it is short, evaluation keeps it; both are counted in the `data` event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, DataError, WorkbenchError
from workbench.recipe import Generate, Recipe
from workbench.tasks import Asked, Judge, Prepared, Verdict, documents, forward, generation, weights
from workbench.tasks.encoding import encode
from workbench.tasks.rows import IGNORED, Batch, Collator, Padding, TokenRows

if TYPE_CHECKING:
    from workbench.data.splits import Splits
    from workbench.models import Located

DEFAULT_BLOCK: Final = 512
_NO_LIMIT: Final = 1 << 62


class CausalLM:
    """The task, for one recipe."""

    name = "causal-lm"
    draws = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._positions: int | None = None

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        return weights.load_tokenizer(self.recipe.model, search, documents.texts(splits, "train"))

    def config(self, located: Located, tokenizer: Any) -> Any:
        return weights.read_config(self.recipe.model, located, _vocabulary(located, tokenizer))

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        block = self._block(longest)
        ready, counts = {}, {}
        notes = list(splits.notes)
        for name, table in splits.tables().items():
            ids, text_bytes = _tokens(splits, name, tokenizer)
            ready[name], left = pack(ids, block, keep_short=name != "train")
            if len(ready[name]) == 0 or ready[name].tokens < 2:
                raise DataError(f"{name} has too little text ({len(ids)} tokens)", where=f"data.{name}")
            if left:
                notes.append(f"{name}: the last {left} of {len(ids)} tokens fill no block of {block} and are dropped")
            counts[name] = {
                "rows": table.num_rows,
                "dropped": splits.dropped.get(name, 0),
                "truncated": 0,
                "tokens": len(ids),
                "bytes": text_bytes,
                "blocks": len(ready[name]),
                "left_over": left,
            }
        return Prepared(ready, [], block, counts, notes)

    def _block(self, longest: int | None) -> int:
        self._positions = longest
        asked = self.recipe.data.block_size
        if asked is None:
            return min(longest or DEFAULT_BLOCK, DEFAULT_BLOCK)
        if asked < 2:
            raise BadInput("a block needs 2 tokens or more", where="data.block_size")
        if longest is not None and asked > longest:
            raise BadInput(
                f"{asked} tokens are more than the model's {longest} positions",
                where="data.block_size",
                mend=f"use {longest} or less, or set model.config.n_positions",
            )
        return asked

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForCausalLM

        config = _vocabulary(located, tokenizer)
        return weights.load_model(AutoModelForCausalLM, self.recipe.model, located, config)

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        return Padding(tokenizer.pad_token_id or 0, own_labels=True)

    def loss(self) -> None:
        return None

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        counts = prepared.counts[split]
        return LanguageJudge(bytes_per_token=counts["bytes"] / counts["tokens"])

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        options = self.recipe.generate
        for prompt in options.prompts:
            yield prompt, "".join(generation.stream(model, tokenizer, prompt, options, self._positions))

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> TextGenerator:
        return TextGenerator(model_dir, device=device)


def _vocabulary(located: Located, tokenizer: Any) -> dict[str, Any]:
    """What a config from scratch must know of the tokenizer; weights that are loaded bring their own."""
    if located.kind != "scratch":
        return {}
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _tokens(splits: Splits, split: str, tokenizer: Any) -> tuple[NDArray[np.int32], int]:
    """Every token of a split in order, the end token after each document; and the text's size in bytes of UTF-8."""
    whole = documents.of_lines(splits, split)
    end = tokenizer.eos_token_id
    parts, size = [], 0
    for text in documents.grouped(documents.texts(splits, split)):
        size += sum(len(piece.encode("utf-8", "replace")) for piece in text)
        rows, _ = encode(_Plain(tokenizer), text, _NO_LIMIT)
        for row in rows:
            parts.append(np.asarray(row, dtype=np.int32))
            if end is not None and not whole:
                parts.append(np.asarray([end], dtype=np.int32))
    if end is not None and whole:
        parts.append(np.asarray([end], dtype=np.int32))
    return np.concatenate(parts) if parts else np.zeros(0, np.int32), size


class _Plain:
    """A tokenizer that adds no special tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: list[str], **options: Any) -> Any:
        return self._tokenizer(texts, add_special_tokens=False, **options)


def pack(ids: NDArray[np.int32], block: int, *, keep_short: bool) -> tuple[TokenRows, int]:
    """The tokens cut into blocks, and how many at the end were left out.

    A last block that is short stays with `keep_short`, and where it is the only one; a single token predicts nothing
    and always goes.
    """
    left = len(ids) % block
    if left > 1 and (keep_short or len(ids) < block):
        left = 0
    kept = len(ids) - left
    bounds = np.append(np.arange(0, kept, block, dtype=np.int64), np.int64(kept))
    return TokenRows(ids[:kept], bounds, np.arange(len(bounds) - 1)), left


class LanguageJudge:
    """Sums over a split: negative log likelihood, tokens, and tokens that were the likeliest. Keeps no logits."""

    def __init__(self, *, bytes_per_token: float) -> None:
        self._bytes_per_token = bytes_per_token
        self._sums: list[Any] = []

    def ask(self, model: Any, batch: Batch) -> Any:
        return forward(model, batch)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        # A row at a time: all of them in fp32 would take as much memory as the whole training step.
        for logits, labels in zip(outputs.logits, batch["labels"], strict=True):
            self._sums.append(_row_sums(logits[:-1], labels[1:]))

    def part(self) -> tuple[float, int, int]:
        import torch

        if not self._sums:
            return 0.0, 0, 0
        nll, tokens, right = torch.stack(self._sums).double().sum(0).tolist()
        return nll, int(tokens), int(right)

    def verdict(self, parts: Sequence[tuple[float, int, int]]) -> Verdict:
        from workbench.train.metrics.language import LanguageModel

        result = LanguageModel().compute(
            nll=[part[0] for part in parts],
            tokens=[part[1] for part in parts],
            right=[part[2] for part in parts],
            bytes_per_token=self._bytes_per_token,
        )
        return Verdict(result["scalars"], result["undefined"])


def _row_sums(logits: Any, labels: Any) -> Any:
    """[negative log likelihood in nats, tokens, tokens right] of one row, a float64 tensor."""
    import torch

    logits = logits.float()
    kept = labels != IGNORED
    nll = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    right = ((logits.argmax(-1) == labels) & kept).sum()
    return torch.stack([nll.double(), kept.sum().double(), right.double()])


class TextGenerator:
    """A trained causal language model: a prompt in, text out."""

    task = "causal-lm"
    labels: list[str]
    fields = ("text",)
    generates = True

    def __init__(self, model_dir: Path, *, device: str | None = None) -> None:
        from transformers import AutoModelForCausalLM

        self.labels = []
        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, _ = weights.open_model(AutoModelForCausalLM, model_dir, device)
        self._positions = weights.longest(self._model.config, self._tokenizer)

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[dict[str, Any]]:
        raise WorkbenchError("a language model gives no labels", mend="generate from a prompt")

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        return generation.stream(self._model, self._tokenizer, prompt, options, self._positions)
