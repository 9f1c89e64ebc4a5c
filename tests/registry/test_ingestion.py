"""From the logs into the registry."""

from __future__ import annotations

import math
import shutil

import pytest

from workbench.registry import Ingestor, Registry


def test_a_run_appears_with_its_facts_its_points_and_its_end(write_run, ingestor, registry):
    run = write_run("imdb-bert", tags=["baseline"], notes="the first").started()
    run.trainer("plan", total_steps=3, best="accuracy", direction="max")
    for step in (1, 2, 3):
        run.loss(step, 1 / step)
    run.trainer("eval", step=3, epoch=1.0, split="validation", scalars={"eval/accuracy": 0.75}, labels=["a", "b"])
    run.supervisor("system", scalars={"system/cpu": 0.5})
    run.completed()

    assert ingestor.poll() == {run.id}
    row = registry.runs()[0]
    assert (row.id, row.name, row.state, row.task) == (run.id, "imdb-bert", "completed", "text-classification")
    assert (row.model, row.data) == ("google-bert/bert-base-cased", "stanfordnlp/imdb")
    assert (row.tags, row.notes, row.step, row.total_steps, row.epoch) == (("baseline",), "the first", 3, 3, 0.03)
    assert row.best_key == "eval/accuracy"
    assert row.recipe["train"]["learning_rate"] == 5e-5
    assert row.started is not None
    assert row.finished is not None
    assert registry.keys(run.id) == ["eval/accuracy", "system/cpu", "train/loss"]
    assert [(step, value) for step, value, _ in registry.points(run.id, "train/loss")] == [(1, 1), (2, 0.5), (3, 1 / 3)]
    assert row.metrics["train/loss"].as_json() == {"last": 1 / 3, "min": 1 / 3, "max": 1.0, "best": 1 / 3, "step": 3}
    assert row.metrics["eval/accuracy"].best == 0.75
    [judged] = registry.events(run.id, ["eval"])
    assert judged.labels == ("a", "b")
    assert judged.scalars == {"eval/accuracy": 0.75}


def test_an_idle_poll_tells_nothing_and_a_new_line_is_told_once(write_run, ingestor, registry):
    run = write_run().started().loss(1, 1.0)
    other = write_run()
    assert ingestor.poll() == {run.id, other.id}
    assert ingestor.poll() == frozenset()
    run.loss(2, 0.5)
    assert ingestor.poll() == {run.id}
    assert ingestor.poll() == frozenset()
    assert [step for step, *_ in registry.points(run.id, "train/loss", since=1)] == [2]


def test_who_only_looks_hears_what_another_has_ingested(write_run, home, ingestor):
    with Ingestor(home) as looker:
        run = write_run().loss(1, 1.0)
        assert ingestor.poll() == {run.id}
        assert looker.poll() == {run.id}
        assert looker.poll() == frozenset()


def test_nan_and_infinities_are_what_they_are(write_run, ingestor, registry):
    run = write_run()
    for step, value in enumerate([1.0, math.nan, math.inf, -math.inf, 0.5], start=1):
        run.loss(step, value)
    ingestor.poll()
    values = [value for _, value, _ in registry.points(run.id, "train/loss")]
    assert [str(value) for value in values] == ["1.0", "nan", "inf", "-inf", "0.5"]
    view = registry.view(run.id, "train/loss", columns=80)
    assert [step for step, _ in view.points] == [1, 5]
    assert [(step, str(value)) for step, value in view.nonfinite] == [(2, "nan"), (3, "inf"), (4, "-inf")]
    assert (view.total, view.nonfinite_total, view.hidden) == (5, 3, 0)
    summary = registry.summaries([run.id])[run.id]["train/loss"]
    assert (summary.min, summary.max, summary.count, summary.nonfinite) == (0.5, 1.0, 5, 3)


def test_a_run_that_ends_in_nan_says_so_in_json_too(write_run, ingestor, registry):
    write_run().loss(1, 1.0).loss(2, math.nan)
    ingestor.poll()
    assert registry.runs("train/loss=nan")[0].metrics["train/loss"].as_json()["last"] == "NaN"


