"""A home that an earlier version left behind opens as it is: its registry, its runs, their models.

`home_of_before.tar.gz` was made by commit ca2f395: tiny runs of all six tasks, completed, and one that was stopped,
with its checkpoint; the data and the recipes they were made of lie beside the home.
"""

from __future__ import annotations

import tarfile
import time
from pathlib import Path

import pytest

from workbench import Workbench

STOPPED_AT = 61
PACKED = Path(__file__).with_name("home_of_before.tar.gz")
TASKS = {
    "text-classification", "token-classification", "question-answering", "seq2seq", "causal-lm", "masked-lm",
}  # fmt: skip
ASKED = {
    "text-classification": {"text": "the good film"},
    "token-classification": {"text": "Anna went to Rome"},
    "question-answering": {"question": "where is the book?", "context": "the book is in the house ."},
    "seq2seq": {"text": "1 plus 2"},
    "masked-lm": {"text": "the [MASK] film"},
}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The home, unpacked, and everything that its runs speak of beside it."""
    with tarfile.open(PACKED) as packed:
        packed.extractall(tmp_path, filter="data")
    # Where they were made is no more: what they read lies here now.
    for facts in tmp_path.glob("home/runs/*/run.json"):
        facts.write_text(facts.read_text("utf-8").replace("/tmp/before", str(tmp_path)), "utf-8")
    return tmp_path / "home"


def test_its_registry_answers_for_runs_of_all_tasks(before: Path):
    runs = Workbench(before).runs()
    assert {run.facts.task for run in runs if run.state == "completed"} == TASKS
    assert [run.name for run in runs if run.state == "stopped"] == ["before-stopped"]
    assert [run.name for run in Workbench(before).runs("beams")] == ["before-seq2seq"], "its note is found"


def test_it_is_rebuilt_from_its_logs_to_the_same_rows(before: Path):
    known = [run.facts for run in Workbench(before).runs()]
    (before / "registry.db").unlink()
    assert [run.facts for run in Workbench(before).runs()] == known


@pytest.mark.parametrize("task", sorted(ASKED))
def test_its_models_answer(before: Path, task: str):
    (run,) = Workbench(before).runs(f"task:{task} state:completed")
    with run.model() as model:
        (answer,) = model.predict([ASKED[task]])
    assert answer


def test_its_language_model_goes_on_from_a_prompt(before: Path):
    (run,) = Workbench(before).runs("task:causal-lm")
    with run.model() as model:
        assert "".join(model.generate("the good", max_new_tokens=3)) != ""


def test_its_stopped_run_goes_on(before: Path):
    (run,) = Workbench(before).runs("state:stopped")
    run.resume()
    deadline = time.monotonic() + 120
    while run.points("train/loss")[-1][0] <= STOPPED_AT and time.monotonic() < deadline:
        time.sleep(0.2)
    # Its 400 epochs are more than a test needs: what is shown is that it goes on from where it stopped.
    run.stop()
    ended = run.wait(120)
    assert ended.state == "stopped"
    (resumed,) = ended.events("resumed")
    assert resumed.step == STOPPED_AT
    assert [step for step, _, _ in ended.points("train/loss")] == list(range(1, ended.facts.step + 1))
