"""Source texts with their target texts.

Where a tokenizer marks languages it is told them here; where a model counts no positions its texts may be longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.core.errors import BadInput, ModelError
from workbench.models import weights
from workbench.tasks.interface import Prepared
from workbench.tasks.seq2seq import languages
from workbench.tasks.seq2seq.encode import Sides, end_of, ends
from workbench.tasks.seq2seq.model import config_from_scratch
from workbench.tasks.seq2seq.shifting import Shift, ShiftedPadding
from workbench.tasks.seq2seq.spec import SPEC, Seq2SeqData, Seq2SeqRecipe
from workbench.tasks.shared.encoding import SpecialTokens
from workbench.tasks.shared.kept_tokens import KeptTokens, kept
from workbench.tasks.shared.rows import Padding, TokenRows
from workbench.tasks.shared.split_facts import counts_of, row_numbers
from workbench.tasks.spec import Length

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located
    from workbench.models.positions import Limits

_SHORTEST: Final = 4  # two marks, an end and one token
_SHOWN: Final = 3  # rows of validation that are shown through training where the recipe has no prompts


@dataclass(frozen=True)
class SideFacts:
    """How both sides of a row become tokens, and the sources that are written from while it trains."""

    sides: Sides
    shown: Sequence[str]


PreparedPairs = Prepared[Seq2SeqRecipe, SideFacts]


def tokenizer(recipe: Seq2SeqRecipe, splits: Splits, search: Sequence[Path]) -> PreTrainedTokenizerBase:
    both = chain(splits.texts("train"), splits.texts("train", "target"))
    found = weights.load_tokenizer(recipe.model, search, map(str, both))
    if found.is_fast and not ends(found, end := end_of(found)):
        # Its file says so too, so that plain transformers reads what training read.
        around = SpecialTokens.of(found)
        SpecialTokens(around.before, [*around.after, end]).put_on(found)
    return found


def config(recipe: Seq2SeqRecipe, located: Located, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Raises ModelError too for a model that is no encoder-decoder."""
    found = weights.read_config(recipe.model, located, config_from_scratch(located, tokenizer))
    if not found.is_encoder_decoder:
        raise ModelError(
            f"{found.model_type} is no encoder-decoder",
            where=located.name,
            hint="use one of the T5, BART, mBART, Marian or M2M-100 families",
        )
    return found


def prepare(
    recipe: Seq2SeqRecipe, splits: Splits, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> PreparedPairs:
    data = recipe.data
    notes = [*splits.notes, *_language_notes(tokenizer, data)]
    languages.speak(tokenizer, data.source_language, data.target_language)
    sides = sides_of(tokenizer, data, weights.limits(config, tokenizer), weights.target_limits(config))
    rows: dict[str, TokenRows] = {}
    counts: dict[str, Mapping[str, object]] = {}
    for split, table in splits.tables().items():
        sources, targets = _read(recipe, splits, split, sides)
        written = TokenRows(targets.ids, targets.bounds, np.arange(table.num_rows))
        rows[split] = TokenRows(sources.ids, sources.bounds, row_numbers(splits, split), targets=written)
        counts[split] = counts_of(
            splits,
            split,
            truncated=sources.cut,
            truncated_targets=targets.cut,
            tokens=rows[split].tokens,
            target_tokens=written.tokens,
        )
        notes += _cut_notes(split, sources, targets, sides)
    facts = SideFacts(sides, _shown(recipe, splits))
    return Prepared(recipe, tokenizer, splits, rows, facts, sides.longest_source, counts, notes)


def sides_of(tokenizer: PreTrainedTokenizerBase, data: Seq2SeqData, sources: Limits, targets: Limits) -> Sides:
    """How the rows of a recipe become tokens, within what the model can read and write. Raises BadInput."""
    source, target = SPEC.lengths
    asked = None if data.max_target_length == target.usual else data.max_target_length
    return Sides(tokenizer, data.prefix, _roomy(source, data.max_length, sources), _roomy(target, asked, targets))


def _roomy(length: Length, asked: int | None, limits: Limits) -> int:
    chosen = length.chosen(asked, limits)
    if asked is not None and asked < _SHORTEST:
        raise BadInput(
            "the marks around a text leave no room for it", where=f"data.{length.field}", hint="use 4 or more"
        )
    return chosen


def _read(recipe: Seq2SeqRecipe, splits: Splits, split: str, sides: Sides) -> tuple[KeptTokens, KeptTokens]:
    """Sources and targets of a split."""
    data, tokenizer = recipe.data, sides.tokenizer
    usual = {"task": recipe.task, "languages": [data.source_language, data.target_language]}
    sources = usual | {"side": "sources", "prefix": sides.prefix, "max_length": sides.longest_source}
    targets = usual | {"side": "targets", "max_length": sides.longest_target}
    return (
        kept(splits, split, ("text",), tokenizer, sources, lambda: sides.read_sources(splits.texts(split, "text"))),
        kept(splits, split, ("target",), tokenizer, targets, lambda: sides.read_targets(splits.texts(split, "target"))),
    )


def _language_notes(tokenizer: PreTrainedTokenizerBase, data: Seq2SeqData) -> list[str]:
    given = [name for name in ("source_language", "target_language") if getattr(data, name) is not None]
    if languages.marks(tokenizer) or not given:
        return []
    fields = " and ".join(f"data.{name}" for name in given)
    return [f"{fields}: the tokenizer marks no languages; that of the target still says how the metrics read it"]


def _cut_notes(split: str, sources: KeptTokens, targets: KeptTokens, sides: Sides) -> Iterator[str]:
    limits = (
        (sources, "data.max_length", sides.longest_source),
        (targets, "data.max_target_length", sides.longest_target),
    )
    for (side, field, length), name in zip(limits, ("sources", "targets"), strict=True):
        if side.cut:
            rows = len(side.bounds) - 1
            yield f"{split}: {side.cut} of {rows} {name} cut to {field} = {length} tokens"


def _shown(recipe: Seq2SeqRecipe, splits: Splits) -> list[str]:
    if recipe.generate.prompts or not recipe.evaluate.generate or splits.validation is None:
        return list(recipe.generate.prompts)
    return [str(text) for text in splits.texts("validation", "text")[:_SHOWN]]


def collator(prepared: PreparedPairs, model: PreTrainedModel) -> ShiftedPadding:
    # Always on the right: encoders count their positions from the left, padding or not.
    padding = Padding(prepared.tokenizer.pad_token_id, to=prepared.width)
    return ShiftedPadding(
        padding, Shift.of(model), None if prepared.width is None else prepared.own.sides.longest_target
    )
