"""The length ledger of a recipe's training rows: which lengths there are to choose from, and what is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workbench.data.report import ledger
from workbench.data.tables.splits import Splits
from workbench.models import locate
from workbench.recipe import Recipe
from workbench.tasks.spec import Length, spec_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLOCKS: Final = "block_size"
_HIDDEN: Final = 768
# Tables of learned positions: a longer text fails in the middle of training, with an index error.
_LEARNED: Final = {
    "bert": 0, "distilbert": 0, "electra": 0, "albert": 0, "gpt2": 0, "roberta": 2, "xlm-roberta": 2,
    "bart": 0, "mbart": 0, "marian": 0, "pegasus": 0,
}  # fmt: skip


def uncut(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither cuts nor pads: the one in use keeps its ways."""
    copy: Tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def positions(wanted: Recipe, model: locate.Located) -> int | None:
    """How many positions the model has a row for; None where it computes them, or that is not known."""
    if model.type not in _LEARNED:
        return None
    config = config_of(wanted, model)
    found = config.get("n_positions") or config.get("max_position_embeddings")
    return found - _LEARNED[model.type] if isinstance(found, int) else None


def ledgers(wanted: Recipe, splits: Splits, tokenizer: Tokenizer, model: locate.Located) -> dict[str, Any]:
    """A ledger by the field it is about: `max_length`, and what else of a row is cut by itself.

    Nothing where rows are cut into blocks, of which none is lost. `tokenizer` neither cuts nor pads.
    """
    if splits.columns.shape.blocks:
        return {}
    limit = positions(wanted, model)
    found: dict[str, Any] = {}
    for length in spec_of(wanted.task).lengths:
        if length.field != BLOCKS:
            chosen = getattr(wanted.data, length.field) or min(limit or length.usual, length.usual)
            found |= _one(wanted, splits, tokenizer, model, length, chosen, limit)
    return found


def _one(
    wanted: Recipe,
    splits: Splits,
    tokenizer: Tokenizer,
    model: locate.Located,
    length: Length,
    chosen: int,
    limit: int | None,
) -> dict[str, Any]:
    found = ledger.lengths(splits, "train", tokenizer, wanted.data, length.role)
    if found is None:
        return {}
    train = wanted.train
    hidden = config_of(wanted, model)
    width = next((int(hidden[name]) for name in ("hidden_size", "n_embd", "d_model") if name in hidden), _HIDDEN)
    batches = ledger.BatchPlan(train.batch_size, train.group_by_length, train.padding == "max_length", width)
    return {length.field: ledger.record(found, splits.train.num_rows, chosen, limit, batches)}


def config_of(wanted: Recipe, model: locate.Located) -> dict[str, Any]:
    """What is known of the model's config before it is loaded: its file's fields, and the recipe's over them."""
    own: dict[str, Any] = dict(wanted.model.config)
    if model.directory is None:
        return own
    found: dict[str, Any] = json.loads((model.directory / "config.json").read_text("utf-8"))
    return found | own
