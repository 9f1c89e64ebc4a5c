"""A trained causal language model: a prompt in, text out; and what it makes of the recipe's prompts while it trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.contracts.answers import Answer
from workbench.core.errors import WorkbenchError
from workbench.models import weights
from workbench.recipe import Generate
from workbench.tasks.causal_lm.data import PreparedTokens
from workbench.tasks.interface import Asked
from workbench.tasks.shared import generation

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def samples(prepared: PreparedTokens, model: PreTrainedModel) -> Iterator[tuple[str, str]]:
    options, facts = prepared.recipe.generate, prepared.own
    for prompt in options.prompts:
        pieces = generation.stream(model, prepared.tokenizer, prompt, options, facts.positions, chat=facts.chat)
        yield prompt, "".join(pieces)


class TextGenerator:
    """A trained model, asked to go on from a prompt."""

    task = "causal-lm"
    labels: list[str]
    fields = ("text",)
    generates = True

    def __init__(self, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> None:
        from transformers import AutoModelForCausalLM

        self.labels = []
        self._tokenizer = weights.open_tokenizer(model_dir)
        self._model, _ = weights.open_model(AutoModelForCausalLM, model_dir, device)
        self._positions = weights.limits(self._model.config, self._tokenizer).least

    def predict(self, rows: Sequence[Asked], top_k: int | None = None) -> list[Answer]:
        return self.answer(self.encode(rows), top_k)

    def encode(self, rows: Sequence[Asked]) -> Sequence[Asked]:
        return rows

    def answer(self, encoded: Sequence[Asked], top_k: int | None = None) -> list[Answer]:
        raise WorkbenchError("a language model gives no labels", hint="generate from a prompt")

    def generate(self, prompt: str, options: Generate) -> Iterator[str]:
        chat = bool(getattr(self._model.config, "workbench_chat", False))
        return generation.stream(self._model, self._tokenizer, prompt, options, self._positions, chat=chat)
