"""seq2seq: one text written after another: a summary, a translation, an answer.

Rows need a source and a target. The model is transformers' `…ForConditionalGeneration` of an encoder-decoder family
(T5, BART, mBART, Marian, M2M-100, NLLB), its loss the cross entropy of the target's tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.contracts.answers import TextAnswer
from workbench.core.errors import BadInput, ModelError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, Judge, Loss, Prepared, field_of
from workbench.tasks.seq2seq import languages, searching
from workbench.tasks.seq2seq.encode import Sides, end_of
from workbench.tasks.seq2seq.evaluate import WritingJudge
from workbench.tasks.seq2seq.shifting import Shift, ShiftedPadding
from workbench.tasks.seq2seq.spec import SPEC, Seq2SeqData, Seq2SeqEvaluate, Seq2SeqRecipe
from workbench.tasks.shared import generation
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.kept_tokens import KeptTokens, kept
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import IGNORED, Batch, Collator, Padding, TokenRows
from workbench.tasks.spec import Length

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits
    from workbench.models.locate import Located

_SHORTEST: Final = 4  # two marks, an end and one token
_NO_LIMIT: Final = 1 << 62
_SHOWN: Final = 3  # rows of validation that are shown through training where the recipe has no prompts
_SHOWN_CHARACTERS: Final = 300
_ROWS_ON_CPU: Final = 16  # texts written at once
_ROWS_ON_GPU: Final = 256


class Seq2Seq:
    """The task, for one recipe."""

    name = "seq2seq"
    draws = False

    def __init__(self, recipe: Seq2SeqRecipe) -> None:
        self.recipe = recipe
        self._relative = False
        self._sides: Sides | None = None
        self._shift: Shift | None = None
        self._shown: list[str] = []

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        both = chain(splits.texts("train"), splits.texts("train", "target"))
        return weights.load_tokenizer(self.recipe.model, search, map(str, both))

    def config(self, located: Located, tokenizer: Any) -> Any:
        config = weights.read_config(self.recipe.model, located, _vocabulary(located, tokenizer))
        if not config.is_encoder_decoder:
            raise ModelError(
                f"{config.model_type} is no encoder-decoder",
                where=located.name,
                hint="use one of the T5, BART, mBART, Marian or M2M-100 families",
            )
        self._relative = computes_positions(config)
        return config

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        data, notes = self.recipe.data, list(splits.notes)
        notes += _language_notes(tokenizer, data)
        languages.speak(tokenizer, data.source_language, data.target_language)
        self._sides = sides = sides_of(tokenizer, data, None if self._relative else longest)
        ready, counts = {}, {}
        for name, table in splits.tables().items():
            sources, targets = self._read(splits, name, sides)
            written = TokenRows(targets.ids, targets.bounds, np.arange(table.num_rows))
            rows = np.asarray(table.column("__row__"))
            ready[name] = TokenRows(sources.ids, sources.bounds, rows, targets=written)
            counts[name] = {
                "rows": table.num_rows,
                "dropped": splits.dropped.get(name, 0),
                "truncated": sources.cut,
                "truncated_targets": targets.cut,
                "tokens": ready[name].tokens,
                "target_tokens": written.tokens,
            }
            notes += _cut_notes(name, counts[name], sides)
        self._shown = self._to_show(splits)
        return Prepared(ready, [], sides.longest_source, counts, notes)

    def _read(self, splits: Splits, name: str, sides: Sides) -> tuple[KeptTokens, KeptTokens]:
        """Sources and targets of a split."""
        data = self.recipe.data
        usual = {"task": self.name, "languages": [data.source_language, data.target_language]}
        return (
            kept(
                splits,
                name,
                ("text",),
                sides.tokenizer,
                usual | {"side": "sources", "prefix": sides.prefix, "max_length": sides.longest_source},
                lambda: sides.read_sources(splits.texts(name, "text")),
            ),
            kept(
                splits,
                name,
                ("target",),
                sides.tokenizer,
                usual | {"side": "targets", "max_length": sides.longest_target},
                lambda: sides.read_targets(splits.texts(name, "target")),
            ),
        )

    def _to_show(self, splits: Splits) -> list[str]:
        """The sources that are written from through training."""
        if self.recipe.generate.prompts or not self.recipe.evaluate.generate or splits.validation is None:
            return list(self.recipe.generate.prompts)
        return [str(text) for text in splits.texts("validation", "text")[:_SHOWN]]

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForSeq2SeqLM

        config, scratch = _vocabulary(located, tokenizer), located.kind == "scratch"
        model, new = weights.load_model(AutoModelForSeq2SeqLM, self.recipe.model, located, config)
        _check_vocabulary(model, prepared, located.name)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        if getattr(model.config, "decoder_start_token_id", None) is None:
            model.config.decoder_start_token_id = model.config.pad_token_id  # as T5's do
        decoder = model.get_decoder()
        if decoder.config is not model.config:
            # T5's has one of its own, by which training would fill a cache at every step. Who writes asks for one.
            decoder.config.use_cache = False
        self._shift = Shift.of(model)
        searching.settle(model, self._of_rows(), self._shift, scratch=scratch)
        return model, new

    def _of_rows(self) -> Sides:
        assert self._sides is not None, "rows are prepared before there is a model"
        return self._sides

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        assert self._shift is not None, "the model, whose rule it follows, comes first"
        fixed = self.recipe.train.padding == "max_length"
        # Always on the right: encoders count their positions from the left, padding or not.
        padding = Padding(tokenizer.pad_token_id, to=prepared.max_length if fixed else None)
        return ShiftedPadding(padding, self._shift, self._of_rows().longest_target if fixed else None)

    def loss(self) -> Loss:
        return TokenLoss(self.recipe.train.label_smoothing)

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        sides, evaluate = self._of_rows(), self.recipe.evaluate
        return WritingJudge(
            split,
            splits,
            prepared,
            write=self._write if evaluate.generate else None,
            read=partial(generation.text_of, sides.tokenizer),
            end=end_of(sides.tokenizer),
            language=self.recipe.data.target_language,
        )

    def _write(self, model: Any, batch: Batch) -> Any:
        return searching.search(model, batch, self.recipe.evaluate.beams, self._of_rows().longest_target)

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        """What the model writes to the prompts, or to the first sources of validation, searched as in evaluation."""
        texts = searching.write(model, self._of_rows(), self.recipe.evaluate.beams, self._shown)
        for prompt, text in zip(self._shown, texts, strict=True):
            yield prompt[:_SHOWN_CHARACTERS], text

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> TextWriter:
        return TextWriter(model_dir, device=device, max_length=max_length)


def _vocabulary(located: Located, tokenizer: Any) -> dict[str, Any]:
    """What a config from scratch must know of the tokenizer; a tokenizer may name its end otherwise."""
    known = weights.vocabulary(located, tokenizer, "bos_token_id", "pad_token_id")
    own = {"eos_token_id": end_of(tokenizer), "decoder_start_token_id": tokenizer.pad_token_id}
    return known | own if known else {}


def _check_vocabulary(model: Any, prepared: Prepared, name: str) -> None:
    """Some models know more tokens than their tokenizer, some fewer; it matters which the rows have."""
    known = model.get_input_embeddings().weight.shape[0]
    sides = [side for rows in prepared.splits.values() for side in (rows, rows.targets) if side is not None]
    largest = max(int(side.ids.max(initial=0)) for side in sides)
    if largest >= known:
        raise ModelError(
            f"the rows have token {largest}, and the model knows {known}",
            where=name,
            hint="leave model.tokenizer out, or name the one the model was trained with",
        )


def computes_positions(config: Any) -> bool:
    """Whether positions are relative, so that a longer text can be read than the config says: T5 and its kin."""
    return hasattr(config, "relative_attention_num_buckets")


def sides_of(tokenizer: Any, data: Seq2SeqData, longest: int | None) -> Sides:
    """How the rows of a recipe become tokens, where the model can take `longest`. Raises BadInput."""
    source, target = SPEC.lengths
    asked = None if data.max_target_length == target.usual else data.max_target_length
    return Sides(tokenizer, data.prefix, _roomy(source, data.max_length, longest), _roomy(target, asked, longest))


def _roomy(length: Length, asked: int | None, longest: int | None) -> int:
    chosen = length.chosen(asked, longest)
    if asked is not None and asked < _SHORTEST:
        raise BadInput(
            "the marks around a text leave no room for it", where=f"data.{length.field}", hint="use 4 or more"
        )
    return chosen


def _language_notes(tokenizer: Any, data: Seq2SeqData) -> list[str]:
    given = [name for name in ("source_language", "target_language") if getattr(data, name) is not None]
    if languages.marks(tokenizer) or not given:
        return []
    fields = " and ".join(f"data.{name}" for name in given)
    return [f"{fields}: the tokenizer marks no languages; that of the target still says how the metrics read it"]


def _cut_notes(split: str, counts: dict[str, Any], sides: Sides) -> list[str]:
    cuts = {
        "sources": (counts["truncated"], "data.max_length", sides.longest_source),
        "targets": (counts["truncated_targets"], "data.max_target_length", sides.longest_target),
    }
    return [
        f"{split}: {cut} of {counts['rows']} {side} cut to {field} = {length} tokens"
        for side, (cut, field, length) in cuts.items()
        if cut
    ]


@dataclass(frozen=True)
class TokenLoss:
    """Cross entropy in nats, summed over the target tokens of the batch and divided by those of the optimizer step.

    `smoothing` is the share of each label that is spread evenly over the vocabulary (Szegedy et al. 2016).
    """

    smoothing: float = 0.0

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        import torch

        total = torch.nn.functional.cross_entropy(
            outputs.logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.smoothing,
        )
        return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class TextWriter:
    """A trained encoder-decoder: a text in, the text that belongs to it out."""

    task = "seq2seq"
    fields = ("text",)
    generates = True

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForSeq2SeqLM

        tokenizer = weights.open_tokenizer(model_dir)
        self._model, place = weights.open_model(AutoModelForSeq2SeqLM, model_dir, device)
        recipe = recipe_of(model_dir, Seq2SeqRecipe)
        if recipe is not None:
            languages.speak(tokenizer, recipe.data.source_language, recipe.data.target_language)
        data = Seq2SeqData() if recipe is None else recipe.data
        self._beams = (Seq2SeqEvaluate() if recipe is None else recipe.evaluate).beams
        config, settings = self._model.config, self._model.generation_config
        if settings.decoder_start_token_id is None:
            settings.decoder_start_token_id = tokenizer.pad_token_id
        self._limit = _NO_LIMIT if computes_positions(config) else weights.longest(config, tokenizer) or _NO_LIMIT
        self.max_length = min(max_length or data.max_length or SPEC.lengths[0].usual, self._limit)
        self._sides = Sides(tokenizer, data.prefix, self.max_length, min(data.max_target_length, self._limit))
        self.labels: list[str] = []
        # Encoders count their positions from the left: padding is on the right, whatever the tokenizer says.
        most = max(1, (_ROWS_ON_GPU if place.startswith("cuda") else _ROWS_ON_CPU) // self._beams)
        self._batches = LengthBatches(place, Padding(tokenizer.pad_token_id), rows=most)

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[TextAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> list[dict[str, Any]]:
        texts = [field_of(row, self.fields)[0] for row in rows]
        return [{"input_ids": ids} for ids in self._sides.sources(texts)[0]] if texts else []

    def answer(self, encoded: list[dict[str, Any]], top_k: int | None = None) -> list[TextAnswer]:
        answers = [TextAnswer("")] * len(encoded)
        for places, (written,) in self._batches.answers(encoded, self._written):
            for place, ids in zip(places.tolist(), written.tolist(), strict=True):
                answers[place] = TextAnswer(generation.text_of(self._sides.tokenizer, ids).strip())
        return answers

    def _written(self, batch: Batch, places: Places) -> tuple[Any]:
        return (searching.search(self._model, batch, self._beams, self._sides.longest_target),)

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        (source,), _ = self._sides.sources([prompt])
        begin = searching.beginning(self._model)
        room = min(options.max_new_tokens, self._limit - len(begin) + 1)
        options = options.model_copy(update={"max_new_tokens": room})
        return generation.shown(self._sides.tokenizer, generation.answered(self._model, source, begin, options))
