"""Plain text in blocks, or prompts with completions and chats a row each.

Lines of a text file are one document, other rows are a document each. Training drops the last block of a split where
it is short, evaluation keeps it. Of prompts and chats only the answer is trained on, unless `train.loss_on` says
otherwise. Whatever is cut or dropped is counted in the `data` event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.core.errors import BadInput, DataError, ModelError
from workbench.models import architectures, chat_templates, weights
from workbench.tasks.causal_lm import packing, turns
from workbench.tasks.causal_lm.spec import SPEC, CausalLMRecipe
from workbench.tasks.interface import Prepared
from workbench.tasks.shared import documents
from workbench.tasks.shared.encoding import SpecialTokens
from workbench.tasks.shared.rows import Batch, Collator, Padding, RowItem, TokenRows
from workbench.tasks.shared.split_facts import counts_of
from workbench.tasks.shared.token_evaluation import DecodedRows

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located
    from workbench.models.positions import Limits

PLAIN: Final = "text"
CHAT: Final = "chat"
TOKENS_IN_CONFIG: Final = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class LanguageFacts:
    """How many `positions` the model has, None without end; whether rows are chats; and of each split its texts, and
    the bytes of a token that is to be predicted, in the mean."""

    positions: int | None
    chat: bool
    texts: Mapping[str, DecodedRows]
    bytes_per_token: Mapping[str, float]


PreparedTokens = Prepared[CausalLMRecipe, LanguageFacts]


def tokenizer(recipe: CausalLMRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    found = weights.load_tokenizer(recipe.model, search, documents.texts(splits, "train"))
    if recipe.model.chat_template is not None:
        chat_templates.give(found, recipe.model.chat_template, search)
    # What plain transformers puts around a prompt is what training puts before a text: a prompt does not end.
    SpecialTokens(packing.begins(found), []).put_on(found)
    return found


def config(recipe: CausalLMRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Raises ModelError too where the model has no head for the task."""
    found = weights.read_config(recipe.model, located, weights.vocabulary(located, tokenizer, *TOKENS_IN_CONFIG))
    why = architectures.unfit(SPEC.name, SPEC.head, found.to_dict())
    if why is not None and not recipe.model.trust_remote_code:
        raise ModelError(why, where=located.name)
    return found


@dataclass(frozen=True)
class _Split:
    """One split: its rows, their bytes for each token to predict, what is counted of it, what the user should know."""

    rows: TokenRows
    bytes_per_token: float
    counts: dict[str, object]
    notes: list[str]


def prepare(
    recipe: CausalLMRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedTokens:
    limits, kind = weights.limits(config, tokenizer), splits.columns.shape.name
    length = _length(recipe, "block_size" if kind == PLAIN else "max_length", limits)
    if kind == PLAIN:
        made = _blocks(recipe, splits, tokenizer, length, apart=packing.keeps_apart(config))
    else:
        made = _answers(recipe, splits, tokenizer, length, chat=kind == CHAT)
    rows = {split: of_split.rows for split, of_split in made.items()}
    bytes_per_token = {split: of_split.bytes_per_token for split, of_split in made.items()}
    facts = LanguageFacts(limits.least, kind == CHAT, DecodedRows.of_splits(rows, tokenizer), bytes_per_token)
    notes = [*splits.notes, *(note for of_split in made.values() for note in of_split.notes)]
    if recipe.model.chat_template is not None and not facts.chat:
        notes.append("model.chat_template is saved with the model, but the rows are no chats: they are read without it")
    if facts.chat and turns.turn_end(tokenizer) is None and not tokenizer.eos_token:
        notes.append("the chat template ends an answer with no token of its own: what is generated may not end")
    counts = {split: of_split.counts for split, of_split in made.items()}
    return Prepared(recipe, tokenizer, splits, rows, facts, length, counts, notes)


def _length(recipe: CausalLMRecipe, field: str, limits: Limits) -> int:
    asked: int | None = getattr(recipe.data, field)
    if asked is not None and asked < 2:
        raise BadInput("2 tokens or more are needed", where=f"data.{field}")
    length = next(length for length in SPEC.lengths if length.field == field)
    return length.chosen(asked, limits, ", or set model.config.n_positions")


def _blocks(
    recipe: CausalLMRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, block: int, *, apart: bool
) -> dict[str, _Split]:
    if recipe.train.loss_on == "answer":
        raise BadInput("plain text has no answers", where="train.loss_on", hint="leave it out")
    return {split: _packed(splits, split, tokenizer, block, apart=apart) for split in splits.tables()}


def _packed(splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase, block: int, *, apart: bool) -> _Split:
    text = packing.stream(splits, split, tokenizer)
    tokens = len(text.ids)
    rows, left = packing.pack(text.ids, block, keep_short=split != "train", starts=text.starts if apart else None)
    if len(rows) == 0 or rows.tokens < 2:
        raise DataError(f"{split} has too little text ({tokens} tokens)", where=f"data.{split}")
    notes = []
    if left:
        notes.append(
            f"{split}: the last {left} of {tokens} tokens are dropped: shorter than one block ({block} tokens)"
        )
    if len(text.starts) > 1 and not apart:
        notes.append(f"{split}: documents that share a block see each other: the model cannot keep them apart")
    counts = counts_of(splits, split, truncated=0, tokens=tokens, bytes=text.size, blocks=len(rows), left_over=left)
    return _Split(rows, text.size / tokens, counts, notes)


def _answers(
    recipe: CausalLMRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, length: int, *, chat: bool
) -> dict[str, _Split]:
    everything = recipe.train.loss_on == "all"
    fitted = {
        split: turns.read(splits, split, tokenizer, length, chat=chat, everything=everything)
        for split in splits.tables()
    }
    return {split: _answered(splits, split, of_split, length) for split, of_split in fitted.items()}


def _answered(splits: Splits, split: str, fitted: turns.FittedRows, length: int) -> _Split:
    if not len(fitted.rows):
        raise DataError(
            f"no row of {split} has an answer within {length} tokens",
            where=f"data.{split}",
            hint="raise data.max_length, or check which column is what",
        )
    rows = splits.tables()[split].num_rows
    notes = []
    if fitted.cut:
        notes.append(f"{split}: {fitted.cut} of {rows} rows are cut at {length} tokens")
    if fitted.gone:
        notes.append(f"{split}: {fitted.gone} of {rows} rows are dropped: no answer is left of them")
    counts = counts_of(
        splits,
        split,
        dropped=fitted.gone,
        truncated=fitted.cut,
        tokens=fitted.rows.tokens,
        learnt=fitted.targets,
        bytes=fitted.size,
    )
    return _Split(fitted.rows, fitted.size / fitted.targets, counts, notes)


def collator(prepared: PreparedTokens, model: PreTrainedModel) -> Collator:
    padding = Padding(prepared.tokenizer.pad_token_id or 0, own_labels=True)
    return BlockPadding(padding) if prepared.rows["train"].positions is not None else padding


@dataclass(frozen=True)
class BlockPadding:
    """For blocks whose positions say what sees what. Padding stands behind everything, where nothing looks at it."""

    padding: Padding

    def rounded(self, multiple: int, most: int) -> BlockPadding:
        return replace(self, padding=self.padding.rounded(multiple, most))

    def __call__(self, items: Sequence[RowItem]) -> Batch:
        batch = self.padding(items)
        # With a mask transformers would not look for documents in the positions.
        batch.pop("attention_mask", None)
        return batch
