"""A trained encoder-decoder: a text in, the text that belongs to it out; and what it writes while it trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.contracts.answers import CutText, TextAnswer
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.interface import Asked, field_of
from workbench.tasks.seq2seq import languages, searching
from workbench.tasks.seq2seq.data import PreparedPairs
from workbench.tasks.seq2seq.encode import Sides
from workbench.tasks.seq2seq.spec import SPEC, Seq2SeqData, Seq2SeqEvaluate, Seq2SeqRecipe
from workbench.tasks.shared import generation
from workbench.tasks.shared.card import recipe_of
from workbench.tasks.shared.length_batches import LengthBatches, Places
from workbench.tasks.shared.rows import Batch, Padding, RowItem
from workbench.tasks.shared.text_pairs import cuts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_NO_LIMIT: Final = 1 << 62
_SHOWN_CHARACTERS: Final = 300
_ROWS_ON_CPU: Final = 16  # texts written at once
_ROWS_ON_GPU: Final = 256


def samples(prepared: PreparedPairs, model: PreTrainedModel) -> Iterator[tuple[str, str]]:
    """What the model writes to the prompts, or to the first sources of validation, searched as in evaluation."""
    facts = prepared.own
    texts = searching.write(model, facts.sides, prepared.recipe.evaluate.beams, facts.shown)
    for prompt, text in zip(facts.shown, texts, strict=True):
        yield prompt[:_SHOWN_CHARACTERS], text


class TextWriter:
    """A trained model, asked for the texts that belong to others."""

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
        source, target = SPEC.lengths
        writable = weights.target_limits(config)
        self._limit = writable.positions or _NO_LIMIT
        self.max_length = source.fitting(max_length or data.max_length, weights.limits(config, tokenizer))
        self._sides = Sides(tokenizer, data.prefix, self.max_length, target.fitting(data.max_target_length, writable))
        self.labels: list[str] = []
        # Encoders count their positions from the left: padding is on the right, whatever the tokenizer says.
        most = max(1, (_ROWS_ON_GPU if place.startswith("cuda") else _ROWS_ON_CPU) // self._beams)
        self._batches = LengthBatches(place, Padding(tokenizer.pad_token_id), rows=most)

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[TextAnswer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> tuple[list[RowItem], list[CutText | None]]:
        texts = [field_of(row, self.fields)[0] for row in rows]
        items: list[RowItem] = [{"input_ids": ids} for ids in self._sides.sources(texts)[0]] if texts else []
        asked = [[self._sides.prefix + text] for text in texts]
        return items, cuts(self._sides.tokenizer, asked, items, self.max_length)

    def answer(self, encoded: tuple[list[RowItem], list[CutText | None]], top_k: int | None = None) -> list[TextAnswer]:
        items, cut = encoded
        answers = [TextAnswer("")] * len(items)
        for places, (written,) in self._batches.answers(items, self._written):
            for place, ids in zip(places.tolist(), written.tolist(), strict=True):
                answers[place] = TextAnswer(generation.text_of(self._sides.tokenizer, ids).strip(), cut[place])
        return answers

    def _written(self, batch: Batch, places: Places) -> tuple[torch.Tensor]:
        return (searching.search(self._model, batch, self._beams, self._sides.longest_target),)

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        (source,), _ = self._sides.sources([prompt])
        begin = searching.beginning(self._model)
        room = min(options.max_new_tokens, self._limit - len(begin) + 1)
        options = options.model_copy(update={"max_new_tokens": room})
        return generation.shown(self._sides.tokenizer, generation.answered(self._model, source, begin, options))
