"""Live: a run that moves while another process trains it, overlays, and how it ended."""

from __future__ import annotations

import random

import pytest

from workbench.contracts.events import EvalEvent, EventWriter, PlanEvent, StoppingEvent, decode
from workbench.core import series
from workbench.core.rundir import hold_lock
from workbench.tui.modes.live.charts import ChartView, counted, specs
from workbench.tui.modes.live.console import OutputScreen
from workbench.tui.modes.live.news import amount, told, trained
from workbench.tui.modes.live.pane import LivePane
from workbench.tui.modes.live.requests import LiveRequest, eval_keys, tail
from workbench.tui.modes.live.run_bar import RunBar
from workbench.tui.modes.live.tail import Tail
from workbench.tui.widgets.chart import Chart


@pytest.fixture
def opened(until):
    """Wait until Live shows its run; gives the pane."""

    async def wait(pilot):
        await until(pilot, lambda: isinstance(pilot.app.screen, LivePane) and pilot.app.screen.body is not None)
        await pilot.pause(0.3)
        return pilot.app.screen

    return wait


def chart(pane, name="loss"):
    return pane.query_one(f"#{name}", Chart)


async def test_with_no_run_the_next_key_is_named(real_app, until, comes_to):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: app.screen.has_class("-empty"))
        await comes_to(pilot, "live-empty-80x24")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)])
async def test_a_finished_run_has_its_charts_progress_and_console(real_app, home, fabricate, opened, comes_to, size):
    fabricate.make_run(
        home, "a00000001", name="情感 sentiment", steps=120, warnings=["3 texts were cut at 128 tokens"],
        console="loading\n  1%|▏\r100%|██████| 120/120\n\x1b[31mred\x1b[0m done\n",
    )  # fmt: skip
    app = real_app(open_run="a00000001")
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await comes_to(pilot, f"live-{size[0]}x{size[1]}")


async def test_a_failed_run_keeps_its_traceback_where_one_looks(real_app, home, fabricate, opened, comes_to):
    fabricate.make_run(
        home, "a00000001", name="broken", steps=20, total=100, state="failed", nan_at=7,
        reason="ValueError: label 7 is unknown",
        traceback='Traceback (most recent call last):\n  File "t.py", line 3\nValueError: label 7 is unknown',
    )  # fmt: skip
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        assert "label 7 is unknown" in pane.query_one(Tail).text
        assert "1 not finite" in chart(pane).text
        await comes_to(pilot, "live-failed-80x24")


async def test_charts_move_while_another_process_trains(real_app, home, fabricate, opened, until):
    run = fabricate.make_run(home, "a00000001", name="alive", steps=5, total=100, state=None)
    assert hold_lock(run.trainer_lock) is not None
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        assert "step 5 of 100" in pane.query_one(RunBar).text
        before = chart(pane).text
        log = EventWriter(run.events)
        for step in range(6, 11):
            fabricate.step_event(log, step, 100, random.Random(step), None)
        log.close()
        await until(pilot, lambda: "step 10 of 100" in pane.query_one(RunBar).text)
        await until(pilot, lambda: chart(pane).text != before)
        with run.console.open("a", encoding="utf-8") as console:
            console.write("a new line\n")
        await until(pilot, lambda: "a new line" in pane.query_one(Tail).text)


async def test_nothing_new_paints_nothing(real_app, home, fabricate, opened, monkeypatch):
    fabricate.make_run(home, "a00000001", steps=50)
    app = real_app(open_run="a00000001")
    async with app.run_test() as pilot:
        pane = await opened(pilot)
        await pilot.pause(1.2)
        shown = []
        monkeypatch.setattr(LivePane, "on_snapshot", lambda self, snapshot: shown.append(snapshot))
        await pilot.pause(1.5)
        assert shown == []
        assert pane.query_one(RunBar).text


async def test_marked_runs_are_laid_over_in_colours_of_their_own(real_app, home, fabricate, opened, until):
    for number in range(3):
        fabricate.make_run(home, f"a0000000{number}", name=f"bert-{number}", steps=40, seed=number)
    app = real_app(open_run="a00000000")
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(pilot)
        app.selection.toggle("a00000001")
        app.selection.toggle("a00000002")
        await until(pilot, lambda: len(pane.body.tracks) == 3)
        lines = [line for line in chart(pane).spec.lines if not line.faint]
        assert [line.label for line in lines] == ["0", "1", "2"]
        assert len({line.shade for line in lines}) == 3