def test_a_line_that_is_being_written_is_left_for_later(write_run, ingestor, registry):
    run = write_run().loss(1, 1.0)
    line = run.loss(2, 0.5).dir.events.read_bytes()
    for end in range(len(line) - 20, len(line) + 1):
        run.dir.events.write_bytes(line[:end])
        ingestor.poll()
        assert len(registry.points(run.id, "train/loss")) == (2 if end == len(line) else 1)
    assert registry.events(run.id, ["warning"]) == []


def test_what_cannot_be_read_is_counted_and_told(write_run, ingestor, registry):
    run = write_run().loss(1, 1.0)
    with run.dir.events.open("ab") as log:
        log.write(b'{"v":1,"seq":2,"t":1.0,"attem\n\xff\xfe\n[1,2]\n\n{"seq":9}\n"text"\n')
        log.write(b'{"v":1,"seq":3,"t":5.0,"attempt":1,"type":"step","scalars":{"train/loss":3}}\n')
        log.write(b'{"v":1,"seq":4,"t":5.0,"attempt":1,"type":"step","step":9,"scalars":{"train/loss":"x","a/b":2}}\n')
    run.loss(2, 0.5)
    ingestor.poll()
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == [1, 2]
    assert [value for _, value, _ in registry.points(run.id, "a/b")] == [2.0]
    [warning] = registry.events(run.id, ["warning"])
    assert warning.code == "unreadable-lines"
    assert warning.count == 7
    assert "events.jsonl" in warning.text


@pytest.mark.parametrize(
    "line",
    [
        '{"v":1,"seq":1e400,"t":1.0,"attempt":1,"type":"step","step":1,"scalars":{"a/b":1.0}}',
        '{"v":1,"seq":1,"t":1e400,"attempt":1,"type":"warning"}',
        '{"v":1,"seq":1,"t":1.0,"attempt":99999999999999999999,"type":"warning"}',
        '{"v":1,"seq":99999999999999999999,"t":1.0,"attempt":1,"type":"warning"}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"step","step":99999999999999999999,"scalars":{"a/b":1.0}}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"step","step":1,"epoch":[],"scalars":{"a/b":1.0}}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"step","step":1,"scalars":[1]}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"finished","state":"splendid"}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"finished","state":[]}',
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"resumed","step":null}',
        "[" * 100_000,
        '{"seq":1,"t":1.0,"type":"warning","text":' + "[" * 50_000,
    ],
)
def test_no_line_however_odd_stops_the_ingestion(write_run, ingestor, registry, line):
    run = write_run()
    for log in run.dir.logs:
        log.write_text(line + "\n")
    run.loss(7, 0.5)
    ingestor.poll()
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == [7]
    assert registry.events(run.id, ["warning"])[-1].code == "unreadable-lines"


def test_text_that_sqlite_cannot_hold_is_replaced(write_run, ingestor, registry):
    run = write_run()
    run.dir.events.write_text(
        '{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"sample","step":1,"text":"\\ud800 and \\u0000"}\n'
    )
    run.dir.user_log.write_text('{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"tag","tag":"\\udfff"}\n')
    ingestor.poll()
    assert registry.events(run.id, ["sample"])[0].text == "? and \0"
    assert registry.runs()[0].tags == ("?",)


