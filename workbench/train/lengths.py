"""The length ledger of a recipe's training rows: which lengths there are to choose from, and what is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.events.data_event import LengthLedger
from workbench.data.report import ledger
from workbench.data.tables.splits import Splits
from workbench.tasks.experiment import Experiment
from workbench.tasks.spec import Length

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


def positions(experiment: Experiment) -> int | None:
    """How many positions the model has a row for; None where it computes them, or that is not known."""
    kind = experiment.model.type
    if kind not in _LEARNED:
        return None
    config = config_of(experiment)
    found = config.get("n_positions") or config.get("max_position_embeddings")
    return found - _LEARNED[kind] if isinstance(found, int) else None


def ledgers(experiment: Experiment, splits: Splits, tokenizer: Tokenizer) -> dict[str, LengthLedger]:
    """A ledger by the field it is about: `max_length`, and what else of a row is cut by itself.

    Nothing where rows are cut into blocks, of which none is lost. `tokenizer` neither cuts nor pads.
    """
    if splits.columns.shape.blocks:
        return {}
    found = {}
    for length in experiment.spec.lengths:
        if length.field != BLOCKS and (one := _one(experiment, splits, tokenizer, length)) is not None:
            found[length.field] = one
    return found


def _one(experiment: Experiment, splits: Splits, tokenizer: Tokenizer, length: Length) -> LengthLedger | None:
    data, train, limit = experiment.recipe.data, experiment.recipe.train, positions(experiment)
    found = ledger.lengths(splits, "train", tokenizer, data, length.role)
    if found is None:
        return None
    chosen = getattr(data, length.field) or min(limit or length.usual, length.usual)
    hidden = config_of(experiment)
    width = next((int(hidden[name]) for name in ("hidden_size", "n_embd", "d_model") if name in hidden), _HIDDEN)
    batches = ledger.BatchPlan(train.batch_size, train.group_by_length, train.padding == "max_length", width)
    return ledger.of(found, splits.train.num_rows, chosen, limit, batches)


def config_of(experiment: Experiment) -> dict[str, Any]:
    """What is known of the model's config before it is loaded: its file's fields, and the recipe's over them."""
    own: dict[str, Any] = dict(experiment.recipe.model.config)
    directory = experiment.model.directory
    if directory is None:
        return own
    found: dict[str, Any] = json.loads((directory / "config.json").read_text("utf-8"))
    return found | own
