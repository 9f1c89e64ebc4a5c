"""Rows to train on, made of the data that comes with the program: real text, seeded, of lengths as data has them."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

Rows = dict[str, list[dict]]


def write(place: Path, rows: Rows) -> None:
    """`train.jsonl`, `validation.jsonl` and so on in `place`."""
    for name, part in rows.items():
        (place / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in part))


def builtin(name: str, split: str) -> list[dict]:
    from workbench.data.tables import builtin

    return builtin.load(name)[split]().to_pylist()


def short_reviews(train: int, validation: int) -> Rows:
    """The packaged reviews, as many as are wanted: about 30 tokens each."""
    parts = {"train": train, "validation": validation}
    return {
        name: [{"text": row["text"], "label": row["label"]} for row in builtin("reviews", name)[:rows]]
        for name, rows in parts.items()
    }


def long_reviews(train: int = 320, validation: int = 80) -> Rows:
    """Four to sixteen reviews of one opinion joined: 100 to 450 tokens, as long texts are, and enough to learn from."""
    draw, joined = random.Random(5), {}
    for name, rows in short_reviews(10_000, 10_000).items():
        labels = sorted({row["label"] for row in rows})
        texts = {label: [row["text"] for row in rows if row["label"] == label] for label in labels}
        wanted = train if name == "train" else validation
        joined[name] = [
            {"text": " ".join(draw.sample(texts[label], draw.randint(4, 16))), "label": label}
            for label in (labels[place % len(labels)] for place in range(wanted))
        ]
    return joined


def reviews_of_all_lengths(train: int) -> Rows:
    """One to eight reviews of one opinion joined, most of them few: 10 to 300 tokens."""
    draw, made = random.Random(1), []
    texts: dict[str, list[str]] = {}
    for row in builtin("reviews", "train"):
        texts.setdefault(row["label"], []).append(row["text"])
    for _ in range(train):
        label = draw.choice(sorted(texts))
        count = min(8, 1 + int(draw.expovariate(0.7)))
        made.append({"text": " ".join(draw.sample(texts[label], count)), "label": label})
    return {"train": made}


def tagged_sentences(train: int) -> Rows:
    """Sentences of the Python documentation, their identifiers, numbers and proper nouns tagged as entities."""
    made = []
    for words in _sentences():
        tags, before = [], "O"
        for place, word in enumerate(words):
            kind = _kind(word, first=place == 0)
            tags.append("O" if kind is None else f"{'I' if before == kind else 'B'}-{kind}")
            before = kind
        made.append({"tokens": words, "tags": tags})
    return {"train": random.Random(2).sample(made, train)}


def _kind(word: str, *, first: bool) -> str | None:
    if re.search(r"\d", word):
        return "NUMBER"
    if re.search(r"[_()\[\]=]|\.\w", word):
        return "CODE"
    return "NAME" if word[:1].isupper() and not first else None


def _sentences() -> list[list[str]]:
    """Words of sentences of three words and more, 60 at most."""
    whole = " ".join(row["text"] for row in builtin("python-docs", "train"))
    found = (sentence.split() for sentence in re.split(r"(?<=[.:;])\s+", whole))
    return [words[:60] for words in found if len(words) > 2]


def questions(train: int) -> Rows:
    """Pieces of the documentation of 20 to 400 words, each with a question whose answer stands in it."""
    draw, words = random.Random(3), " ".join(row["text"] for row in builtin("python-docs", "train")).split()
    made = []
    for number in range(train):
        size = min(400, 20 + int(draw.lognormvariate(4.5, 0.6)))
        at = draw.randrange(len(words) - size)
        piece = words[at : at + size]
        first = draw.randrange(6, size - 3)
        answer = " ".join(piece[first : first + draw.randint(1, 3)])
        start = len(" ".join(piece[:first])) + 1
        question = f"What comes after {' '.join(piece[first - draw.randint(3, 6) : first])}?"
        answers = {"text": [answer], "answer_start": [start]}
        made.append({"id": str(number), "question": question, "context": " ".join(piece), "answers": answers})
    return {"train": made}


def summaries(train: int) -> Rows:
    """Paragraphs of the documentation, and the first sentence of each to be written."""
    draw, sentences = random.Random(4), [" ".join(words) for words in _sentences()]
    made = []
    for _ in range(train):
        size = min(9, 1 + int(draw.expovariate(0.4)))
        at = draw.randrange(len(sentences) - size)
        made.append({"text": " ".join(sentences[at : at + size]), "target": sentences[at]})
    return {"train": made}


def documents(characters: int) -> Rows:
    """Pages of the documentation, so many characters in all: 100 to 10,000 tokens each."""
    made, size = [], 0
    for row in builtin("python-docs", "train"):
        made.append({"text": row["text"][: characters - size]})
        size += len(made[-1]["text"])
        if size >= characters:
            break
    return {"train": made}
