"""What a screen says of a run beside its numbers: what differs, what goes wrong, what it does, that it ended."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from workbench.contracts.events import EventWriter
from workbench.core.rundir import hold_lock
from workbench.display.run_labels import differences, full_label, short_number
from workbench.display.warning_signs import warning_signs
from workbench.registry import Ingestor, Registry
from workbench.tui import terminal
from workbench.tui.modes.live.pane import LivePane
from workbench.tui.run_news import RunNews
from workbench.tui.widgets.run_cells import Sight, columns

FALLING = [2.0 - 0.05 * at for at in range(32)]


@pytest.fixture
def run_of(home, fabricate):
    """A run's row and its news, from a log whose losses are given."""

    def make(losses=(), norms=(), evals=()):
        run = fabricate.make_run(home, "a00000001", steps=0, total=400)
        log = EventWriter(run.events)
        for step, loss in enumerate(losses, 1):
            norm = norms[step - 1] if norms else 1.0
            log.write("step", step=step, epoch=0.1, tokens=1, scalars={"train/loss": loss, "train/grad_norm": norm})
        for number, loss in enumerate(evals, 1):
            log.write("eval", step=10 * number, epoch=0.1, split="validation", scalars={"eval/loss": loss})
        log.close()
        Ingestor(home).poll(wait=True)
        with Registry.open(home) as registry:
            rows = registry.runs()
            return RunNews.of(registry, rows).signs.get("a00000001", ())

    return make


def changed_recipe(run, **fields):
    facts = json.loads(run.facts.read_text("utf-8"))
    for name, value in fields.items():
        facts["recipe"]["train"][name] = value
    run.facts.write_text(json.dumps(facts), "utf-8")


def rows_of(home):
    Ingestor(home).poll(wait=True)
    with Registry.open(home) as registry:
        return {run.id: run for run in registry.runs()}


def test_runs_of_one_name_are_told_apart_by_what_differs(home, fabricate):
    for number, (rate, steps) in enumerate([(4e-4, 50), (5e-5, 50), (5e-5, 200)]):
        changed_recipe(fabricate.make_run(home, f"a0000000{number}", steps=4), learning_rate=rate, max_steps=steps)
    fabricate.make_run(home, "a00000009", name="another", steps=4)
    runs = rows_of(home)
    assert differences(list(runs.values())) == {
        "a00000000": "lr 4e-4 · 50 steps", "a00000001": "lr 5e-5 · 50 steps", "a00000002": "lr 5e-5 · 200 steps",
    }  # fmt: skip
    assert full_label(runs["a00000000"], list(runs.values())) == "demo · lr 4e-4 · 50 steps · a00000000"
    assert full_label(runs["a00000009"], list(runs.values())) == "another · a00000009"


def test_runs_that_are_alike_in_all_are_told_apart_by_their_ids(home, fabricate):
    for number in range(2):
        fabricate.make_run(home, f"a0000000{number}", steps=4)
    assert set(differences(list(rows_of(home).values())).values()) == {""}


@pytest.mark.parametrize(
    ("value", "said"), [(4e-4, "4e-4"), (1.5e-5, "1.5e-5"), (0.05, "0.05"), (3.0, "3"), (0.0, "0")]
)
def test_numbers_are_written_as_one_types_them(value, said):
    assert short_number(value) == said


@pytest.mark.parametrize(
    "losses",
    [FALLING, [0.7 + 0.01 * (at % 3) for at in range(40)], [2.0, *[1e-5, 3e-5] * 20], [2.0] * 40, FALLING[:10]],
)
def test_a_loss_that_falls_is_noisy_flat_or_nearly_nothing_is_no_sign(run_of, losses):
    assert run_of(losses) == ()


def test_a_loss_that_rises_is_told_with_its_lowest(run_of):
    (said,) = run_of([*FALLING, *[0.45 + 0.06 * at for at in range(32)]])
    assert said.startswith("loss rising: ")
    assert said.endswith(" at its lowest")


def test_a_gradient_norm_that_explodes_is_told_with_what_is_usual(run_of):
    assert run_of([2.0] * 64, [2.0] * 56 + [400.0] * 8) == ("gradient norm exploding: 400, usually 2",)


def test_large_gradients_in_the_first_steps_are_usual(run_of):
    assert run_of([2.0] * 64, [50.0] * 4 + [2.0] * 60) == ()


