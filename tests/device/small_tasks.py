"""A recipe, rows and a random model for every kind of thing that a model can be trained for, as small as they go."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench.models.locate import locate
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import Batch

WORDS: Final = [f"w{number}" for number in range(60)]
MARKS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

ENCODER: Final = (
    'architecture = "bert"\nconfig = { num_hidden_layers = 1, hidden_size = 16, num_attention_heads = 2,'
    " intermediate_size = 32, max_position_embeddings = 32 }"
)
DECODER: Final = 'architecture = "gpt2"\nconfig = { n_layer = 1, n_head = 2, n_embd = 16, n_positions = 32 }'
LLAMA: Final = (
    'architecture = "llama"\nconfig = { num_hidden_layers = 1, hidden_size = 16, num_attention_heads = 2,'
    " intermediate_size = 32, max_position_embeddings = 32 }"
)
T5: Final = 'architecture = "t5"\nconfig = { d_model = 16, d_kv = 8, d_ff = 16, num_layers = 1, num_heads = 2 }'
BART: Final = (
    "config = { d_model = 16, encoder_layers = 1, decoder_layers = 1, encoder_attention_heads = 2,"
    " decoder_attention_heads = 2, encoder_ffn_dim = 16, decoder_ffn_dim = 16, max_position_embeddings = 40 }"
)


@dataclass(frozen=True)
class Kind:
    """`row` makes one row; `fields` are further lines of the recipe, by section."""

    task: str
    model: str
    row: Callable[[random.Random], dict[str, Any]]
    fields: dict[str, str] = field(default_factory=dict)

    def recipe(self) -> str:
        sections = {"model": f'tokenizer = "words"\ndropout = 0.0\n{self.model}', "data": _FILES} | self._further()
        told = (f"[{name}]\n{lines}" for name, lines in sections.items())
        return "\n".join([f'name = "x"\ntask = "{self.task}"', *told, '[launch]\ndevice = "cpu"'])

    def _further(self) -> dict[str, str]:
        return {name: f"{_FILES if name == 'data' else ''}{lines}" for name, lines in self.fields.items()}


_FILES: Final = 'train = "train.jsonl"\nvalidation = "validation.jsonl"\n'


def text(chance: random.Random, least: int = 3, most: int = 9) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(least, most)))


def one(chance: random.Random) -> dict[str, Any]:
    return {"text": text(chance), "label": chance.choice("ab")}


def several(chance: random.Random) -> dict[str, Any]:
    return {"text": text(chance), "labels": [name for name in "abc" if chance.random() < 0.5]}


def numbers(chance: random.Random) -> dict[str, Any]:
    return {"text": text(chance), "label": chance.gauss(20, 7)}


def tagged(chance: random.Random) -> dict[str, Any]:
    tokens = text(chance, 3, 20).split()
    return {"tokens": tokens, "ner_tags": [chance.choice(["O", "B-PER"]) for _ in tokens]}


def asked(chance: random.Random) -> dict[str, Any]:
    context = text(chance, 12, 30)
    answer = chance.choice(context.split())
    answers = {"text": [answer], "answer_start": [context.index(answer)]}
    if chance.random() < 0.3:
        answers = {"text": [], "answer_start": []}
    return {"id": str(chance.random()), "question": text(chance, 2, 4), "context": context, "answers": answers}


def written(chance: random.Random) -> dict[str, Any]:
    return {"text": text(chance), "target": text(chance, 2, 6)}


def plain(chance: random.Random) -> dict[str, Any]:
    return {"text": text(chance, 3, 30)}


def completed(chance: random.Random) -> dict[str, Any]:
    return {"prompt": text(chance), "completion": " " + text(chance, 2, 6)}


_LOSSES = "class_weights = 'balanced'\n"
KINDS: Final = {
    "single-label": Kind("text-classification", ENCODER, one),
    "weights-and-smoothing": Kind("text-classification", ENCODER, one, {"train": f"{_LOSSES}label_smoothing = 0.1"}),
    "focal": Kind("text-classification", ENCODER, one, {"train": f"{_LOSSES}loss = 'focal'"}),
    "several-labels": Kind("text-classification", ENCODER, several, {"data": 'label = "labels"'}),
    "several-labels-focal": Kind(
        "text-classification",
        ENCODER,
        several,
        {"data": 'label = "labels"', "train": f"{_LOSSES}loss = 'focal'", "evaluate": "thresholds = 'best'"},
    ),
    "regression": Kind("text-classification", ENCODER, numbers),
    "left-padded-decoder": Kind("text-classification", LLAMA, one),
    "tags": Kind("token-classification", ENCODER, tagged),
    "answers": Kind("question-answering", ENCODER, asked, {"data": "max_length = 16\nstride = 4"}),
    "t5": Kind("seq2seq", T5, written, {"data": 'target = "target"', "train": "label_smoothing = 0.1"}),
    "bart": Kind("seq2seq", f'architecture = "bart"\n{BART}', written, {"data": 'target = "target"'}),
    "mbart": Kind("seq2seq", f'architecture = "mbart"\n{BART}', written, {"data": 'target = "target"'}),
    "blocks": Kind("causal-lm", DECODER, plain, {"data": "block_size = 16"}),
    "blocks-kept-apart": Kind("causal-lm", LLAMA, plain, {"data": "block_size = 16"}),
    "completions": Kind("causal-lm", DECODER, completed, {"data": 'prompt = "prompt"\ncompletion = "completion"'}),
    "masks": Kind("masked-lm", ENCODER, plain, {"data": "block_size = 16"}),
    "whole-words-masked": Kind("masked-lm", ENCODER, plain, {"data": "block_size = 16", "train": "whole_words = true"}),
}


@dataclass(frozen=True)
class Made:
    """What a session makes of a recipe before it trains."""

    task: Any
    splits: Any
    tokenizer: Any
    prepared: Any
    model: Any
    collator: Any

    def batch(self, split: str = "train", *, padded: bool, rows: int = 4) -> tuple[np.ndarray, Batch]:
        """Rows of a split and the batch they make: all of one length, or the shortest beside the longest."""
        lengths = self.prepared.rows[split].lengths
        order = np.argsort(lengths, kind="stable")
        if padded:
            places = np.concatenate([order[: rows // 2], order[-(rows - rows // 2) :]])
        else:
            usual = np.bincount(lengths).argmax()
            places = np.resize(np.flatnonzero(lengths == usual), rows)
        return places, self.collator([self.prepared.rows[split][int(place)] for place in places])

    def save(self, place: Path) -> Path:
        self.model.save_pretrained(place)
        self.tokenizer.save_pretrained(place)
        return place


def make(kind: Kind, place: Path) -> Made:
    import torch

    _tokenizer(place / "words")
    chance = random.Random(0)
    for name, count in (("train", 60), ("validation", 20)):
        rows = (json.dumps(kind.row(chance)) for _ in range(count))
        (place / f"{name}.jsonl").write_text("\n".join(rows))
    parsed = recipe.parse(kind.recipe())
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    tokenizer, located = task.tokenizer(parsed, splits, [place]), locate(parsed.model, [place])
    prepared = task.prepare(parsed, splits, tokenizer, task.config(parsed, located, tokenizer))
    torch.manual_seed(0)
    model, _ = task.model(prepared, located)
    model.config.use_cache = False  # as it is in training
    collator = task.collator(prepared, model)
    return Made(task, splits, tokenizer, prepared, model.eval(), collator)


def _tokenizer(place: Path) -> None:
    """One whose tokens are words, with a frame as BERT's, found in its directory by a config beside it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*MARKS, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad_token", "unk_token", "cls_token", "eos_token", "mask_token")
    marks = dict(zip(names, MARKS, strict=True)) | {"sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **marks).save_pretrained(place)
    BertConfig().save_pretrained(place)
