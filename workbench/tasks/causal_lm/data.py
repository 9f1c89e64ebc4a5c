"""causal-lm: what comes next, in plain text, in the completion of a prompt, or in the assistant's turns of a chat.

Plain text is packed into blocks; lines of a text file are one document, other rows are a document each. Training
drops the last block of a split where it is short, evaluation keeps it. Of prompts and chats each row stays one, and
only the answer is learnt, unless `train.loss_on` says otherwise. Whatever is cut or dropped is counted in the `data`
event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.contracts.answers import Answer
from workbench.core.errors import BadInput, DataError, ModelError, WorkbenchError
from workbench.models import architectures, weights
from workbench.recipe import Generate
from workbench.tasks.causal_lm import documents, packing, turns
from workbench.tasks.causal_lm.spec import SPEC, CausalLMRecipe
from workbench.tasks.interface import Asked, Judge, Prepared, Verdict, forward
from workbench.tasks.shared import generation
from workbench.tasks.shared.rows import IGNORED, Batch, Collator, Padding
from workbench.tasks.shared.token_evaluation import Foreseen, Gathering, Texts

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

PLAIN: Final = "text"
CHAT: Final = "chat"
_IDS: Final = ("bos_token_id", "eos_token_id", "pad_token_id")


class CausalLM:
    """The task, for one recipe."""

    name = "causal-lm"
    draws = False

    def __init__(self, recipe: CausalLMRecipe) -> None:
        self.recipe = recipe
        self._positions: int | None = None
        self._apart = self._chat = False
        self._texts: dict[str, Texts] = {}

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        return weights.load_tokenizer(self.recipe.model, search, documents.texts(splits, "train"))

    def config(self, located: Located, tokenizer: Any) -> Any:
        config = weights.read_config(
            self.recipe.model,
            located,
            weights.vocabulary(located, tokenizer, *_IDS),
        )
        if (
            why := architectures.unfit(self.name, SPEC.head, config.to_dict())
        ) is not None and not self.recipe.model.trust_remote_code:
            raise ModelError(why, where=located.name)
        self._apart = packing.keeps_apart(config)
        return config

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        self._positions = longest
        if splits.columns.shape.name == PLAIN:
            prepared = self._blocks(splits, tokenizer, self._length("block_size", longest))
        else:
            prepared = self._answers(splits, tokenizer, self._length("max_length", longest))
        self._texts = {name: Texts(rows, tokenizer) for name, rows in prepared.splits.items()}
        return prepared

    def _blocks(self, splits: Splits, tokenizer: Any, block: int) -> Prepared:
        ready, counts = {}, {}
        notes = list(splits.notes)
        if self.recipe.train.loss_on == "answer":
            raise BadInput("plain text has no answers", where="train.loss_on", hint="leave it out")
        for name, table in splits.tables().items():
            text = packing.stream(splits, name, tokenizer)
            starts = text.starts if self._apart else None
            ready[name], left = packing.pack(text.ids, block, keep_short=name != "train", starts=starts)
            if len(ready[name]) == 0 or ready[name].tokens < 2:
                raise DataError(f"{name} has too little text ({len(text.ids)} tokens)", where=f"data.{name}")
            if left:
                notes.append(
                    f"{name}: the last {left} of {len(text.ids)} tokens fill no block of {block} and are dropped"
                )
            if len(text.starts) > 1 and not self._apart:
                notes.append(f"{name}: documents that share a block see each other: the model cannot keep them apart")
            counts[name] = {
                "rows": table.num_rows,
                "dropped": splits.dropped.get(name, 0),
                "truncated": 0,
                "tokens": len(text.ids),
                "bytes": text.size,
                "blocks": len(ready[name]),
                "left_over": left,
            }
        return Prepared(ready, [], block, counts, notes)

    def _answers(self, splits: Splits, tokenizer: Any, length: int) -> Prepared:
        ready, counts = {}, {}
        notes = list(splits.notes)
        whole = self.recipe.train.loss_on == "all"
        self._chat = splits.columns.shape.name == CHAT
        for name, table in splits.tables().items():
            fitted = turns.read(splits, name, tokenizer, length, chat=self._chat, all_of_it=whole)
            if not len(fitted.rows):
                raise DataError(
                    f"no row of {name} has an answer within {length} tokens",
                    where=f"data.{name}",
                    hint="raise data.max_length, or check which column is what",
                )
            if fitted.cut:
                notes.append(f"{name}: {fitted.cut} of {table.num_rows} rows are cut at {length} tokens")
            if fitted.gone:
                notes.append(f"{name}: {fitted.gone} of {table.num_rows} rows are dropped: no answer is left of them")
            ready[name] = fitted.rows
            counts[name] = {
                "rows": table.num_rows,
                "dropped": splits.dropped.get(name, 0) + fitted.gone,
                "truncated": fitted.cut,
                "tokens": fitted.rows.tokens,
                "learnt": fitted.learnt,
                "bytes": fitted.size,
            }
        if self._chat and turns.turn_end(tokenizer) is None and not tokenizer.eos_token:
            notes.append("the chat template ends an answer with no token of its own: what is generated may not end")
        return Prepared(ready, [], length, counts, notes)

    def _length(self, field: str, longest: int | None) -> int:
        asked: int | None = getattr(self.recipe.data, field)
        if asked is not None and asked < 2:
            raise BadInput("2 tokens or more are needed", where=f"data.{field}")
        length = next(length for length in SPEC.lengths if length.field == field)
        return length.chosen(asked, longest, ", or set model.config.n_positions")

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForCausalLM

        config = weights.vocabulary(located, tokenizer, *_IDS)
        model, new = weights.load_model(AutoModelForCausalLM, self.recipe.model, located, config)
        # Whoever asks the model must know that what it is asked is a user's turn.
        model.config.workbench_chat = self._chat
        return model, new

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        padding = Padding(tokenizer.pad_token_id or 0, own_labels=True)
        return Blocks(padding) if prepared.splits["train"].positions is not None else padding

    def loss(self) -> None:
        return None

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        counts = prepared.counts[split]
        bytes_per_token = counts["bytes"] / counts.get("learnt", counts["tokens"])
        return LanguageJudge(bytes_per_token=bytes_per_token, texts=self._texts[split])

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        options = self.recipe.generate
        for prompt in options.prompts:
            pieces = generation.stream(model, tokenizer, prompt, options, self._positions, chat=self._chat)
            yield prompt, "".join(pieces)

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> TextGenerator:
        return TextGenerator(model_dir, device=device)


@dataclass(frozen=True)
class Blocks:
    """Blocks whose positions say what sees what. Padding stands behind everything, where nothing looks at it."""

    padding: Padding

    def rounded(self, multiple: int, most: int) -> Blocks:
        return replace(self, padding=self.padding.rounded(multiple, most))

    def __call__(self, items: Sequence[dict[str, Any]]) -> Batch:
        batch = self.padding(items)
        # With a mask transformers would not look for documents in the positions.
        batch.pop("attention_mask", None)
        return batch


class LanguageJudge:
    """Of each row what it cost to foresee, and what was likeliest in its place. `texts` are the rows as read."""

    def __init__(self, *, bytes_per_token: float, texts: Texts | None = None) -> None:
        self._bytes_per_token, self._texts = bytes_per_token, texts
        self._gathered = Gathering()

    def ask(self, model: Any, batch: Batch) -> Any:
        # Nothing is gone on with; and with a cache transformers would not look for documents in the positions.
        return forward(model, batch, use_cache=False)

    def add(self, rows: NDArray[np.int64], batch: Batch, outputs: Any) -> None:
        # A row at a time: all of them in fp32 would take as much memory as the whole training step.
        import torch

        labels = batch["labels"][:, 1:]
        each = [_row_sums(logits[:-1], gold) for logits, gold in zip(outputs.logits, labels, strict=True)]
        sums, called = zip(*each, strict=True)
        self._gathered.add(rows, torch.stack(sums), labels, torch.stack(called))

    def part(self) -> Foreseen:
        return self._gathered.held()

    def verdict(self, parts: Sequence[Foreseen]) -> Verdict:
        from workbench.metrics.language import LanguageModel

        found = Foreseen.joined(parts)
        nll, tokens, right = found.sums.T
        result = LanguageModel().compute(
            nll=nll, tokens=tokens.astype(int), right=right.astype(int), bytes_per_token=self._bytes_per_token
        )
        table = None if self._texts is None else partial(self._texts.table, found, self._texts.read)
        return Verdict(result["scalars"], result["undefined"], result["report"], table)


def _row_sums(logits: Any, labels: Any) -> tuple[Any, Any]:
    """[negative log likelihood in nats, tokens, tokens right] of one row, a float64 tensor, and its likeliest ids."""
    import torch

    logits = logits.float()
    kept = labels != IGNORED
    nll = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    called = logits.argmax(-1)
    right = ((called == labels) & kept).sum()
    return torch.stack([nll.double(), kept.sum().double(), right.double()]), called.int()


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

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[Answer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> Sequence[Asked]:
        return rows

    def answer(self, encoded: Sequence[Asked], top_k: int | None = None) -> list[Answer]:
        raise WorkbenchError("a language model gives no labels", hint="generate from a prompt")

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        chat = bool(getattr(self._model.config, "workbench_chat", False))
        return generation.stream(self._model, self._tokenizer, prompt, options, self._positions, chat=chat)
