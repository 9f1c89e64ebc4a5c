"""What the check calls fine, training can prepare; what training refuses, the check refuses in the same sentence.

Rows of every task, in every format that holds them, are damaged: fields lost, of another type, nested elsewhere, null;
bytes changed; files cut short. `WORKBENCH_DAMAGED=1000` tries so many files rather than a few.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.data.report import row_report
from workbench.tasks.experiment import Experiment
from workbench.tasks.loading import splits_for
from workbench.train import check, preparing

CASES = int(os.environ.get("WORKBENCH_DAMAGED", "120"))

BUILTIN = 'name = "builtin:minilm"'
SCRATCH = 'architecture = "gpt2"\ntokenizer = "bpe"\nvocab_size = 300'
CHATS = 'name = "chats"'  # a directory that the fixture makes
CHAT_TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}{% if turn.tool_calls %}{{ turn.tool_calls }}"
    "{% endif %}\n{% endfor %}"
)
CALL = {"id": "c1", "type": "function", "function": {"name": "time", "arguments": '{"where": "Rome"}'}}

Row = dict[str, Any]
# Of each layout: its task, its model, a row, and the formats in which people have it.
LAYOUTS: dict[str, tuple[str, str, Callable[[int], Row], tuple[str, ...]]] = {
    "classes": (
        "text-classification", BUILTIN, lambda n: {"text": f"some text {n}", "label": "ab"[n % 2]},
        ("jsonl", "json", "csv", "tsv", "parquet"),
    ),
    "pairs": (
        "text-classification", BUILTIN, lambda n: {"sentence1": f"a {n}", "sentence2": f"b {n}", "label": n % 2},
        ("jsonl", "csv", "parquet"),
    ),
    "several": (
        "text-classification", BUILTIN, lambda n: {"text": f"some text {n}", "labels": ["a", "b", "c"][: n % 4]},
        ("jsonl", "parquet"),
    ),
    "numbers": (
        "text-classification", BUILTIN, lambda n: {"text": f"some text {n}", "score": n / 7},
        ("jsonl", "csv", "parquet"),
    ),
    "tags": (
        "token-classification", BUILTIN,
        lambda n: {"tokens": ["Anna", "in", f"Rome{n}"], "tags": ["B-PER", "O", "B-LOC"]},
        ("jsonl", "parquet", "conll"),
    ),
    "answers": (
        "question-answering", BUILTIN,
        lambda n: {"question": "who?", "context": f"Anna {n} is", "answers": {"text": ["Anna"], "answer_start": [0]}},
        ("jsonl", "parquet", "squad"),
    ),
    "translations": (
        "seq2seq", SCRATCH.replace("gpt2", "t5"), lambda n: {"source": f"a text {n}", "target": f"text {n}"},
        ("jsonl", "csv", "parquet"),
    ),
    "completions": (
        "causal-lm", SCRATCH, lambda n: {"prompt": f"say {n}", "completion": f"it is {n}"}, ("jsonl", "csv", "parquet")
    ),
    "lines": ("causal-lm", SCRATCH, lambda n: {"text": f"a line of text {n}"}, ("jsonl", "txt", "parquet")),
    "chats": (
        "causal-lm", CHATS,
        lambda n: {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"{n}"}]},
        ("jsonl", "json", "parquet"),
    ),
    "tools": (
        "causal-lm", CHATS,
        lambda n: {"messages": [
            {"role": "user", "content": f"time {n}?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "noon"},
            {"role": "assistant", "content": "noon"},
        ]},
        ("jsonl", "json"),
    ),
    "masked": ("masked-lm", BUILTIN, lambda n: {"text": f"some text {n}"}, ("jsonl", "csv", "txt", "parquet")),
}  # fmt: skip
ODD = (None, "", " ", 0, -1, 1.5, True, [], {}, [None], [[]], {"a": [1]}, "\ufffd", "\u0000", "B-", "x" * 3000, ["O"],
       "NaN", "1,5", "a|b", "字" * 40, 10**30)  # fmt: skip


def damaged(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """A value, or one somewhere within it, lost, null, of another type, or nested once more."""
    if isinstance(value, dict) and value and (not depth or rng.random() < 0.7):
        field = rng.choice(list(value))
        if rng.random() < 0.25:
            return {name: of for name, of in value.items() if name != field}
        return value | {field: damaged(rng, value[field], depth + 1)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], damaged(rng, value[at], depth + 1), *value[at + 1 :]]
    return rng.choice((value, [value], {"inner": value}, rng.choice(ODD), rng.choice(ODD)))


def rows_of(rng: random.Random, make: Callable[[int], Row]) -> list[Row]:
    """Rows of a layout, some or all of them damaged; sometimes none is."""
    share = rng.choice((0, 0.05, 0.3, 1.0))
    rows = [make(n) for n in range(rng.choice((3, 12, 40)))]
    return [damaged(rng, row) if rng.random() < share else row for row in rows]


def as_cells(rows: list[Row], delimiter: str) -> bytes:
    """A table of text, whose lists and objects are JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["text"]
    made = io.StringIO()
    writer = csv.writer(made, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = (row.get(name) for name in names)
        writer.writerow(["" if cell is None else cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return made.getvalue().encode()


def as_parquet(rows: list[Row]) -> bytes:
    """The rows that Arrow has one type for, and Parquet a place, from the first on."""
    sink, kept = io.BytesIO(), list[Row]()
    for row in rows:
        tried = io.BytesIO()
        try:
            pq.write_table(pa.Table.from_pylist([*kept, row]), tried)
        except (pa.ArrowException, OverflowError):
            continue
        sink, kept = tried, [*kept, row]
    return sink.getvalue()


def as_conll(rows: list[Row]) -> bytes:
    def words(row: Row) -> str:
        tokens, tags = (row.get(name) if isinstance(row.get(name), list) else ["x"] for name in ("tokens", "tags"))
        return "\n".join(f"{token} {tag}" for token, tag in zip(tokens, tags, strict=False))

    return ("\n\n".join(map(words, rows)) + "\n").encode()


def as_squad(rows: list[Row]) -> bytes:
    def paragraph(n: int, row: Row) -> Row:
        answers = row.get("answers")
        try:
            both = zip(answers["text"], answers["answer_start"], strict=False)
            found: Any = [{"text": text, "answer_start": start} for text, start in both]
        except (TypeError, KeyError):
            found = answers
        return {
            "context": row.get("context"),
            "qas": [{"id": str(n), "question": row.get("question"), "answers": found}],
        }

    return json.dumps(
        {"data": [{"title": "t", "paragraphs": [paragraph(n, row) for n, row in enumerate(rows)]}]}
    ).encode()


WRITERS: dict[str, Callable[[list[Row]], bytes]] = {
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "json": lambda rows: json.dumps(rows).encode(),
    "csv": lambda rows: as_cells(rows, ","),
    "tsv": lambda rows: as_cells(rows, "\t"),
    "txt": lambda rows: "".join(f"{row.get('text')}\n" for row in rows).encode(),
    "parquet": as_parquet,
    "conll": as_conll,
    "squad": as_squad,
}


def file_of(rng: random.Random, layout: str) -> tuple[str, bytes]:
    """A name and what stands in the file: sometimes with a byte that is not, or without its end."""
    _, _, make, formats = LAYOUTS[layout]
    chosen = rng.choice(formats)
    written = bytearray(WRITERS[chosen](rows_of(rng, make)))
    if written and rng.random() < 0.15:
        written[rng.randrange(len(written))] = rng.randrange(256)
    if rng.random() < 0.05:
        del written[rng.randrange(len(written) + 1) :]
    return f"rows.{'json' if chosen == 'squad' else chosen}", bytes(written)


def by_training(experiment: Experiment) -> list[str]:
    """Why training cannot begin with these rows: all that a session does with them before it loads the model."""
    try:
        preparing.rule_of(experiment.recipe)
        splits = splits_for(experiment.recipe, experiment.search)
        preparing.prepare(experiment, splits)
        row_report.whole(splits, experiment.recipe.data)
    except RecipeError as error:
        return error.problems
    except BadInput as error:
        return [error.sentence]
    return []


def by_check(experiment: Experiment, home: Home) -> list[str]:
    try:
        check.check(experiment, home)
    except RecipeError as error:
        return error.problems
    return []


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 whose tokenizer knows how a chat is written."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("models") / "chats"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({"<end>": 0} | {letter: n for n, letter in enumerate(alphabet, 1)}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", pad_token="<end>")
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(place)
    GPT2Config(
        vocab_size=257, n_embd=8, n_layer=1, n_head=1, n_positions=512, bos_token_id=0, eos_token_id=0
    ).save_pretrained(place)
    return place


@pytest.mark.parametrize("seed", range(CASES))
def test_the_check_refuses_what_training_refuses_and_nothing_else(tmp_path, chats, seed):
    rng = random.Random(seed)
    layout = rng.choice(list(LAYOUTS))
    task, model, *_ = LAYOUTS[layout]
    name, written = file_of(rng, layout)
    (tmp_path / name).write_bytes(written)
    shutil.copytree(chats, tmp_path / "chats")
    recipe = f'name = "tried"\ntask = "{task}"\n[model]\n{model}\n[data]\nsource = "{name}"\n'
    experiment = Experiment.read(recipe, search=[tmp_path])
    refused = by_training(experiment)
    told = by_check(experiment, Home(tmp_path / "home"))
    assert set(refused) <= set(told)
    assert bool(refused) == bool(told)