@pytest.mark.parametrize(
    ("evals", "turned"),
    [([0.5, 0.4, 0.41], False), ([0.5, 0.4, 0.45], True), ([0.5, 0.4, 0.405, 0.41], True), ([0.5, 0.4, 0.3], False)],
)
def test_an_evaluation_loss_past_its_lowest_is_told(run_of, evals, turned):
    signs = run_of(evals=evals)
    assert bool(signs) == turned
    assert not turned or signs[0].endswith("was 0.4000 at step 20")


def test_signs_of_a_run_without_points_are_none(home, fabricate):
    fabricate.make_run(home, "a00000001", steps=0)
    (run,) = rows_of(home).values()
    assert warning_signs(run, {}) == ()


async def test_a_run_that_ends_is_a_toast_a_bell_and_a_notification(real_app, home, fabricate, until, monkeypatch):
    run = fabricate.make_run(home, "a00000001", name="alive", steps=5, total=100, state=None)
    lock = hold_lock(run.trainer_lock)
    assert lock is not None
    sent, rung = [], []
    monkeypatch.setattr(terminal, "send", lambda app, sequence: sent.append(sequence))
    app = real_app()
    monkeypatch.setattr(app, "bell", lambda: rung.append(True))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.status.live == 1)
        log = EventWriter(run.supervisor_log)
        log.write("finished", state="failed", reason="loss is NaN", exit_code=1, signal=None, traceback=None)
        log.close()
        await until(pilot, lambda: app.toasts)
        assert app.toasts[0].message == "alive · a00000001 failed: loss is NaN"
        assert app.toasts[0].severity == "error"
        assert rung == [True]
        assert "alive · a00000001 failed: loss is NaN" in sent[0]


def test_a_notification_is_what_the_terminal_understands(monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    assert terminal.notification("a;b", "xterm-256color") == (
        "\x1b]9;workbench: a,b\x1b\\\x1b]777;notify;workbench;a,b\x1b\\"
    )
    assert "]777" not in terminal.notification("a", "xterm-kitty")
    assert "]9" not in terminal.notification("a", "foot-extra")
    assert terminal.notification("a\x1b]52;c;x\x07", "foot").count("\x1b") == 2, "a name cannot act on the terminal"
    monkeypatch.setenv("TMUX", "/tmp/x")
    assert terminal.notification("a", "foot").startswith("\x1bPtmux;\x1b\x1b]777")


async def test_a_run_that_starts_says_what_it_is_doing(real_app, home, fabricate, until):
    run = fabricate.make_run(home, "a00000001", name="alive", steps=0, state=None)
    run.events.write_text("", "utf-8")
    assert hold_lock(run.trainer_lock) is not None
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LivePane) and "loading data …" in shown(app))
        log = EventWriter(run.events)
        log.write("data", splits={}, notes=[])
        await until(pilot, lambda: "loading the model …" in shown(app))
        fabricate.plan(log, 1.0, 100)
        await until(pilot, lambda: "taking its first step …" in shown(app))
        log.close()


def shown(app):
    return app.screen.query_one("RunBar").text


async def test_the_other_panes_follow_the_cursor_of_runs(real_app, home, fabricate, until):
    for number in range(3):
        fabricate.make_run(home, f"a0000000{number}", name=f"run-{number}", steps=8)
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane.current is not None)
        await pilot.press("down", "2")
        await until(pilot, lambda: app.current_mode == "live" and app.pane.body is not None)
        assert app.pane.body.run.id == "a00000001"
        app.selection.choose("a00000000")
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "runs" and app.pane.current.id == "a00000000")


def test_a_live_run_shows_its_newest_metric_and_one_that_has_ended_its_best(home, fabricate):
    fabricate.make_run(home, "a00000001", steps=8)
    (run,) = rows_of(home).values()
    summary = replace(run.metrics["eval/accuracy"], best=0.9, last=0.8)
    run = replace(run, metrics={"eval/accuracy": summary})
    _, (_, metric, own) = columns(["metric", "eval/accuracy"])
    for state, said in (("running", "0.8000"), ("completed", "0.9000")):
        seen = replace(run, state=state)
        assert metric(seen, Sight(0.0, {})).text == f"{said} acc"
        assert own(seen, Sight(0.0, {})).text == said
