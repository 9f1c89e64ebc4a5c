"""What the registry knows, as people and programs read it."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.contracts.events import EventWriter


def test_ls_json_has_the_documented_shape(shell, finished_run):
    older, newer = finished_run("older"), finished_run("newer")
    rows = json.loads(shell("ls", "--json").stdout)
    assert {row["id"] for row in rows} == {older.id, newer.id}
    row = next(row for row in rows if row["id"] == older.id)
    assert list(row) == [
        "id", "name", "state", "task", "model", "created", "finished", "reason", "tags", "metrics",
    ]  # fmt: skip
    assert (row["state"], row["task"], row["model"]) == ("completed", "text-classification", "builtin:minilm")
    assert row["tags"] == ["made"]
    accuracy = row["metrics"]["eval/accuracy"]
    assert (accuracy["last"], accuracy["min"], accuracy["max"]) == (0.65, 0.65, 0.75)
    assert (accuracy["best"], accuracy["step"]) == (0.75, 2)
    assert row["metrics"]["eval/loss"]["best"] == 0.5


def test_ls_takes_the_filter_language(shell, finished_run):
    finished_run("low", rate="1e-5")
    finished_run("high", rate="1e-3", accuracy=0.95)

    def names(query: str) -> list[str]:
        return [row["name"] for row in json.loads(shell("ls", query, "--json").stdout)]

    assert names("train.learning_rate<=3e-5") == ["low"]
    assert names("max(eval/accuracy)>.9") == ["high"]
    assert names("sort:-max(eval/accuracy)") == ["high", "low"]
    assert names("state:completed not low") == ["high"]


def test_a_filter_that_makes_no_sense_points_at_the_column(shell, finished_run):
    finished_run()
    told = shell("ls", "demo eval/f1>", code=2).stderr
    assert "filter, column" in told


def test_an_empty_home_names_the_next_step(shell):
    assert "workbench demo" in shell("ls").stdout
    assert json.loads(shell("ls", "--json").stdout) == []


def test_show_tells_recipe_attempts_warnings_and_files(shell, finished_run):
    run = finished_run()
    shown = json.loads(shell("show", run.id[:-1], "--json").stdout)
    assert shown["recipe"]["train"]["learning_rate"] == 5e-5
    assert len(shown["attempts"]) == 1
    assert shown["warnings"][0]["count"] == 3
    assert {"recipe.toml", "events.jsonl"} <= {file["path"] for file in shown["files"]}
    assert shown["intervals"] == {"eval/accuracy": pytest.approx([0.7, 0.79])}
    text = shell("show", "last").stdout
    assert "[0.700, 0.790]" in text
    assert "3 rows are cut at 128 tokens" in text
    assert "eval/accuracy" in text


def test_diff_names_what_differs_and_nothing_else(shell, finished_run):
    left, right = finished_run("a"), finished_run("b", rate="1e-4", accuracy=0.8)
    told = json.loads(shell("diff", left.id, right.id, "--json").stdout)
    assert told["recipe"] == {"name": ["a", "b"], "train.learning_rate": [5e-5, 1e-4]}
    assert told["metrics"] == {"eval/accuracy": [0.75, 0.8]}
    assert "train.learning_rate" in shell("diff", left.id, right.id).stdout


def test_diff_says_what_the_second_run_mended_and_broke_on_the_same_rows(shell, finished_run):
    left, right = finished_run("a"), finished_run("b", accuracy=0.8)
    for run, called in ((left, "nnnnyyyy"), (right, "yyyyyyyn")):
        run.predictions.mkdir(exist_ok=True)
        table = pa.table({"row": list(range(8)), "label": ["y"] * 8, "prediction": list(called), "loss": [0.1] * 8})
        pq.write_table(table, run.predictions / "test.parquet")
    (told,) = json.loads(shell("diff", left.id, right.id, "--json").stdout)["paired"]
    assert (told["split"], told["rows"]) == ("test", 8)
    assert told["change"] == {"fixed": 4, "broke": 1, "p": pytest.approx(0.375)}
    assert told["difference"]["mean"] == pytest.approx(0.375)
    shown = shell("diff", left.id, right.id).stdout
    assert "test, 8 rows: fixed 4, broke 1, McNemar p 0.375 · accuracy +0.3750 [" in shown


def test_points_are_every_logged_point_with_nan_named(shell, finished_run):
    run = finished_run()
    log = EventWriter(run.events)
    log.write("step", step=4, scalars={"train/loss": math.nan})
    log.close()
    points = json.loads(shell("points", run.id, "train/loss", "--json").stdout)
    assert [point[0] for point in points] == [1, 2, 3, 4]
    assert points[1][1] == 0.5
    assert points[3][1] == "NaN"
    assert "train/loss" in shell("points", run.id, "train/los", code=2).stderr


def test_tail_shows_the_newest_events_last(shell, finished_run):
    run = finished_run()
    events = json.loads(shell("tail", run.id, "-n", "2", "--json").stdout)
    assert [event["type"] for event in events] == ["started", "finished"]
    assert shell("tail", "last", "-f").returncode == 0


def test_home_may_stand_anywhere_on_the_line(shell, finished_run, tmp_path):
    finished_run("here")
    assert "here" in shell("ls", "--home", str(shell.home), WORKBENCH_HOME=str(tmp_path / "other")).stdout
    assert "here" not in shell("ls", WORKBENCH_HOME=str(tmp_path / "other")).stdout


def test_hostile_names_do_not_reach_the_terminal(shell, finished_run):
    run = finished_run("plain")
    shell("note", run.id, "\x1b]52;c;aGk=\x07")
    assert "printable" in shell("tag", run.id, "\x1b[31mred", code=2).stderr
    assert "\x1b" not in shell("show", run.id).stdout
    assert "\x1b" not in shell("ls").stdout


def test_a_log_that_cannot_be_read_hides_no_other_run_and_is_said(shell, finished_run):
    broken, whole = finished_run("broken"), finished_run("whole")
    broken.events.unlink()
    broken.events.mkdir()
    broken.facts.unlink()
    assert {row["id"] for row in json.loads(shell("ls", "--json").stdout)} == {broken.id, whole.id}
    told = [warning["text"] for warning in json.loads(shell("show", broken.id, "--json").stdout)["warnings"]]
    assert [text.split(" cannot")[0] for text in told] == ["run.json", "events.jsonl"]
    assert "events.jsonl cannot be read (Is a directory)" in shell("show", broken.id).stdout
    shell("tail", broken.id)


def test_events_at_no_time_are_left_out(shell, finished_run):
    run = finished_run()
    with run.events.open("a") as log:
        log.write('{"v":1,"seq":90,"t":1e400,"attempt":1,"type":"warning","text":"never"}\n')
        log.write('{"v":1,"seq":91,"t":1e300,"attempt":1,"type":"warning","text":"never"}\n')
    assert "never" not in shell("tail", run.id, "-n", "100").stdout
    assert "could not be read" in shell("show", run.id).stdout


def test_a_number_of_runs_that_is_too_large_is_refused(shell):
    assert "--limit" in shell("ls", "-n", "99999999999999999999", code=2).stderr


def test_looking_makes_no_home(shell):
    assert "No runs yet" in shell("ls").stdout
    shell("show", "last", code=2)
    shell("predict", "last", "a text", code=2)
    shell("doctor")
    assert not shell.home.exists()
