"""The length ledger of a recipe's training rows: which lengths there are to choose from, and what is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.events.data_event import LengthLedger
from workbench.data.report import ledger
from workbench.data.tables.splits import Splits
from workbench.models.positions import Limits, advised, positions
from workbench.tasks.experiment import Experiment
from workbench.tasks.spec import Length

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLOCKS: Final = "block_size"
_HIDDEN: Final = 768


def uncut(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither cuts nor pads: the one in use keeps its ways."""
    copy: Tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def limits(experiment: Experiment, *, target: bool = False) -> Limits:
    """How many tokens the model and its tokenizer take, as their files say; with `target`, the decoder's."""
    found = positions({"model_type": experiment.model.type} | config_of(experiment), target=target)
    tokenizer = experiment.tokenizer
    if target or tokenizer is None or tokenizer.directory is None:
        return Limits(found)
    file = tokenizer.directory / "tokenizer_config.json"
    settings = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return Limits(found, advised(settings.get("model_max_length")))


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
    data, train = experiment.recipe.data, experiment.recipe.train
    there = limits(experiment, target=length.role == "target")
    found = ledger.lengths(splits, "train", tokenizer, data, length.role)
    if found is None:
        return None
    chosen = getattr(data, length.field) or there.usual(length.usual)
    hidden = config_of(experiment)
    width = next((int(hidden[name]) for name in ("hidden_size", "n_embd", "d_model") if name in hidden), _HIDDEN)
    batches = ledger.BatchPlan(train.batch_size, train.group_by_length, train.padding == "max_length", width)
    return ledger.of(found, splits.train.num_rows, chosen, there.positions, batches)


def config_of(experiment: Experiment) -> dict[str, Any]:
    """What is known of the model's config before it is loaded: its file's fields, and the recipe's over them."""
    own: dict[str, Any] = dict(experiment.recipe.model.config)
    directory = experiment.model.directory
    if directory is None:
        return own
    found: dict[str, Any] = json.loads((directory / "config.json").read_text("utf-8"))
    return found | own
