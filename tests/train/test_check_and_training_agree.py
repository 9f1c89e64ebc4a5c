"""What the check calls fine, training can prepare; what training refuses, the check refuses in the same sentence.

`WORKBENCH_DAMAGED=1000` tries so many damaged files rather than a few.
"""

from __future__ import annotations

import json
import os
import random

import pytest

from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.tasks.experiment import Experiment
from workbench.tasks.loading import splits_for
from workbench.train import check, preparing

CASES = int(os.environ.get("WORKBENCH_DAMAGED", "60"))
ROWS = {
    "text-classification": lambda n: {"text": f"some text {n}", "label": "ab"[n % 2]},
    "token-classification": lambda n: {"tokens": ["Anna", "in", f"Rome{n}"], "tags": ["B-PER", "O", "B-LOC"]},
    "question-answering": lambda n: {
        "question": "who?", "context": f"Anna {n} is", "answers": {"text": ["Anna"], "answer_start": [0]}
    },
    "masked-lm": lambda n: {"text": f"some text {n}"},
}  # fmt: skip
ODD = (None, "", " ", 0, -1, 1.5, True, [], {}, [None], [[]], {"a": [1]}, "\ufffd", "\u0000", "B-", "x" * 3000, ["O"])


def damaged(rng: random.Random, row: dict[str, object]) -> dict[str, object]:
    """The row with one field or none lost, of another type, or nested elsewhere."""
    field = rng.choice(list(row))
    kind = rng.randrange(4)
    if kind == 0:
        return {name: value for name, value in row.items() if name != field}
    return row | {field: row[field] if kind == 1 else [row[field]] if kind == 2 else rng.choice(ODD)}


def file_of(rng: random.Random, task: str) -> bytes:
    """Rows of a task as JSON lines, some or all of them damaged, and sometimes a byte that is not."""
    share = rng.choice((0.05, 0.3, 1.0))
    rows = [ROWS[task](n) for n in range(rng.choice((3, 12, 40)))]
    lines = [json.dumps(damaged(rng, row) if rng.random() < share else row) for row in rows]
    text = bytearray(("\n".join(lines) + "\n").encode())
    if rng.random() < 0.2:
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


def by_training(experiment: Experiment) -> list[str]:
    """Why training cannot prepare the rows."""
    try:
        preparing.rule_of(experiment.recipe)
        preparing.prepare(experiment, splits_for(experiment.recipe, experiment.search))
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


@pytest.mark.parametrize("seed", range(CASES))
def test_the_check_refuses_whatever_training_refuses(tmp_path, seed):
    rng = random.Random(seed)
    task = rng.choice(list(ROWS))
    (tmp_path / "rows.jsonl").write_bytes(file_of(rng, task))
    recipe = f'name = "tried"\ntask = "{task}"\n[model]\nname = "builtin:minilm"\n[data]\nsource = "rows.jsonl"\n'
    experiment = Experiment.read(recipe, search=[tmp_path])
    refused = by_training(experiment)
    assert set(refused) <= set(by_check(experiment, Home(tmp_path / "home")))