async def test_log_smoothing_and_the_x_axis_are_chosen_by_keys(real_app, home, fabricate, opened, until):
    fabricate.make_run(home, "a00000001", steps=90)
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        assert any(line.faint for line in chart(pane).spec.lines)
        await pilot.press("L", "x")
        assert chart(pane).spec.log
        assert chart(pane).spec.axis == "epoch"
        assert chart(pane).spec.span == pytest.approx((0, 3), abs=0.1)
        await pilot.press("x", "w", "w", "w")
        assert chart(pane).spec.axis == "time"
        await pilot.press("x")
        assert chart(pane).spec.axis == "tokens"
        assert chart(pane).spec.lines[0].points[-1][0] == 90 * 64
        assert not any(line.faint for line in chart(pane).spec.lines)


async def test_zoom_pan_and_esc(real_app, home, fabricate, opened, until):
    fabricate.make_run(home, "a00000001", steps=100)
    app = real_app(open_run="a00000001")
    async with app.run_test() as pilot:
        pane = await opened(pilot)
        await pilot.press("+")
        await until(pilot, lambda: pane.body.window == (25, 75))
        await pilot.press("l")
        await until(pilot, lambda: pane.body.window == (37, 87))
        await pilot.press("escape")
        await until(pilot, lambda: pane.body.window == (0, 100))
        assert app.current_mode == "live"


async def test_every_chart_follows_a_zoom_at_once(real_app, home, fabricate, opened, until, monkeypatch):
    fabricate.make_run(home, "a00000001", steps=100)
    app = real_app(open_run="a00000001")
    async with app.run_test() as pilot:
        pane = await opened(pilot)
        monkeypatch.setattr("workbench.tui.modes.live.pane._UNHURRIED", 1e9)
        await pilot.press("+")
        await until(pilot, lambda: {drawn.spec.span for drawn in pane.query(Chart) if drawn.display} == {(25, 75)})


async def test_one_chart_fills_the_screen_and_esc_brings_the_others_back(real_app, home, fabricate, opened):
    fabricate.make_run(home, "a00000001", steps=30)
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        await pilot.press("f")
        await pilot.pause()
        assert chart(pane).size.width == 80
        await pilot.press("escape")
        await pilot.pause()
        assert chart(pane).size.width < 45


async def test_the_charts_of_what_training_costs_come_after_the_others(real_app, home, fabricate, opened):
    fabricate.make_run(home, "a00000001", steps=60)
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        seen = []
        for _ in range(7):
            await pilot.press("f")
            await pilot.pause()
            seen += [drawn.spec.title for drawn in pane.query(Chart) if drawn.display]
        assert seen[-3:] == ["tokens/s", "load %", "memory GB"]
        speed = chart(pane, "throughput").spec.lines[-1]
        assert float(speed.said) == pytest.approx(640)
        assert [value for _, value in chart(pane, "load").spec.lines[0].points] == [97.0] * 3
        await pilot.press("f")
        await pilot.pause()
        assert sum(drawn.display for drawn in pane.query(Chart)) == 4


async def test_the_values_at_a_step_are_read(real_app, home, fabricate, opened, until):
    fabricate.make_run(home, "a00000001", steps=60)
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        await pilot.press("v")
        assert pane.look.at == 30
        await pilot.press("right", "l", "left")
        assert pane.look.at == 31
        points = dict(pane.body.tracks[0].curve("train/learning_rate").points)
        assert chart(pane, "learning-rate").spec.lines[0].said == series.format_number(points[31])
        assert chart(pane).spec.at == 31
        await pilot.press("G", "g")
        assert pane.look.at == 1
        assert chart(pane, "evaluation").spec.lines[0].said == "–", "nothing had been judged by then"
        await pilot.press("escape")
        assert chart(pane).spec.at is None
        assert app.current_mode == "live"


