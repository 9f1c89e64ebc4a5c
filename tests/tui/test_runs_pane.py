"""Runs: what is listed, found, marked, opened, stopped, tagged, deleted and brought back."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.contracts.events import read_all
from workbench.core.home import Settings
from workbench.core.rundir import hold_lock
from workbench.display.spans import plain
from workbench.tui.modals import Confirm, Prompt
from workbench.tui.modes.runs.pane import RunsPane
from workbench.tui.widgets.filter_line import FilterLine
from workbench.tui.widgets.table import VirtualTable


@pytest.fixture
def some_runs(home, fabricate):
    for number, (name, state) in enumerate(
        [("sentiment", "completed"), ("holdout", "failed"), ("中文情感分类", "completed"), ("gpt2-docs", "stopped")]
    ):
        fabricate.make_run(
            home, f"a0000000{number}", name=name, state=state, created=fabricate.EPOCH + 3600 * 24 * number, seed=number
        )


@pytest.fixture
def shown(until):
    """Wait for the table to hold so many runs; gives the table."""

    async def wait(pilot, total):
        await until(pilot, lambda: pilot.app.screen.query_one(VirtualTable).total == total)
        return pilot.app.screen.query_one(VirtualTable)

    return wait


def keys(table):
    return [row.key for row in table.known]


def acts(home, id):
    return [event.type for event in read_all(home.runs / id / "user.jsonl")]


async def test_an_empty_home_names_the_next_key(real_app, until, comes_to):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.has_class("-empty"))
        await comes_to(pilot, "runs-empty-80x24")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_runs_are_listed_newest_first(real_app, some_runs, shown, comes_to, size):
    app = real_app()
    async with app.run_test(size=size) as pilot:
        table = await shown(pilot, 4)
        await pilot.pause(0.3)
        assert keys(table) == ["a00000003", "a00000002", "a00000001", "a00000000"]
        await comes_to(pilot, f"runs-{size[0]}x{size[1]}")


async def test_a_live_run_is_listed_first_and_counted(real_app, home, fabricate, some_runs, shown, until):
    live = fabricate.make_run(home, "a00000009", name="old-but-alive", state=None, total=100, created=1.0)
    assert hold_lock(live.trainer_lock) is not None
    app = real_app()
    async with app.run_test() as pilot:
        table = await shown(pilot, 5)
        await until(pilot, lambda: app.status.live == 1)
        assert keys(table)[0] == "a00000009"


async def test_a_new_run_is_seen_and_the_cursor_stays_with_its_run(real_app, home, fabricate, some_runs, shown):
    app = real_app()
    async with app.run_test() as pilot:
        table = await shown(pilot, 4)
        await pilot.press("j")
        assert table.cursor_row.key == "a00000002"
        fabricate.make_run(home, "a00000007", name="newest", created=fabricate.EPOCH + 86_400 * 9)
        await shown(pilot, 5)
        assert table.cursor_row.key == "a00000002"
        assert table.cursor == 2


async def test_a_filter_is_applied_as_it_is_typed_and_esc_takes_it_away(real_app, some_runs, shown, comes_to):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, 4)
        await pilot.press("slash", *"state:failed")
        await shown(pilot, 1)
        await pilot.pause(0.2)
        await comes_to(pilot, "runs-filter-80x24")
        await pilot.press("enter")
        assert isinstance(app.focused, VirtualTable)
        await pilot.press("escape")
        await shown(pilot, 4)


async def test_the_column_that_a_filter_sorts_by_has_an_arrow(real_app, some_runs, shown, until):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, 4)
        await pilot.press("slash", *"sort:name")
        await until(pilot, lambda: "name↑" in table.text.splitlines()[0])
        assert keys(table) == ["a00000003", "a00000001", "a00000000", "a00000002"]
        app.screen.on_filter_line_changed(FilterLine.Changed("sort:-created"))
        await until(pilot, lambda: "age↓" in table.text)


async def test_a_bad_filter_points_at_its_column_and_the_list_stays(real_app, some_runs, shown, until, comes_to):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, 4)
        await pilot.press("slash", *"(eval/f1")
        line = app.screen.query_one(FilterLine)
        await until(pilot, lambda: line.has_class("-faulty"))
        assert table.total == 4
        await comes_to(pilot, "runs-bad-filter-80x24")


async def test_enter_opens_what_the_filter_finds_and_not_what_stood_there_before(real_app, some_runs, shown, until):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, 4)
        app.screen.on_filter_line_changed(FilterLine.Changed("sentiment"))
        assert app.screen.why_not("runs.delete") == "What is shown does not match the filter yet"
        app.screen.action_open()
        assert app.selection.run is None, "the rows of the filter are not there yet"
        await until(pilot, lambda: app.current_mode == "live")
        assert app.selection.run == "a00000000"


async def test_with_a_bad_filter_nothing_is_done_to_what_is_shown(real_app, some_runs, shown, until):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, 4)
        await pilot.press("slash", *"(eval/f1")
        await until(pilot, lambda: app.screen.query_one(FilterLine).has_class("-faulty"))
        await pilot.press("enter", "enter", "d")
        assert app.current_mode == "runs"
        assert acts(app.home, "a00000003") == ["created"]


async def test_older_filters_come_back_with_the_arrows(real_app, some_runs, shown):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("slash", *"gpt2", "enter")
        await shown(pilot, 1)
        await pilot.press("escape", "slash")
        await shown(pilot, 4)
        await pilot.press("up")
        await shown(pilot, 1)
        assert app.screen.query_one(FilterLine).text == "gpt2"


async def test_marks_are_shared_and_esc_takes_them_away(real_app, some_runs, shown):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("space", "space")
        assert app.selection.marks == ("a00000003", "a00000002")
        await pilot.press("escape")
        assert app.selection.marks == ()


async def test_enter_opens_a_run_in_live_and_esc_comes_back(real_app, some_runs, shown, until):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.current_mode == "live")
        assert app.selection.run == "a00000002"
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "runs")


async def test_a_run_is_deleted_and_z_brings_it_back(real_app, home, some_runs, shown, until):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("d")
        await shown(pilot, 3)
        await pilot.press("z")
        await shown(pilot, 4)
        assert acts(home, "a00000003")[-2:] == ["delete", "restore"]


async def test_a_tag_is_added_and_taken_away(real_app, home, some_runs, shown, until):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press(*"baseline", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunsPane) and app.screen.current.tags == ("baseline",))
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press(*"-baseline", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunsPane) and app.screen.current.tags == ())


async def test_a_stop_is_asked_with_the_cursor_on_cancel(real_app, home, fabricate, shown, until, comes_to):
    live = fabricate.make_run(home, "a00000009", name="alive", state=None, total=100)
    assert hold_lock(live.trainer_lock) is not None
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, 1)
        await until(pilot, lambda: app.pane.why_not("runs.stop") is None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert app.focused.id == "cancel"
        await comes_to(pilot, "confirm-stop-80x24")
        await pilot.press("enter")
        assert not live.stop_request.exists()
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, live.stop_request.exists)


async def test_the_run_that_was_asked_about_is_stopped_though_another_has_come(real_app, home, fabricate, shown, until):
    asked = fabricate.make_run(home, "a00000001", name="asked", state=None, total=100)
    assert hold_lock(asked.trainer_lock) is not None
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, 1)
        await until(pilot, lambda: app.pane.why_not("runs.stop") is None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        other = fabricate.make_run(home, "a00000002", name="other", state=None, total=100, created=fabricate.EPOCH + 9)
        assert hold_lock(other.trainer_lock) is not None
        await until(pilot, lambda: table.cursor_row.key == "a00000002")
        await pilot.press("y")
        await until(pilot, asked.stop_request.exists)
        assert not other.stop_request.exists()


async def test_a_key_that_cannot_be_used_says_why(real_app, some_runs, shown):
    app = real_app()
    async with app.run_test(notifications=True) as pilot:
        await shown(pilot, 4)
        await pilot.press("s")
        await pilot.pause()
        assert [notice.message for notice in app.toasts] == ["gpt2-docs is not running: it is stopped"]


async def test_a_hostile_name_cannot_act_on_the_terminal(real_app, home, fabricate, shown, comes_to):
    hostile = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202eevil\u200b [bold]no[/bold] ﷽" + "長" * 50
    fabricate.make_run(home, "a00000001", name=hostile, note=hostile, tags=[hostile[:20]])
    app = real_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, 1)
        await pilot.pause(0.3)
        await comes_to(pilot, "runs-hostile-120x40")
        written = (Path(__file__).parent / "screens" / "runs-hostile-120x40.txt").read_text("utf-8")
        assert not any(character in written for character in "\x1b\x07\u202e\u200b")
        assert "[bold]no[/bold]" in written


async def test_columns_are_the_users_choice(real_app, some_runs, shown):
    app = real_app(Settings(columns=("name", "eval/f1", "train.learning_rate", "nonsense")))
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, 4)
        assert [column.name for column in table.source.shown] == ["name", "eval/f1", "train.learning_rate"]
        assert plain([table.known[0].cells[2]]) == ["5e-05"]


async def test_ten_thousand_runs_are_paged_and_only_a_window_is_known(real_app, home, fabricate, shown, until):
    fabricate.many(home, 300)
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        table = await shown(pilot, 300)
        assert len(table.source.runs) < 150
        await pilot.press("G")
        await until(pilot, lambda: table.cursor_row is not None and table.cursor == 299)
        assert table.cursor_row.key == "a000000"
        await pilot.press("g")
        await until(pilot, lambda: table.cursor_row is not None and table.cursor == 0)
        assert table.cursor_row.key == "a000299"


async def test_y_copies_the_id(real_app, some_runs, shown):
    app = real_app()
    async with app.run_test() as pilot:
        await shown(pilot, 4)
        await pilot.press("y")
        assert app.clipboard == "a00000003"
