"""Every task answers many rows, batched by length, as it answers each alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from workbench.tasks import spec

MARKS = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
PLAIN = ["the", "a", "cat", "dog", "bird", "sings", "barks", "sleeps", "here", "there", "and", "or"]
WORDS = MARKS + PLAIN
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
rng = np.random.default_rng(3)


def text(least: int = 0, most: int = 30) -> str:
    return " ".join(rng.choice(PLAIN, rng.integers(least, most + 1)))


TEXTS = ["", *(text() for _ in range(60))]


def tokenizer(place: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", cls_token="<s>", eos_token="</s>",
        sep_token="</s>", mask_token="<mask>", model_max_length=48,
    ).save_pretrained(place)  # fmt: skip


def bert(head: str, place: Path, *, spread: float = 0.5, **settings: object) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=48, initializer_range=spread, pad_token_id=0, **SMALL, **settings
    )
    getattr(transformers, f"BertFor{head}")(config).save_pretrained(place)
    tokenizer(place)


def bart(place: Path) -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=len(WORDS), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=48, init_std=0.5,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3, forced_eos_token_id=None,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(place)
    tokenizer(place)


SHORT = [text(0, 20) for _ in range(30)]
LABELS = {"id2label": {0: "O", 1: "B-A", 2: "I-A"}, "label2id": {"O": 0, "B-A": 1, "I-A": 2}}
SEVERAL = {**LABELS, "problem_type": "multi_label_classification"}
NUMBERS = {"id2label": {0: "stars"}, "label2id": {"stars": 0}, "problem_type": "regression"}
MASKED = [f"{one} [MASK] {other}" for one, other in zip(SHORT, SHORT[::-1], strict=True)] + ["[MASK] or [MASK]"]
QUESTIONS = [{"question": text(1, 5), "context": text(0, 90)} for _ in range(30)]
KINDS: dict[str, tuple[str, Callable[[Path], None], list]] = {
    "one label": ("text-classification", lambda place: bert("SequenceClassification", place, **LABELS), TEXTS),
    "several labels": ("text-classification", lambda place: bert("SequenceClassification", place, **SEVERAL), TEXTS),
    "numbers": ("text-classification", lambda place: bert("SequenceClassification", place, **NUMBERS), TEXTS),
    "entities": (
        "token-classification",
        lambda place: bert("TokenClassification", place, spread=1.0, **LABELS),
        [*TEXTS, text(90, 90), text(60, 60)],
    ),
    "answers": ("question-answering", lambda place: bert("QuestionAnswering", place), QUESTIONS),
    "fills": ("masked-lm", lambda place: bert("MaskedLM", place), MASKED),
    "written text": ("seq2seq", bart, TEXTS[:20]),
}


def rounded(value: object) -> object:
    """The same with every float as something that is equal within 1e-5."""
    if isinstance(value, float):
        return pytest.approx(value, abs=1e-5)
    if dataclasses.is_dataclass(value):
        return type(value)(*map(rounded, (getattr(value, one.name) for one in dataclasses.fields(value))))
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return type(value)(map(rounded, value)) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("kind", KINDS)
def test_many_rows_are_answered_as_each_alone(kind, tmp_path):
    task, make, rows = KINDS[kind]
    make(tmp_path)
    opened = spec.predictor(task, tmp_path, device="cpu")
    alone = [answer for row in rows for answer in opened.predict([row])]
    assert opened.predict(rows) == rounded(alone)
    opened._batches.tokens = 64
    assert opened.answer(opened.encode(rows)) == rounded(alone)
    assert len({str(answer) for answer in alone}) > 3
    assert opened.predict([]) == []
