"""A recipe and rows for each of the six tasks: models of 50,000 random weights with a vocabulary learnt from the rows.

Every model has dropout, so that a resume has to find its generators again, and every set can be learnt in a few steps.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
LLAMA = BERT | {"num_key_value_heads": 1, "tie_word_embeddings": True}
# Small ones of other families, by what their own configs call it.
FAMILIES: dict[str, tuple[str, dict[str, object]]] = {
    "roberta": ("text-classification", BERT),
    "distilbert": ("token-classification", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}),
    "electra": ("question-answering", BERT | {"embedding_size": 32}),
    "deberta-v2": ("text-classification", BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "modernbert": ("masked-lm", BERT),
    "gpt2": ("causal-lm", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "qwen2": ("causal-lm", LLAMA),
    "bart": (
        "seq2seq",
        {
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
        },
    ),
}
_ARCHITECTURES = {
    "text-classification": ("bert", BERT),
    "token-classification": ("bert", BERT),
    "question-answering": ("bert", BERT),
    "seq2seq": ("t5", {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}),
    "causal-lm": ("llama", LLAMA),
    "masked-lm": ("bert", BERT),
}
_DATA = {
    "text-classification": "max_length = 48",
    "token-classification": "max_length = 48",
    "question-answering": "max_length = 48\nstride = 12",
    "seq2seq": "max_length = 32\nmax_target_length = 16",
    "causal-lm": "block_size = 32",
    "masked-lm": "block_size = 32",
}
TASKS = tuple(_ARCHITECTURES)
# What each is asked of through the lab, and the key of the answer.
QUESTIONS = {
    "text-classification": ("a good film", "label"),
    "token-classification": ("then Ana York slept", "entities"),
    "question-answering": ({"question": "which animal ?", "context": "a cat was in the barn"}, "answer"),
    "seq2seq": ("March 4, 1999", "text"),
    "masked-lm": ("the cat <mask> and the cat meows", "fills"),
}
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_SAYS = {"cat": "meows", "dog": "barks", "cow": "moos", "owl": "hoots"}
_FILLER = "it rained and nobody came along then so they all went home again".split()  # noqa: SIM905

Row = dict[str, object]


_GENERATED = {
    "causal-lm": '[generate]\nprompts = ["the cat", "the owl"]\nmax_new_tokens = 8',
    "seq2seq": "[generate]\nmax_new_tokens = 8",
}


def recipe(task: str) -> str:
    """24 steps of 8 rows, with two evaluations and a checkpoint at each. Paths are relative to the rows."""
    architecture, config = _ARCHITECTURES[task]
    return f"""\
name = "{task}"
task = "{task}"
[model]
architecture = "{architecture}"
tokenizer = "bpe"
vocab_size = 400
config = {json.dumps(config).replace('": ', '" = ')}
[data]
train = "{task}.train.jsonl"
validation = "{task}.validation.jsonl"
{_DATA[task]}
[train]
max_steps = 24
batch_size = 8
learning_rate = 5e-3
precision = "fp32"
save_every = 12
[evaluate]
every = 12
{_GENERATED.get(task, "")}
[launch]
threads = 1
"""


def write(place: Path) -> Path:
    """Rows to train on (100, so that the last batch of an epoch is short) and to judge by (24) for each task."""
    make = {
        "text-classification": _review,
        "token-classification": _sentence,
        "question-answering": _question,
        "seq2seq": _date,
        "causal-lm": _said,
        "masked-lm": _said,
    }
    for task, row in make.items():
        draw = random.Random(task)
        for split, count in (("train", 100), ("validation", 24)):
            lines = [json.dumps(row(draw)) for _ in range(count)]
            (place / f"{task}.{split}.jsonl").write_text("\n".join(lines))
    return place


def long_texts(place: Path, rows: int, shortest: int, longest: int) -> None:
    """`long.jsonl` in `place`: texts of between so many words, which say nothing of their labels."""
    draw = random.Random(0)
    texts = (" ".join(draw.choices(_FILLER, k=draw.randint(shortest, longest))) for _ in range(rows))
    lines = [json.dumps({"text": text, "label": f"class-{row % 2}"}) for row, text in enumerate(texts)]
    (place / "long.jsonl").write_text("\n".join(lines))


def recipe_for_long_texts(*, width: int, layers: int, length: int) -> str:
    """Of a BERT so wide and so deep, on `long.jsonl`, without dropout."""
    return f"""\
name = "long"
task = "text-classification"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 400
dropout = 0.0
[model.config]
hidden_size = {width}
num_hidden_layers = {layers}
num_attention_heads = {max(1, width // 64)}
intermediate_size = {4 * width}
max_position_embeddings = {length}
[data]
train = "long.jsonl"
validation = "long.jsonl"
max_length = {length}
[train]
max_steps = 6
save_every = 6
[evaluate]
every = 6
[launch]
threads = 1
"""


def _review(draw: random.Random) -> Row:
    good = draw.random() < 0.5
    words = [
        *draw.choices(_FILLER, k=draw.randint(2, 24)),
        draw.choice(["good", "great"] if good else ["bad", "awful"]),
    ]
    draw.shuffle(words)
    return {"text": " ".join(words), "label": "positive" if good else "negative"}


def _sentence(draw: random.Random) -> Row:
    tokens, tags = [], []
    for _ in range(draw.randint(2, 5)):
        first, kind = draw.choice([("Ana", "PER"), ("Karl", "PER"), ("New", "LOC"), ("San", "LOC")])
        tokens += [*draw.choices(_FILLER, k=draw.randint(1, 4)), first, "York"]
        tags += ["O"] * (len(tokens) - len(tags) - 2) + [f"B-{kind}", f"I-{kind}"]
    return {"tokens": tokens, "tags": tags}


def _question(draw: random.Random) -> Row:
    animal, colour = draw.choice(list(_SAYS)), draw.choice(["red", "blue", "green"])
    # Some are longer than one window.
    words = [animal, colour, *draw.choices(_FILLER, k=draw.choice([4, 8, 60]))]
    draw.shuffle(words)
    context, (kind, answer) = " ".join(words), draw.choice([("animal", animal), ("colour", colour)])
    return {
        "question": f"which {kind} ?",
        "context": context,
        "answers": {"text": [answer], "answer_start": [context.index(answer)]},
    }


def _date(draw: random.Random) -> Row:
    year, month, day = draw.randint(1990, 2009), draw.randint(1, 12), draw.randint(1, 28)
    return {"text": f"{_MONTHS[month - 1]} {day}, {year}", "target": f"{year}-{month:02d}"}


def _said(draw: random.Random) -> Row:
    names = [draw.choice(list(_SAYS)) for _ in range(draw.randint(6, 14))]
    return {"text": " and ".join(f"the {name} {_SAYS[name]}" for name in names)}
