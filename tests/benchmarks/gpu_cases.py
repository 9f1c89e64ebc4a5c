"""What is measured on a GPU: models of the usual sizes with random weights, made-up rows for them, and the settings.

Speed does not need weights that know something. The words are made up too ("w17"), as many as each model's vocabulary
has, the first ones the most frequent (Zipf).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>")


@dataclass(frozen=True)
class Case:
    """One job. `steps` are those of ours and of the bare script, `padded_steps` those of the tutorial, which is slow.

    `length` is that of a row or a block at most. Batches of like lengths are sorted within fifty batches: of
    `steps`, 250 times a whole number, the last 60 %, which are measured, hold whole fifties.
    """

    name: str
    title: str
    task: str
    model: str
    batch: int
    steps: int
    padded_steps: int
    length: int
    learning_rate: float = 5e-5
    lora: bool = False

    @property
    def blocks(self) -> bool:
        return self.task == "causal-lm"

    def rehearsed(self) -> Case:
        """The smallest that goes the same way."""
        return replace(self, batch=2, steps=10, padded_steps=5, length=min(self.length, 64))


CASES = (
    Case("bert16", "BERT-base, short texts, batch 16", "text-classification", "bert", 16, 250, 40, 512),
    Case("bert64", "BERT-base, short texts, batch 64", "text-classification", "bert", 64, 250, 12, 512),
    Case("gpt2", "GPT-2, blocks of 1,024, batch 8", "causal-lm", "gpt2", 8, 60, 20, 1024),
    Case("qwen", "0.5 B decoder, LoRA, blocks of 2,048", "causal-lm", "qwen", 4, 30, 10, 2048, 2e-4, lora=True),
    Case("t5", "T5-small, short pairs, batch 32", "seq2seq", "t5", 32, 250, 40, 512, 3e-4),
)
PREDICTED = {"full": 20_000, "start": 16}  # rows; the second number shows what starting takes
REHEARSED = {"full": 40, "start": 4}


@dataclass(frozen=True)
class Shape:
    """A model's vocabulary, its config in full and for a rehearsal, and the class with the head it is stored with."""

    vocabulary: int
    config: dict[str, Any]
    small: dict[str, Any]
    head: str
    dtype: str = "float32"
    first: str = ""  # before and after each text
    last: str = ""


SHAPES = {
    "bert": Shape(
        30_522,
        {"model_type": "bert"},
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
        "BertForSequenceClassification",
        first="[CLS] ",
        last=" [SEP]",
    ),
    "gpt2": Shape(
        50_257,
        {"model_type": "gpt2", "bos_token_id": 4, "eos_token_id": 4, "pad_token_id": 0},
        {"n_embd": 32, "n_layer": 2, "n_head": 2},
        "GPT2LMHeadModel",
    ),
    # Qwen2's 0.5 B, stored in bf16 as it is published.
    "qwen": Shape(
        151_936,
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "intermediate_size": 4864,
            "tie_word_embeddings": True,
            "bos_token_id": 4,
            "eos_token_id": 4,
            "pad_token_id": 0,
        },
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "intermediate_size": 64,
        },
        "Qwen2ForCausalLM",
        dtype="bfloat16",
    ),
    "t5": Shape(
        32_128,
        {
            "model_type": "t5",
            "d_model": 512,
            "d_kv": 64,
            "d_ff": 2048,
            "num_layers": 6,
            "num_heads": 8,
            "pad_token_id": 0,
            "eos_token_id": 4,
            "decoder_start_token_id": 0,
        },
        {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
        "T5ForConditionalGeneration",
        last=" </s>",
    ),
}
_SMALL_VOCABULARY = 2_000


def write_model(place: Path, name: str, rehearsal: bool) -> None:
    """A model with random weights in `place/name`, and its tokenizer in `place/name/words`.

    Beside a config AutoTokenizer may take the class that goes with the model (Qwen2's) for these words too, and then
    knows none of them.
    """
    import torch
    import transformers

    shape = SHAPES[name]
    words = _SMALL_VOCABULARY if rehearsal else shape.vocabulary
    config = dict(shape.config) | (shape.small if rehearsal else {}) | {"vocab_size": words}
    settings = transformers.AutoConfig.for_model(**config)
    torch.manual_seed(0)
    model = getattr(transformers, shape.head)(settings).to(getattr(torch, shape.dtype))
    model.save_pretrained(place / name)
    tokenizer = _tokenizer(shape, words)
    tokenizer.save_pretrained(place / name)
    tokenizer.save_pretrained(place / name / "words")


def _tokenizer(shape: Shape, words: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = [*_MARKS, *(f"w{number}" for number in range(words - len(_MARKS)))]
    ids = {word: place for place, word in enumerate(names)}
    inner = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if shape.first or shape.last:
        marks = [(mark, ids[mark]) for mark in _MARKS]
        inner.post_processor = processors.TemplateProcessing(
            single=f"{shape.first}$A{shape.last}", special_tokens=marks
        )
    marked = {"cls_token": "[CLS]", "sep_token": "[SEP]"} if shape.first else {"eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", **marked)


def write_rows(place: Path, case: Case, rehearsal: bool) -> None:
    """`place/train.jsonl`: as much as `case.steps` take."""
    words = (_SMALL_VOCABULARY if rehearsal else SHAPES[case.model].vocabulary) - len(_MARKS)
    _write(place / "train.jsonl", _ROWS[case.task](case, words))


def write_texts(file: Path, rows: int) -> None:
    """Texts to predict on, of 8 to 60 words as reviews have."""
    _write(file, [{"text": text} for text in _reviews(rows, _SMALL_VOCABULARY - len(_MARKS), seed=1)])


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _labelled(case: Case, words: int) -> list[dict[str, str]]:
    """A text is good or bad as its first word says."""
    texts = _reviews(case.steps * case.batch, words, seed=0)
    return [{"text": f"w{place % 2} {text}", "label": ("bad", "good")[place % 2]} for place, text in enumerate(texts)]


def _pairs(case: Case, words: int) -> list[dict[str, str]]:
    """The first third of a text is to be written."""
    texts = _reviews(case.steps * case.batch, words, seed=0)
    return [{"text": text, "target": " ".join(text.split()[: len(text.split()) // 3])} for text in texts]


def _document(case: Case, words: int) -> list[dict[str, str]]:
    """One text as long as all blocks: none of them holds parts of two, which a plain script cannot keep apart."""
    import numpy as np

    count = case.steps * case.batch * case.length + 1
    return [{"text": " ".join(_words(np.random.default_rng(0), count, words))}]


def _reviews(rows: int, words: int, *, seed: int) -> list[str]:
    """Texts of 8 to 60 words, 27 on average."""
    import numpy as np

    draw = np.random.default_rng(seed)
    lengths = np.clip(draw.lognormal(3.2, 0.5, rows), 8, 60).astype(int)
    drawn = _words(draw, int(lengths.sum()), words)
    ends = np.cumsum(lengths)
    return [" ".join(drawn[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _words(draw: np.random.Generator, count: int, words: int) -> list[str]:
    return [f"w{number}" for number in draw.zipf(1.2, count) % words]


_ROWS: dict[str, Callable[[Case, int], list[dict[str, str]]]] = {
    "text-classification": _labelled,
    "seq2seq": _pairs,
    "causal-lm": _document,
}
