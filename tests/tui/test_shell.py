"""The shell: modes, palette, help, themes, toasts, undo, quitting, and what a hostile text may not do."""

from __future__ import annotations

import tomllib

import pytest
from textual.widgets import Input

from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Settings
from workbench.tui.app import WorkbenchApp
from workbench.tui.help_screen import HelpScreen
from workbench.tui.modals import Choose, Confirm, Prompt
from workbench.tui.preferences import save
from workbench.tui.selection import Passage


def toasts(app):
    return [notice.message for notice in app.toasts]


async def test_number_keys_open_the_six_modes_and_esc_goes_back(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for key, mode in zip("23456", ("live", "data", "tokens", "metrics", "try"), strict=True):
            await pilot.press(key)
            await until(pilot, lambda mode=mode: app.current_mode == mode)
            assert mode == app.pane.MODE
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "metrics")
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "tokens")


async def test_help_shows_the_keys_of_this_pane(make_app, until, comes_to):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await comes_to(pilot, "help-runs-80x24")
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is app.pane)


async def test_the_palette_runs_an_action_of_the_table(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"modes: tokens")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "tokens")


async def test_a_user_has_other_keys_and_the_footer_shows_them(make_app, until):
    app = make_app(settings=Settings(keys={"app.help": "f1", "runs.stop": "n"}))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        assert any("n in Runs means runs.new and runs.stop" in text for text in toasts(app))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_a_theme_is_kept_beside_the_users_own_lines(make_app, home, until):
    home.settings.write_text('# mine\ncolumns = ["name"]\n', "utf-8")
    app = make_app(settings=Settings.load(home))
    async with app.run_test() as pilot:
        app.theme = "nord"
        await until(pilot, lambda: "nord" in home.settings.read_text("utf-8"))
    text = home.settings.read_text("utf-8")
    assert "# mine" in text
    assert tomllib.loads(text) == {"columns": ["name"], "theme": "nord"}
    assert Settings.load(home).theme == "nord"


def test_settings_that_are_no_toml_are_left_alone(home):
    home.settings.write_text("theme = = 1", "utf-8")
    with pytest.raises(BadInput, match="correct or delete"):
        save(home, theme="nord")
    assert home.settings.read_text("utf-8") == "theme = = 1"


async def test_toasts_show_text_as_it_is_and_harmless(make_app):
    app = make_app()
    async with app.run_test(notifications=True) as pilot:
        app.notify("\x1b[2J[red]no markup[/red] \u202e", severity="error")
        app.complain(WorkbenchError("broken", where="here", hint="correct it"))
        await pilot.pause()
        assert toasts(app) == ["␛[2J[red]no markup[/red] �", "here: broken: correct it"]
        assert not any(notice.markup for notice in app.toasts)


async def test_z_takes_back_the_last_thing_and_says_so(make_app, until):
    app = make_app()
    done = []
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("z")
        await until(pilot, lambda: toasts(app) == ["Nothing to undo"])
        app.offer_undo("first deleted", lambda: done.append("first"))
        app.offer_undo("second deleted", lambda: done.append("second"))
        await pilot.press("z")
        await until(pilot, lambda: done == ["second"])
        await pilot.press("z")
        await until(pilot, lambda: done == ["second", "first"])
        await until(pilot, lambda: "Undone: first deleted" in toasts(app))


async def test_quitting_says_how_many_runs_go_on(make_app, capsys):
    from workbench.tui.feed import FeedStatus

    app = make_app()
    async with app.run_test() as pilot:
        app.status = FeedStatus(2, 5)
        await pilot.press("q")
        await pilot.pause()
    assert "2 runs go on without you" in capsys.readouterr().err


async def test_a_decision_rests_on_cancel_and_y_says_yes(make_app, until):
    app = make_app()
    answers = []
    async with app.run_test() as pilot:
        app.ask_user(Confirm("Delete [b]it[/b]?", "Delete"), answers.append)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.pane)
        assert answers == []
        app.ask_user(Confirm("Delete it?", "Delete"), answers.append)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: answers == [True])


async def test_a_prompt_keeps_asking_until_the_answer_can_be_used(make_app, until):
    def check(text):
        if not text.isdigit():
            raise BadInput("that is no number")

    app = make_app()
    answers = []
    async with app.run_test() as pilot:
        app.ask_user(Prompt("How many", check=check), answers.append)
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press("x", "enter")
        assert isinstance(app.screen, Prompt)
        await pilot.press("backspace", "7", "enter")
        await until(pilot, lambda: answers == ["7"])


async def test_no_toast_lies_on_a_question(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.notify("tiny deleted: z takes it back")
        await until(pilot, lambda: app.toasts)
        app.ask_user(Prompt("Start it again with"), lambda _: None)
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        assert app.toasts == []


async def test_one_of_several_is_chosen(make_app, until):
    app = make_app()
    answers = []
    async with app.run_test() as pilot:
        app.ask_user(Choose("Which", ["[a]", "b", "c"]), answers.append)
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("j", "enter")
        await until(pilot, lambda: answers == [1])


async def test_the_newest_of_a_group_of_background_work_wins(make_app, until):
    import threading

    app = make_app()
    got = []
    async with app.run_test() as pilot:
        slow = threading.Event()
        app.pane.background(lambda: slow.wait(5) and "old", got.append, group="page")
        app.pane.background(lambda: "new", got.append, group="page")
        await until(pilot, lambda: got == ["new"])
        slow.set()
        await pilot.pause(0.2)
        assert got == ["new"]


async def test_work_that_fails_is_told_and_not_lost(make_app, until):
    def fail():
        raise BadInput("no such row")

    app = make_app()
    async with app.run_test(notifications=True) as pilot:
        app.pane.background(fail, print)
        app.pane.background(lambda: 1 / 0, print, group="other")
        await until(pilot, lambda: len(toasts(app)) == 2)
        assert sorted(toasts(app)) == ["ZeroDivisionError: division by zero", "no such row"]


async def test_the_selection_reaches_a_pane_when_it_is_shown(make_app, until, monkeypatch):
    from workbench.tui.pane import Pane

    heard = []
    monkeypatch.setattr(Pane, "on_passage_changed", lambda self, passage: heard.append((self.MODE, passage.text)))
    app = make_app()
    async with app.run_test() as pilot:
        app.selection.hand_over(Passage("some text"))
        await pilot.pause()
        assert heard == [("runs", "some text")]


async def test_a_settings_theme_that_is_unknown_is_no_error(make_app):
    app = make_app(settings=Settings(theme="no-such-theme"))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == WorkbenchApp(app.home).theme


def test_the_road_to_the_first_frame_loads_nothing_heavy():
    import subprocess
    import sys

    program = (
        "import sys, workbench.cli, workbench.tui.app, workbench.tui.modes.runs.pane, workbench.registry.store\n"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    heavy = ["pydantic", "sqlite_utils", "pyarrow", "typer", "plotext", "tomlkit", "numpy", "torch", "pandas"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_keys_that_cannot_be_used_do_not_bury_the_screen_in_toasts(make_app):
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.notify("it broke", severity="error")
        for number in (1, 2, 3, 4, 4, 4, 5):
            app.notify(f"not now {number}", severity="warning")
        await pilot.pause()
        assert [toast.message for toast in app.toasts] == ["it broke", "not now 3", "not now 4", "not now 5"]