def test_points_past_the_step_resumed_from_are_superseded(write_run, ingestor, registry):
    run = write_run()
    for step in range(1, 41):
        run.loss(step, 100.0 + step)
    run.trainer("eval", step=20, scalars={"eval/loss": 2.0}).trainer("eval", step=40, scalars={"eval/loss": 1.0})
    run.supervisor("system", scalars={"system/cpu": 0.1})
    ingestor.poll()
    run.attempt = 2
    run.trainer("resumed", step=20, differences=[])
    ingestor.poll()
    assert registry.runs()[0].step == 20, "where it goes on, before it has taken a step"
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == list(range(1, 21))
    for step in range(21, 31):
        run.loss(step, float(step))
    ingestor.poll()
    points = registry.points(run.id, "train/loss")
    assert [step for step, *_ in points] == list(range(1, 31))
    assert [value for _, value, _ in points[18:22]] == [119.0, 120.0, 21.0, 22.0]
    assert [step for step, *_ in registry.points(run.id, "eval/loss")] == [20]
    assert [event.step for event in registry.events(run.id, ["eval"])] == [20]
    assert [event.step for event in registry.events(run.id, ["eval"], superseded=True)] == [20, 40]
    assert len(registry.points(run.id, "system/cpu")) == 1
    summary = registry.runs()[0].metrics["train/loss"]
    assert (summary.count, summary.max, summary.min) == (30, 120.0, 21.0)
    assert registry.runs()[0].step == 30


def test_an_attempt_that_begins_anew_supersedes_all_of_the_older_one(write_run, ingestor, registry):
    run = write_run()
    for step in range(1, 41):
        run.loss(step, 100.0)
    ingestor.poll()
    run.attempt = 2
    run.loss(1, 5.0)
    ingestor.poll()
    assert [(step, value) for step, value, _ in registry.points(run.id, "train/loss")] == [(1, 5.0)]


def test_a_point_logged_twice_takes_the_newer_value(write_run, ingestor, registry):
    run = write_run().loss(1, 1.0).loss(3, 3.0).loss(2, 2.0).loss(3, 9.0)
    ingestor.poll()
    assert [(step, value) for step, value, _ in registry.points(run.id, "train/loss")] == [(1, 1.0), (2, 2.0), (3, 9.0)]
    summary = registry.runs()[0].metrics["train/loss"]
    assert (summary.count, summary.last, summary.max) == (3, 9.0, 9.0)


def test_tags_notes_deletion_and_undo_come_from_the_users_log(write_run, ingestor, registry):
    run = write_run(tags=["old"])
    run.user("tag", tag="new").user("tag", tag="基线").user("untag", tag="old").user("note", text="冷启动失败")
    ingestor.poll()
    row = registry.runs()[0]
    assert (row.tags, row.notes) == (("new", "基线"), "冷启动失败")
    run.user("delete")
    assert ingestor.poll() == {run.id}
    assert registry.runs() == []
    assert registry.count(include_deleted=True) == 1
    assert registry.runs(include_deleted=True)[0].deleted
    run.user("restore").user("note", text="")
    ingestor.poll()
    assert (registry.runs()[0].deleted, registry.runs()[0].notes) == (False, "")


def test_a_tag_given_elsewhere_to_one_of_many_ended_runs_is_soon_seen(write_run, home, ingestor, registry):
    runs = [write_run().completed() for _ in range(450)]
    ingestor.poll()
    with Ingestor(home) as late:  # to whom none of them is fresh
        late.poll()
        runs[300].user("tag", tag="found")
        seen = [late.poll() for _ in range(4)]
    assert {runs[300].id} in seen
    assert [row.id for row in registry.runs("tag:found")] == [runs[300].id]


def test_a_run_directory_that_goes_is_forgotten(write_run, ingestor, registry):
    run, other = write_run().loss(1, 1.0), write_run().loss(1, 1.0)
    ingestor.poll()
    shutil.rmtree(run.dir.path)
    assert ingestor.poll() == {run.id}
    assert [row.id for row in registry.runs()] == [other.id]


def test_a_run_in_the_making_is_not_seen(home, ingestor, registry):
    (home.runs / ".new-1rv59ksnp").mkdir()
    assert ingestor.poll() == frozenset()
    assert registry.count() == 0


def test_facts_that_come_late_are_taken_in(write_run, ingestor, registry):
    run = write_run(facts=False).loss(1, 1.0).completed()
    run.user("created", run=run.id, name="by-word", task="causal-lm", model="gpt2", digest="d").user("tag", tag="kept")
    ingestor.poll()
    assert (registry.runs()[0].name, registry.runs()[0].recipe) == ("by-word", {})
    assert [row.id for row in registry.runs("by-word")] == [run.id]
    run.loss(2, 0.5)
    assert ingestor.poll() == {run.id}
    run.dir.facts.write_text('{"name":"by-facts","created":1790000000,"recipe":{"task":"causal-lm","seed":7}}')
    assert ingestor.poll() == {run.id}
    row = registry.runs("seed=7")[0]
    assert (row.name, row.tags, row.state, len(registry.points(run.id, "train/loss"))) == (
        "by-facts", ("kept",), "completed", 2,
    )  # fmt: skip


