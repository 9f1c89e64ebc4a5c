"""A new run from the screen: picked, edited, every problem at once, started."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList, Static

from workbench.core.errors import RecipeError
from workbench.tui.modals import Prompt
from workbench.tui.modes.runs import launching
from workbench.tui.modes.runs.new_run import NewRun
from workbench.tui.text_screen import Sheet

BAD = 'name = "mine"\ntask = "text-classification"\n[model]\nname = "m"\n[train]\nepoch = 3\nlearning_rate = -1.0\n'


@pytest.fixture
def here(tmp_path, monkeypatch, fabricate):
    """A working directory with a recipe that reads well, one that does not, and a TOML file that is none."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "good.toml").write_text(fabricate.RECIPE, "utf-8")
    (folder / "bad.toml").write_text(BAD, "utf-8")
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n", "utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def opened(until):
    async def wait(pilot, name):
        """Open New run and put the cursor on a recipe."""
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewRun))
        screen = pilot.app.screen
        await until(pilot, lambda: screen.chosen is not None)
        screen.query_one(OptionList).highlighted = [recipe.name for recipe in screen.recipes].index(name)
        await pilot.pause()
        return screen

    return wait


def said(screen):
    return str(screen.query_one("#said", Static).content)


def test_recipes_here_come_before_those_that_are_shipped(home, here):
    found = launching.recipe_files(home, here)
    assert found[0].name == "good"
    assert found[0].origin == "here"
    assert [recipe.name for recipe in found if recipe.origin == "here" and recipe.needs == "hub"] == ["bad"]
    assert "demo-sentiment" in [recipe.name for recipe in found if recipe.origin == "shipped"]


def test_recipes_that_need_what_is_not_here_are_marked_and_come_last(home, here):
    (here / "lost.toml").write_text(
        BAD.replace('"m"', '"builtin:minilm"') + '[data]\ntrain = "gone.csv[:5]"\n', "utf-8"
    )
    found = {recipe.name: recipe.needs for recipe in launching.recipe_files(home, here)}
    assert (found["demo-sentiment"], found["imdb-bert-uncased"], found["lost"]) == ("", "hub", "file")
    marked = [bool(needs) for needs in found.values()]
    assert marked == sorted(marked)


async def test_typing_filters_the_recipes_and_esc_takes_it_back(real_app, here, until, opened):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "good")
        await pilot.press(*"demo sent")
        await until(pilot, lambda: [recipe.name for recipe in screen.recipes] == ["demo-sentiment"])
        assert screen.chosen.name == "demo-sentiment"
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.recipes) > 5)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)


async def test_every_problem_of_a_recipe_is_told_at_once(real_app, here, until, opened):
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "bad")
        await pilot.press("enter")
        await until(pilot, lambda: "learning_rate" in said(screen))
        assert "did you mean train.epochs?" in said(screen)
        assert said(screen).count("✗") >= 2
        assert app.screen is screen
        assert not list(app.home.runs.iterdir())


async def test_a_recipe_that_passes_is_started_and_opened_in_live(real_app, here, until, opened, monkeypatch):
    asked = []

    def start(home, path, search, overrides, *, progress):
        asked.append((path, search, tuple(overrides)))
        progress("starting")
        return "a00000001"

    monkeypatch.setattr(launching, "check_and_launch", start)
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "good")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press(*"train.epochs=1", "enter")
        await until(pilot, lambda: app.screen is screen and "is valid" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "live")
        assert app.selection.run == "a00000001"
        assert asked == [(here / "good.toml", (here,), ("train.epochs=1",))]


async def test_a_copy_is_edited_and_the_original_left_alone(real_app, home, here, until, opened, monkeypatch):
    def edit(self, path):
        path.write_text(BAD, "utf-8")
        return True

    monkeypatch.setattr("workbench.tui.app.WorkbenchApp.edit_file", edit)
    app = real_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "good")
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "learning_rate" in said(screen))
        assert screen.chosen.origin == "edited copy"
        assert screen.chosen.search[0] == here
        assert "learning_rate" not in (here / "good.toml").read_text("utf-8")


async def test_a_run_is_cloned_with_a_change(real_app, home, fabricate, until, monkeypatch):
    fabricate.make_run(home, "a00000001", name="first")
    asked = []

    def start(home, path, search, overrides):
        asked.append((path.parent.name, [str(directory) for directory in search], overrides))
        raise RecipeError(["train.learning_rate = -1: must be more than 0"])

    monkeypatch.setattr(launching, "check_and_launch", start)
    app = real_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.pane.why_not("runs.clone") is None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press(*"-1", "enter")
        await until(pilot, lambda: asked)
        assert asked == [("a00000001", [str(home.path)], ["train.learning_rate=-1"])]
        await until(pilot, lambda: any("must be more than 0" in notice.message for notice in app.toasts))


async def test_ctrl_k_checks_the_recipe_and_tells_all_there_is_to_know(real_app, here, until, opened):
    app = real_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot, "good")
        await pilot.press("ctrl+k")
        await until(pilot, lambda: isinstance(app.screen, Sheet) and app.screen.query(Static))
        text = str(app.screen.query_one(Static).content)
        assert "columns    text: text, label: label" in text
        assert "▸ 512" in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        assert "is valid" in said(app.screen)


def test_fields_are_parted_where_the_next_one_begins_and_values_may_hold_spaces():
    from workbench.tui.modes.runs.launching import changes

    assert changes(" train.epochs=1  notes=try it again seed=7 ") == ["train.epochs=1", "notes=try it again", "seed=7"]
    assert changes("model.config={ n_layer = 2 }") == ["model.config={ n_layer = 2 }"]
    assert changes("  ") == []
