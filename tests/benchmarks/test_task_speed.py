"""Tokens a second of training, for each task: ours against the Trainer script with the collator that goes with it.

    pytest tests/benchmarks/test_task_speed.py -m benchmark -s

Two scripts for each: one with the settings of the run beside it, against which the budget holds, and one as
transformers' example has it. Padding is no token. The settings of causal-lm keep documents that share a block apart,
which those of the example do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import small_models
import training_rows
from trainer_scripts import Script, script
from training_race import Contestant, Lap, median, ours, precision_of, race, training

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

RACES = 4
SLACK = 1.05  # of the time of a script with the same settings, on a machine with neighbours; the budget is 1.01
RECIPE = """
name = "speed"
task = "{task}"
[model]
name = "{model}"
[data]
train = "train.jsonl"
validation = "train.jsonl[:4]"
{length} = {tokens}
[train]
epochs = 1
batch_size = 8
learning_rate = 3e-4
[evaluate]
every = "never"
generate = false
[launch]
device = "cpu"
threads = 1
"""


@dataclass(frozen=True)
class Contest:
    """One task: its rows, the most tokens of a row or block with the recipe's name for it, and its model."""

    task: str
    rows: Callable[[], training_rows.Rows]
    tokens: int
    length: str = "max_length"
    model: str = "encoder"


CONTESTS = [
    Contest("text-classification", lambda: training_rows.reviews_of_all_lengths(160), 512),
    Contest("token-classification", lambda: training_rows.tagged_sentences(200), 512),
    Contest("question-answering", lambda: training_rows.questions(56), 384),
    Contest("seq2seq", lambda: training_rows.summaries(120), 512, model="writer"),
    Contest("causal-lm", lambda: training_rows.documents(60_000), 128, "block_size", "decoder"),
    Contest("masked-lm", lambda: training_rows.documents(25_000), 128, "block_size"),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.write(tmp_path_factory.mktemp("small"), width=128, layers=3)


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.task)
def test_tokens_a_second(contest: Contest, small: Path, tmp_path: Path):
    training_rows.write(tmp_path, contest.rows())
    model = str(small / contest.model)
    text = RECIPE.format(task=contest.task, model=model, length=contest.length, tokens=contest.tokens)
    settings = Script(contest.task, tmp_path, "", model, precision_of(text), contest.tokens)

    def contestants(name: str) -> list[Contestant]:
        same = replace(settings, name=f"same-{name}")
        example = replace(settings, name=f"example-{name}", same=False)
        return [ours(tmp_path, f"ours-{name}", text), script(same), script(example)]

    race(contestants("warm"))
    laps = zip(*(race(contestants(str(number))) for number in range(RACES)), strict=True)
    report(contest.task, *laps)


def report(task: str, mine: Sequence[Lap], same: Sequence[Lap], example: Sequence[Lap]) -> None:
    here, there, usual = (training(laps) / laps[0].tokens for laps in (mine, same, example))
    whole = [median(laps, lambda lap: lap.whole.cpu) for laps in (mine, same)]
    print(f"\n{task}: {1 / here:,.0f} tokens a CPU second, same settings {1 / there:,.0f}, example {1 / usual:,.0f};")
    print(
        f"  time of ours / same settings {here / there:.3f} (budget 1.01), all of a run {whole[0] / whole[1]:.3f};",
        end=" ",
    )
    print(f"ours / example {here / usual:.2f}")
    assert here < SLACK * there