async def test_what_is_trained_and_what_has_happened_stand_at_the_foot(real_app, home, fabricate, opened, until):
    run = fabricate.make_run(home, "a00000001", name="alive", steps=8, total=100, state=None)
    assert hold_lock(run.trainer_lock) is not None
    log = EventWriter(run.events)
    log.write("checkpoint", step=8, path="checkpoints/step-8", bytes=91_000_000, seconds=1.0, best=True)
    log.write("sample", step=8, prompt="从前", text="有\x1b座山")
    log.close()
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(120, 40)) as pilot:
        foot = (await opened(pilot)).query_one(Tail)
        await until(pilot, lambda: "wrote" in foot.text)
        said = [line.strip() for line in foot.text.splitlines()]
        assert said == [
            "22.7M weights, all trained · cpu, bf16",
            "step 8  checkpoint, 91.0 MB, the best so far",
            "step 8  wrote: 从前▸有␛座山",
        ]


def test_what_is_trained_is_said_in_a_line():
    lora = {"parameters": 22_787_522, "trainable": 74_498, "new_weights": ["a", "b", "c", "d"], "device": "cuda:0"}
    assert trained(decode(PlanEvent, lora)) == "22.8M weights, 74,498 trained (0.33%), new: a, b, c and 1 more · cuda:0"
    whole = {"parameters": 10, "trainable": 10, "new_weights": ["*"]}
    assert trained(decode(PlanEvent, whole)) == "10 weights, all trained, all new"
    assert trained(decode(PlanEvent, {})) == ""
    assert amount(7_250_000_000) == "7.25B"


def test_an_evaluation_is_told_by_what_the_run_is_judged_by():
    fields = {"step": 5, "split": "test", "scalars": {"test/loss": 0.5, "test/f1": 0.75, "test/accuracy": 0.8}}
    event = decode(EvalEvent, fields)
    assert told(event, "eval/accuracy") == "step 5  test: accuracy 0.8000  loss 0.5000"
    assert told(event, None) == "step 5  test: f1 0.7500  loss 0.5000"


async def test_a_narrow_screen_cuts_the_bar_and_not_the_steps(real_app, home, fabricate, opened):
    fabricate.make_run(home, "a00000001", steps=120, total=3600, state="stopped")
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(60, 20)) as pilot:
        pane = await opened(pilot)
        assert "step 120 of 3,600" in pane.query_one(RunBar).text.splitlines()[0][:60]


def test_a_stop_is_told_once_with_its_reason():
    assert told(StoppingEvent(reason="asked to"), None) == "stopping: asked to"
    assert told(StoppingEvent(), None) == ""


async def test_the_whole_console_opens_and_closes(real_app, home, fabricate, opened, until):
    fabricate.make_run(home, "a00000001", console="\n".join(f"line {n}" for n in range(200)), warnings=["odd"])
    app = real_app(open_run="a00000001")
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("O")
        await until(pilot, lambda: isinstance(app.screen, OutputScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LivePane))


async def test_a_run_that_is_gone_is_said(real_app, until):
    app = real_app(open_run="nosuchrun")
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.screen.has_class("-empty"))


def test_the_tail_of_a_console_is_clean_and_has_the_last_drawing_of_a_line(tmp_path):
    console = tmp_path / "console.log"
    console.write_bytes(b"one\r\ntwo 1%\rtwo 100%\n\x1b[31mred\x1b[0m\x1b]0;title\x07\n\xff\xfe bad\x1b\n")
    assert tail(console) == ("one", "two 100%", "red", "�� bad␛")


def test_a_missing_console_is_an_empty_one(tmp_path):
    assert tail(tmp_path / "none") == ()


def test_a_metric_of_another_scale_stands_alone():
    assert eval_keys(["eval/loss", "eval/perplexity"], "eval/perplexity", 3) == ["eval/perplexity"]
    assert eval_keys(["eval/f1", "eval/loss", "eval/accuracy"], "eval/f1", 3) == ["eval/f1", "eval/accuracy"]


def test_every_point_is_accounted_for(home, fabricate):
    from workbench.registry import Ingestor, Registry

    fabricate.make_run(home, "a00000001", steps=5000)
    with Registry.open(home) as registry:
        Ingestor(home).poll(wait=True)
        body = LiveRequest(home.runs, "a00000001", (), 80, None).read(registry)
    assert counted(body) == "15,012 points, 0 hidden"
    loss = specs(body, ChartView(smoothing=0.0))["loss"].lines[0]
    assert len(loss.points) <= 160
