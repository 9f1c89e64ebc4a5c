"""Numbers stand whole or not at all, a zoomed chart follows its run, and what is offered to be opened is there."""

from __future__ import annotations

import random

from textual.widgets import Input

from workbench.contracts.events import EventWriter
from workbench.core.rundir import hold_lock
from workbench.display.spans import line, plain
from workbench.tui.modals import Pick
from workbench.tui.modes.live.pane import LivePane
from workbench.tui.offers import Offer, completed, has_model, missing, run_offers
from workbench.tui.widgets.chart import Series, Spec, chart_lines
from workbench.tui.widgets.raster import Area, line_cells
from workbench.tui.widgets.table import Column, Row, TableSource, TableWindow, table_lines


class Losses(TableSource):
    total = 2

    def columns(self, width, window):
        return Column("name", "name", 4, grow=True), Column("a", "a", 4, right=True), Column("b", "b", 4, right=True)

    def row(self, place):
        return Row(str(place), [line("a long name"), line("0.08507"), line("12.5")])


def test_a_column_of_numbers_grows_with_them_and_is_left_out_rather_than_cut():
    window = TableWindow(0, 2, 2)
    assert plain(table_lines(Losses(), window, 0, 30))[1].split() == ["a", "long", "name", "0.08507", "12.5"]
    narrow = plain(table_lines(Losses(), window, 0, 14))[1]
    assert "0.08507" in narrow
    assert "12" not in narrow


def test_a_legend_cuts_a_name_and_never_a_number():
    series = Series("a name that is far too long for this", ((0.0, 1.0), (1.0, 2.0)), said="0.08507")
    title = plain(chart_lines(Spec("loss", (series,)), 30, 8))[0]
    assert "0.08507" in title
    assert "…" in title
    assert "0.0" not in plain(chart_lines(Spec("loss", (series,)), 14, 8))[0]


def test_a_line_touches_the_cells_between_its_ends_and_none_beyond_the_area():
    area = Area(4, 2, (0.0, 1.0), (0.0, 1.0))
    assert {(row, column) for row, column, _ in line_cells([(0.0, 0.0), (1.0, 1.0)], area)} == {
        (1, 0), (1, 1), (0, 2), (0, 3),
    }  # fmt: skip
    steep = list(line_cells([(0.0, -5.0), (0.0, 5.0)], area))
    assert steep == [(1, 0, "⡇"), (0, 0, "⡇")]
    assert list(line_cells([(3.0, 3.0)], area)) == []


async def test_a_zoom_on_the_newest_steps_follows_the_run(real_app, home, fabricate, until):
    run = fabricate.make_run(home, "a00000001", name="alive", steps=80, total=1000, state=None)
    assert hold_lock(run.trainer_lock) is not None
    app = real_app(open_run="a00000001")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LivePane) and app.screen.body is not None)
        await pilot.press("plus")
        await until(pilot, lambda: app.screen.body.window[0] > 0)
        low, high = app.screen.body.window
        log = EventWriter(run.events)
        for step in range(81, 161):
            fabricate.step_event(log, step, 1000, random.Random(step), None)
        log.close()
        await until(pilot, lambda: app.screen.body.window[1] >= 160)
        assert app.screen.body.window[1] - app.screen.body.window[0] == high - low
        await pilot.press("left")
        await until(pilot, lambda: app.screen.body.window[1] < 160)


def test_only_runs_with_weights_are_offered_to_be_loaded(home, fabricate):
    from workbench.registry import Ingestor

    for number in range(2):
        run = fabricate.make_run(home, f"a0000000{number}", steps=2)
    run.model.mkdir()
    (run.model / "config.json").write_text("{}", "utf-8")
    Ingestor(home).poll(wait=True)
    assert [offer.value for offer in run_offers(home, lambda run, _: has_model(run))] == ["a00000001"]


def test_what_a_recipe_needs_is_found_without_asking_a_network(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\n", "utf-8")
    assert missing({"data": {"train": "rows.csv[:5]"}}, [tmp_path]) == ""
    assert missing({"data": {"train": "gone.csv"}}, [tmp_path]) == "file"
    assert missing({"data": {"source": "nobody/nothing"}}, [tmp_path]) == "hub"
    assert missing({"model": {"name": "nobody/nothing"}}, [tmp_path]) == "hub"
    assert missing({"model": {"name": "builtin:minilm-9"}}, [tmp_path]) == "hub"


def test_a_path_is_completed_as_far_as_only_one_can_be_meant(tmp_path):
    for name in ("reviews-a.csv", "reviews-b.csv"):
        (tmp_path / name).write_text("", "utf-8")
    (tmp_path / "数据").mkdir()
    assert completed(f"{tmp_path}/rev") == (f"{tmp_path}/reviews-", ["reviews-a.csv", "reviews-b.csv"])
    assert completed(f"{tmp_path}/数") == (f"{tmp_path}/数据/", ["数据/"])
    assert completed(f"{tmp_path}/none") == (f"{tmp_path}/none", [])


async def test_a_list_is_filtered_by_typing_and_a_typed_path_is_taken_as_it_is(make_app, until, tmp_path):
    answers = []
    offers = [Offer("demo · lr 4e-4 · a1", "a1"), Offer("other · a2", "a2")]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for typed, wanted in (("other", "a2"), (f"{tmp_path}", str(tmp_path)), ("", "a1")):
            app.ask_user(Pick("Which", lambda: offers), answers.append)
            await until(pilot, lambda: isinstance(app.screen, Pick) and app.screen.query("OptionList"))
            await until(pilot, lambda: app.screen.query_one("OptionList").display)
            app.screen.query_one(Input).value = typed
            await pilot.pause()
            await pilot.press("enter")
            await until(pilot, lambda: not isinstance(app.screen, Pick))
            assert answers[-1] == wanted
