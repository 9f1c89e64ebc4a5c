"""A script's way in: the same runs, the same answers, and no training stack in the script's own process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import workbench
from workbench import BadInput, Workbench
from workbench.core.errors import RecipeError, UnknownRun

RECIPE = """
name = "词"
task = "text-classification"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 300
config = { num_hidden_layers = 1, num_attention_heads = 2, hidden_size = 16, intermediate_size = 32 }
[data]
train = "rows.jsonl"
holdout = 4
[train]
batch_size = 4
[launch]
device = "cpu"
threads = 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"text": f"{word} {n}", "label": word} for n in range(10) for word in ("好", "bad")]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "words.toml").write_text(RECIPE, "utf-8")
    return tmp_path / "words.toml"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "home")


def test_a_script_trains_reads_and_asks(bench, recipe):
    changes = {"train.max_steps": 4, "train.learning_rate": 1e-3, "evaluate.metrics": ["accuracy"], "data.test": None}
    run = bench.start(recipe, changes, tags=["first try"]).wait(timeout=200)
    assert run.state == "completed"
    assert run.facts.tags == ("first try",)
    assert run.recipe["train"]["learning_rate"] == 1e-3
    assert [step for step, _, _ in run.points("train/loss")] == [1, 2, 3, 4]
    with pytest.raises(BadInput, match=r"no scalar 'eval/bleu' in .*eval/accuracy"):
        run.points("eval/bleu")
    assert run.metrics["eval/accuracy"].best is not None
    assert run.predictions().num_rows == 4
    assert [event.total_steps for event in run.events("plan")] == [4]
    assert bench.runs("task:text-classification state:completed") == [run] == [bench.run("last")]
    with run.model() as model:
        assert (model.task, set(model.labels), model.fields) == ("text-classification", {"好", "bad"}, ("text",))
        (answer,) = model.predict(["好"])
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    with bench.model(run.directory / "model") as model:
        assert model.predict([{"text": "好"}]) == [answer]
    assert run.tag("kept").facts.tags == ("first try", "kept")


def test_the_script_in_the_readme_runs(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    readme = Path(__file__).parents[2] / "README.md"
    (script,) = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    exec(script.replace("recipes/imdb-bert-cased-500.toml", str(recipe)), {})
    told = capsys.readouterr().out
    assert told.startswith("completed ")
    assert told.splitlines()[-1].endswith(" 词 3e-05")


def test_what_is_wrong_is_raised_in_one_sentence(bench, recipe, tmp_path):
    with pytest.raises(RecipeError, match=r"train\.batch_size"):
        bench.start(recipe, {"train.batch_size": 0})
    with pytest.raises(RecipeError, match="no such recipe"):
        bench.check(tmp_path / "none.toml")
    with pytest.raises(UnknownRun):
        bench.run("last")
    with pytest.raises(BadInput, match="no such directory"):
        bench.model(tmp_path / "nowhere")
    assert not list(bench.home.runs.glob("*"))


def test_a_check_tells_what_the_command_tells(bench, recipe):
    report = bench.check(recipe, {"train.epochs": 2.0})
    assert report.recipe["train"]["epochs"] == 2
    assert report.steps.total == 8


def test_its_names_are_those_that_are_exported():
    assert set(workbench.__all__) <= {*dir(workbench), "Workbench", "Run", "Model"}
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None
    with pytest.raises(AttributeError):
        workbench.nothing  # noqa: B018


def test_a_script_waits_for_no_training_stack():
    heavy = ("torch", "transformers", "datasets", "evaluate", "sklearn", "pandas")
    code = f"import sys; from workbench import Workbench; print([name for name in {heavy!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