def test_a_run_without_facts_is_taken_in_once_and_read_on(write_run, ingestor, registry):
    run, other = write_run(facts=False).loss(1, 1.0), write_run()

    def number():
        return registry._connection.execute("SELECT pk FROM run WHERE id=?", (run.id,)).fetchone()

    assert ingestor.poll() == {run.id, other.id}
    first = number()
    assert ingestor.poll() == frozenset()
    run.loss(2, 2.0)
    assert ingestor.poll() == {run.id}
    assert number() == first, "what was read is not read again: the run was not entered anew, after the other"
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == [1, 2]


@pytest.mark.parametrize("facts", ["", "{", "[]", '{"created":"yesterday"}', '{"recipe":7,"tags":7}', "[" * 100_000])
def test_damaged_facts_do_not_hide_a_run(write_run, ingestor, registry, facts):
    run = write_run(facts=False).loss(1, 1.0)
    run.dir.facts.write_text(facts)
    ingestor.poll()
    ingestor.poll()
    assert registry.find(run.id).id == run.id
    assert len(registry.points(run.id, "train/loss")) == 1


def test_a_log_that_was_replaced_by_a_shorter_one_is_read_from_its_start(write_run, ingestor, registry):
    run = write_run().loss(1, 1.0).loss(2, 2.0)
    ingestor.poll()
    run.dir.events.unlink()
    run.loss(9, 9.0)
    ingestor.poll()
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == [9]


def test_a_log_longer_than_one_read_goes_in_whole(write_run, ingestor, registry, monkeypatch):
    monkeypatch.setattr("workbench.contracts.events.log_reading.LIMIT", 512)
    monkeypatch.setattr("workbench.contracts.events.read.__kwdefaults__", {"limit": 512})
    run = write_run()
    for step in range(1, 101):
        run.loss(step, float(step))
    run.trainer("sample", step=1, text="x" * 3000).loss(101, 101.0)
    ingestor.poll()
    assert [step for step, *_ in registry.points(run.id, "train/loss")] == list(range(1, 102))


def test_finding_a_run_by_what_one_knows_of_it(write_run, ingestor, registry):
    first = write_run("same", at=1_790_000_000)
    second = write_run("same", at=1_790_000_000)
    third = write_run("only", at=1_795_000_000)
    ingestor.poll()
    assert registry.find(first.id).id == first.id
    assert registry.find("only").id == third.id
    assert registry.find("last").id == third.id
    assert registry.find(second.id[:9]).id == second.id
    with pytest.raises(Exception, match="fits several runs") as ambiguous:
        registry.find(first.id[:5])
    assert type(ambiguous.value).__name__ == "AmbiguousRun"
    assert first.id in str(ambiguous.value)
    with pytest.raises(Exception, match="no run is called"):
        registry.find("")
    third.user("delete")
    ingestor.poll()
    with pytest.raises(Exception, match="no run is called 'only'"):
        registry.find("only")
    assert registry.find("only", include_deleted=True).id == third.id


def test_asking_about_a_run_that_is_not_there(registry):
    with pytest.raises(Exception, match="no run is called 'nobody'"):
        registry.points("nobody", "train/loss")
    assert registry.sparkline(["nobody"]) == {}
    assert registry.summaries(["nobody"]) == {}


def test_a_series_nobody_logged_is_empty(write_run, ingestor, registry: Registry):
    run = write_run()
    ingestor.poll()
    assert registry.points(run.id, "no/such") == []
    assert registry.view(run.id, "no/such", columns=80).points == []
    assert registry.sparkline([run.id]) == {run.id: []}
