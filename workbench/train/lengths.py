"""The length ledger of a recipe's training rows: which lengths there are to choose from, and what is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workbench.data.report import ledger
from workbench.data.tables.splits import Splits
from workbench.models import locate
from workbench.recipe import Recipe

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DEFAULTS: Final = {"question-answering": 384}
_DEFAULT: Final = 512
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
    """A ledger by the field it is about: `max_length`, and of seq2seq `max_target_length` besides.

    Nothing where rows are cut into blocks, of which none is lost. `tokenizer` neither cuts nor pads.
    """
    if splits.columns.shape.name == "text" and wanted.task in {"causal-lm", "masked-lm"}:
        return {}
    limit = positions(wanted, model)
    chosen = wanted.data.max_length or min(limit or _DEFAULT, _DEFAULTS.get(wanted.task, _DEFAULT))
    if wanted.task != "seq2seq":
        return _one(wanted, splits, tokenizer, model, "max_length", None, chosen, limit)
    source = _one(wanted, splits, tokenizer, model, "max_length", "text", chosen, limit)
    length = wanted.data.max_target_length
    return source | _one(wanted, splits, tokenizer, model, "max_target_length", "target", length, limit)


def _one(
    wanted: Recipe,
    splits: Splits,
    tokenizer: Tokenizer,
    model: locate.Located,
    field: str,
    role: str | None,
    chosen: int,
    limit: int | None,
) -> dict[str, Any]:
    found = ledger.lengths(splits, "train", tokenizer, wanted.data, role)
    if found is None:
        return {}
    train = wanted.train
    hidden = config_of(wanted, model)
    width = next((int(hidden[name]) for name in ("hidden_size", "n_embd", "d_model") if name in hidden), _HIDDEN)
    batches = ledger.Batches(train.batch_size, train.group_by_length, train.padding == "max_length", width)
    return {field: ledger.record(found, splits.train.num_rows, chosen, limit, batches)}


def config_of(wanted: Recipe, model: locate.Located) -> dict[str, Any]:
    """What is known of the model's config before it is loaded: its file's fields, and the recipe's over them."""
    own: dict[str, Any] = dict(wanted.model.config)
    if model.directory is None:
        return own
    found: dict[str, Any] = json.loads((model.directory / "config.json").read_text("utf-8"))
    return found | own
