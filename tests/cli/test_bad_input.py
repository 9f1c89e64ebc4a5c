"""Bad input of any kind: one clear sentence with the place and the hint, exit 2, nothing changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.contracts.events import EventWriter

GOOD = """\
name = "r"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
train = "rows.jsonl"
holdout = 0.25
"""


@pytest.fixture
def recipe(shell) -> Path:
    rows = [json.dumps({"text": f"row {n} of this", "label": ["no", "yes"][n % 2]}) for n in range(40)]
    (shell.directory / "rows.jsonl").write_text("\n".join(rows) + "\n")
    path = shell.directory / "r.toml"
    path.write_text(GOOD)
    return path


def refused(shell, *words: str, **environment: str) -> str:
    """The one sentence a refusal prints. Asserts that no run was made."""
    told = shell("run", *words, code=2, **environment).stderr
    assert not (shell.home / "runs").exists() or not os.listdir(shell.home / "runs")
    assert told.startswith("workbench: ")
    return told


def test_the_good_recipe_is_good(shell, recipe):
    assert "r.toml is fine" in shell("check", "r.toml").stdout


def test_no_such_recipe(shell):
    assert "no such recipe" in refused(shell, "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "r"', 'name = "r', "r.toml:1: not TOML"),
        ('name = "r"', 'name = "last"', "r.toml:1: name"),
        ('name = "r"', f"a = {'[' * 5000}", "stand too deep"),
        ("[data]", "[dta]", "r.toml:5: unknown key dta: did you mean data?"),
        ("[model]", "learning_rate = 1\n[model]", "unknown key learning_rate: did you mean train.learning_rate?"),
        ("holdout = 0.25", "holdout = 0.25\n[launch]\nprocesses = 100000", "must be at most 128"),
        ("holdout = 0.25", "holdout = 0.25\n[train]\nlearning_rate = inf", "must be a finite number"),
        ("holdout = 0.25", "holdot = 0.25", "r.toml:7: unknown key data.holdot: did you mean data.holdout?"),
        ('name = "r"', f'name = "r"\nseed = {"9" * 5000}', "r.toml:2: a number has more digits"),
        ('name = "r"', f'name = "r"\nseed = 0x{"f" * 5000}', "r.toml:2: a number has more digits"),
        ("holdout = 0.25", f"holdout = 0.25\n[train]\nbatch_size = 1{'0' * 26}", "r.toml:9: train.batch_size"),
        ("holdout = 0.25", "holdout = 0.25\n[train]\nepochs = 1e26", "r.toml:9: train.epochs"),
        ("holdout = 0.25", 'holdout = "x"', "r.toml:7: data.holdout"),
        ('name = "r"', 'name = "../x"', "r.toml:1: name"),
        (
            "holdout = 0.25",
            "holdout = 0.25\n[train]\nbatch_size = 0",
            "r.toml:9: train.batch_size = 0: must be at least 1",
        ),
        ("holdout = 0.25", "holdout = 0.25\n[train]\nlearning_rate = -1e-5", "must be more than 0"),
        ("builtin:minilm", "no/such-model", "no/such-model"),
        ("rows.jsonl", "nothing.jsonl", "nothing.jsonl: no such file"),
        ("holdout = 0.25", 'holdout = 0.25\nlabel = "lable"', "lable"),
        ("holdout = 0.25", 'holdout = 0.25\n[evaluate]\nbest = "acuracy"', "accuracy"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused_with_the_place_and_the_hint(shell, recipe, old, new, told):
    recipe.write_text(GOOD.replace(old, new, 1))
    assert told in refused(shell, "r.toml")


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("train.epochs", "--set train.epochs: write it as field=value"),
        ('name="x', '--set name="x: this begins like a TOML string'),
        ("model.config.n_head=[1", "this begins like a TOML string, list or table and is none"),
        ('train.epochs=1\nname="y"', "--set train.epochs"),
        ("trian.epochs=1", "unknown field: did you mean train.epochs?"),
        (f"name={'x' * 5000}", "must have at most 120 characters"),
    ],
)
def test_an_override_that_makes_no_sense_is_named(shell, recipe, assignment, told):
    answer = refused(shell, "r.toml", "--set", assignment)
    assert told in answer
    assert len(answer) < 300


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "rows.jsonl"),
        ('{"text": "a", "label": "x"}\n' * 30, "one class"),
        ('{"text": "a", "label": "x"}\n{"text": broken\n', "rows.jsonl:2"),
        ('{"text": "a"}\n{"text": "b"}\n', "label"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": "y"}\n', "rows.jsonl"),
    ],
)
def test_data_that_cannot_be_used_is_refused_before_training(shell, recipe, rows, told):
    (shell.directory / "rows.jsonl").write_text(rows)
    assert told in refused(shell, "r.toml")


def test_a_home_of_nobody_and_a_relative_data_directory(shell, tmp_path):
    assert "there is no such user" in shell("ls", code=2, WORKBENCH_HOME="~nobody-of-that-name/x").stderr
    found = shell("doctor", "--json", WORKBENCH_HOME="", XDG_DATA_HOME="relative", HOME=str(tmp_path / "me"))
    assert not (shell.directory / "relative").exists()
    assert str(tmp_path / "me/.local/share/workbench") in found.stdout


def test_a_home_that_is_not_writable(shell, recipe, tmp_path):
    (tmp_path / "file").write_text("")
    told = refused(shell, "r.toml", WORKBENCH_HOME=str(tmp_path / "file" / "home"))
    assert "choose another with --home" in told


def test_unknown_and_ambiguous_runs(shell, finished_run):
    first, second = finished_run("one"), finished_run("two")
    prefix = first.id[:4]
    assert "zzzz" in shell("show", "zzzz", code=2).stderr
    told = shell("show", prefix, code=2).stderr
    assert first.id in told
    assert second.id in told


@pytest.mark.parametrize("words", [["nonsense"], ["run"], ["points", "x"], ["ls", "--nonsense"], ["--home"]])
def test_a_command_that_is_none_is_one_sentence(shell, words):
    told = shell(*words, code=2).stderr
    assert told.startswith("workbench: ")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run"], "RECIPE"),
        (["tag", "last"], "TAG"),
        (["tail", "last", "-n", "0"], "--lines"),
        (["ls", "--np"], "--np"),
    ],
)
def test_a_usage_error_names_the_argument_or_option_it_is_about(shell, words, told):
    assert told in shell(*words, code=2).stderr


def test_predicting_with_nothing_to_predict_on(shell, finished_run):
    run = finished_run()
    assert "no text" in shell("predict", run.id, code=2).stderr
    assert "no checkpoint" in shell("predict", run.id, "x", "--checkpoint", "9", code=2).stderr
    assert "model" in shell("predict", "./none", "x", code=2).stderr


def test_without_a_terminal_the_tui_says_so(shell):
    assert "no terminal" in shell(code=2).stderr


def test_recipes_are_copied_and_never_written_over(shell):
    shell("recipes", "cp", "demo-sentiment", "mine.toml")
    assert "is there already" in shell("recipes", "cp", "demo-sentiment", "mine.toml", code=2).stderr
    assert "demo-sentiment" in shell("recipes", "show", "none", code=2).stderr
    assert len(json.loads(shell("recipes", "ls", "--json").stdout)) >= 8
    assert json.loads(shell("recipes", "cp", "demo-sentiment", "other.toml", "--json").stdout)["path"] == "other.toml"
    shown = json.loads(shell("recipes", "show", "demo-sentiment", "--json").stdout)
    assert (shown["name"], shown["text"]) == ("demo-sentiment", shell("recipes", "show", "demo-sentiment").stdout)


def test_doctor_reports_in_both_ways(shell):
    findings = json.loads(shell("doctor", "--json").stdout)
    assert {"workbench", "torch", "gpu", "sqlite", "home", "disk"} <= {finding["topic"] for finding in findings}
    assert "sqlite" in shell("doctor").stdout


def test_an_argument_that_is_not_utf8_is_refused_in_one_sentence(shell, finished_run):
    run = finished_run()
    for words in (["show", "\udcff"], ["note", run.id, "\udcff"], ["predict", run.id, "\udcff"]):
        assert shell(*words, code=2).stderr == "workbench: b'\\xff' is not UTF-8: write it in UTF-8\n"


def test_texts_to_predict_on_that_are_not_utf8_are_refused_with_their_line(shell, finished_run):
    run = finished_run()
    (shell.directory / "texts.txt").write_bytes(b"fine\nbad \xff\n")
    assert "texts.txt:2: not UTF-8" in shell("predict", run.id, "--file", "texts.txt", code=2).stderr
    assert "standard input:2: not UTF-8" in shell("predict", run.id, code=2, stdin="fine\nbad \udcff\n").stderr
    assert "none.txt: cannot be read (No such file" in shell("predict", run.id, "--file", "none.txt", code=2).stderr


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        ("> /dev/full", 1, "workbench: No space left on device"),
        (">&-", 0, ""),
        ("<&- >&-", 0, ""),
        ("| head -c 1", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(shell, finished_run, redirection, code, told):
    run = finished_run()
    log = EventWriter(run.events)
    for step in range(4, 4000):
        log.write("step", step=step, epoch=1.0, scalars={"train/loss": 1 / step})
    log.close()
    line = f"set -o pipefail; {sys.executable} -m workbench points {run.id} train/loss --json {redirection}"
    environment = os.environ | {"WORKBENCH_HOME": str(shell.home)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == bool(told)
