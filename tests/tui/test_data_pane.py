"""The Data pane over the real lab: rows of files, recipes and runs; and over a slow one: waiting, stale answers."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from pathlib import Path

import pytest
from textual.widgets import Input

from workbench.contracts.lab.data_requests import DataPage, DataPageReply, DataSplitsReply, ShortRow
from workbench.contracts.lab.request import LabRequest
from workbench.core.errors import BadInput
from workbench.core.text import cells
from workbench.display.spans import plain, width_of
from workbench.tui.modals import Prompt
from workbench.tui.modes.data.histogram import balance, columns, spread
from workbench.tui.modes.data.pane import DataPane
from workbench.tui.modes.data.row_detail import RowDetail
from workbench.tui.modes.data.rows_table import PAGE, RowsTable
from workbench.tui.modes.data.split_figures import SplitFigures

HOSTILE = "evil\x1b]52;c;aGk=\x07\u202e[bold]x[/bold]"
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")


def review(n: int) -> dict[str, str]:
    text = (
        f"第{n}家酒店的位置很好，服务也不错。" if n % 3 else f"Hotel number {n} was clean, quiet and close to the sea. "
    )
    return {"text": text * (1 + n % 4), "label": "好评" if n % 2 else "差评", "city": "厦门"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a data set of three splits, one of which has a hostile row."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    for split, rows in {"train": range(1, 251), "validation": range(300, 320), "test": [1, 2]}.items():
        lines = [json.dumps(review(n), ensure_ascii=False) for n in rows]
        (tmp_path / "reviews" / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    nasty = [
        {"text": HOSTILE, "label": HOSTILE},
        {"text": "字" * 3_000_000, "label": "long"},
        {"text": "", "label": "a"},
    ]
    (tmp_path / "nasty.jsonl").write_text("\n".join(json.dumps(row) for row in nasty))
    return tmp_path


class SlowLab:
    """Holds every answer until it is let out: `gate("data.page name").put(reply)`."""

    def __init__(self) -> None:
        self.asked: list[LabRequest[object]] = []
        self.gates: dict[str, queue.SimpleQueue[object]] = {}
        self._lock = threading.Lock()

    def gate(self, name: str) -> queue.SimpleQueue[object]:
        with self._lock:
            return self.gates.setdefault(name, queue.SimpleQueue())

    def ask(self, request: LabRequest[object]) -> object:
        self.asked.append(request)
        answer = self.gate(f"{request.METHOD} {request.of.name}").get(timeout=60)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def facts(name: str) -> DataSplitsReply:
    return DataSplitsReply(name, ("train",), (), max_length=None, tokenizer=None)


def page(*texts: str) -> DataPageReply:
    rows = tuple(ShortRow(n, n, "", text, len(text)) for n, text in enumerate(texts))
    return DataPageReply(len(texts), len(texts), more=False, rows=rows)


async def open_source(pilot, app, name: str) -> DataPane:
    app.go("data")
    await pilot.pause()
    await pilot.press("o")
    await pilot.pause()
    app.screen.query_one("Input").value = name
    await pilot.press("enter")
    return next(screen for screen in app.screen_stack if isinstance(screen, DataPane))


async def all_there(pilot, pane: DataPane, until) -> None:
    await until(pilot, lambda: pane.table.total and "row" in shown(pane.query_one(RowDetail))[0])
    await until(pilot, lambda: "characters" in shown(pane.query_one(SplitFigures))[0])


def shown(widget) -> list[str]:
    return plain(widget.lines(*widget.size)) or [""]


async def test_an_empty_pane_names_the_next_key(make_app, agrees):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        agrees(app, "data-empty-80x24")


@SIZES
async def test_a_directory_is_shown_with_its_rows_the_whole_row_and_figures(make_app, here, until, agrees, size):
    app = make_app()
    async with app.run_test(size=size) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        await pilot.press("j", "j")
        await until(pilot, lambda: shown(pane.query_one(RowDetail))[0] == "row 2")
        agrees(app, f"data-rows-{size[0]}x{size[1]}")


async def test_what_is_searched_for_is_found_and_esc_brings_every_row_back(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        await pilot.press("slash", *"NUMBER 2")
        await until(pilot, lambda: 0 < pane.table.total < 250)
        hits = [n for n in range(1, 251) if n % 3 == 0 and str(n).startswith("2")]
        assert pane.table.total == len(hits)
        await pilot.press("enter", "j")
        await until(pilot, lambda: pane.table.row and pane.table.row.index == hits[1] - 1)
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: not pane.table.total and "no row matches" in shown(pane.table)[0])
        await pilot.press("enter", "escape")
        await until(pilot, lambda: pane.table.total == 250)
        assert app.current_mode == "data"


async def test_rows_are_narrowed_to_a_label(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        await pilot.press("B")
        await pilot.pause()
        await pilot.press("down", "enter")
        await until(pilot, lambda: pane.table.total == 125)
        assert pane.table.row is not None
        assert f"label {pane.table.row.label}" in app.screen.query_one("#splits").lines(80, 1)[0][-1].text
        await pilot.press("escape")
        await until(pilot, lambda: pane.table.total == 250)


async def test_s_goes_to_the_next_split_and_round_again(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        totals = []
        for _ in range(4):
            await all_there(pilot, pane, until)
            totals.append(pane.table.total)
            await pilot.press("S")
            await until(pilot, lambda: pane.table.total != totals[-1])
        assert totals == [250, 20, 2, 250]


async def test_only_the_pages_around_the_cursor_are_fetched(make_app, here, until):
    many = "\n".join(f"line {n}" for n in range(100_000))
    (here / "many.txt").write_text(many)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "many.txt")
        await all_there(pilot, pane, until)
        await pilot.press("G")
        await until(pilot, lambda: pane.table.row is not None)
        assert pane.table.row.text == "line 99999"
        await pilot.press("pageup")
        await until(pilot, lambda: pane.table.missing() is None)
        assert pane.table.cursor < 99_999
        assert len(pane.table.rows.pages) <= 5
        await pilot.press("g")
        await until(pilot, lambda: pane.table.row is not None and pane.table.row.text == "line 0")


async def test_hostile_and_huge_rows_are_shown_harmlessly(make_app, here, until, agrees):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "nasty.jsonl")
        await all_there(pilot, pane, until)
        agrees(app, "data-hostile-80x24")
        await pilot.press("j")
        detail = pane.query_one(RowDetail)
        await until(pilot, lambda: shown(detail)[0] == "row 1")
        assert "3,000,000 characters" in shown(detail)[1]
        await pilot.press("tab", "G")
        await pilot.pause()
        assert any("and 2,980,000 more characters" in line for line in shown(detail))


async def test_what_cannot_be_opened_is_said_and_the_next_thing_opens(make_app, here, until, agrees):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "no-such.csv")
        await until(pilot, lambda: pane.has_class("-empty"))
        await until(pilot, lambda: "no such file" in str(pane.query_one("EmptyState").render()))
        await pilot.press("enter")
        assert app.current_mode == "data", "there is no row to open"
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        assert not pane.has_class("-empty")


async def test_a_broken_line_is_named_and_the_rest_is_shown(make_app, here, until):
    (here / "broken.jsonl").write_text('{"text": "fine"}\n{"text": "torn\n{"text": "fine too"}\n')
    app = make_app()
    async with app.run_test(size=(160, 45)) as pilot:
        pane = await open_source(pilot, app, "broken.jsonl")
        await all_there(pilot, pane, until)
        lines = shown(pane.table)
        assert "fine" in lines[1]
        assert "cannot be read" in lines[2]
        assert "fine too" in lines[3]
        assert any("broken.jsonl:2" in line for line in shown(pane.query_one(SplitFigures)))


async def test_a_file_of_many_megabytes_begins_at_once_and_says_that_there_is_more(make_app, here, until):
    line = json.dumps({"text": "word " * 200, "label": "a"}) + "\n"
    (here / "large.jsonl").write_text(line * 70_000)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "large.jsonl")
        await all_there(pilot, pane, until)
        assert pane.table.rows.more
        assert PAGE <= pane.table.total < 70_000
        known = pane.table.total
        await pilot.press("G")
        await until(pilot, lambda: pane.table.total > known)
        assert any("of the first" in line for line in shown(pane.query_one(SplitFigures)))


async def test_the_current_run_s_rows_are_shown_and_one_opens_in_tokens(make_app, home, here, until):
    run = home.runs / "abc"
    run.mkdir()
    recipe = {
        "name": "hotels",
        "task": "text-classification",
        "model": {"name": "builtin:minilm"},
        "data": {"source": "reviews", "train": "train[:30]", "max_length": 16},
    }
    (run / "run.json").write_text(json.dumps({"recipe": recipe, "search": [str(here)]}))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.selection.choose("abc")
        app.go("data")
        await pilot.pause()
        pane = app.pane
        await all_there(pilot, pane, until)
        assert pane.table.total == 30
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.current_mode == "tokens")
        passage = app.selection.passage
        assert (passage.text, passage.label) == (review(2)["text"], "差评")
        assert (passage.tokenizer, passage.max_length) == ("abc", 16)
        assert passage.source == "hotels/train row 1"


async def test_waiting_is_said_after_a_moment_and_not_before(make_app, until):
    app = make_app()
    app.lab = SlowLab()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "slow.csv")
        await until(pilot, lambda: "Reading slow.csv" in str(pane.query_one("EmptyState").render()))
        app.lab.gate("data.splits slow.csv").put(facts("slow"))
        await until(pilot, lambda: "reading …" in shown(pane.table)[0])
        assert "counting …" in shown(pane.query_one(SplitFigures))[0]
        app.lab.gate("data.page slow.csv").put(page("a", "b"))
        await until(pilot, lambda: pane.table.total == 2)
        app.lab.gate("data.stats slow.csv").put(BadInput("cannot count"))
        await until(pilot, lambda: "cannot count" in shown(pane.query_one(SplitFigures))[0])
        app.lab.gate("data.row slow.csv").put(BadInput("no such row"))
        await until(pilot, lambda: "no such row" in "\n".join(shown(pane.query_one(RowDetail))))


async def test_answers_for_what_is_no_longer_open_are_dropped(make_app, until):
    app = make_app()
    lab = app.lab = SlowLab()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "one.csv")
        lab.gate("data.splits one.csv").put(facts("one"))
        await until(pilot, lambda: any(isinstance(request, DataPage) for request in lab.asked))
        pane = await open_source(pilot, app, "two.csv")
        lab.gate("data.splits two.csv").put(facts("two"))
        lab.gate("data.page two.csv").put(page("of two"))
        await until(pilot, lambda: pane.table.total == 1)
        lab.gate("data.page one.csv").put(page("of one", "of one"))
        lab.gate("data.stats one.csv").put(BadInput("of one"))
        for _ in range(10):
            await pilot.pause(0.02)
        assert pane.table.row.text == "of two"
        assert "of one" not in "\n".join(shown(pane.query_one(SplitFigures)))
        for name in ("data.stats two.csv", "data.row two.csv"):
            lab.gate(name).put(BadInput("done"))


async def test_a_lab_that_is_killed_is_back_with_the_next_key(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        pid = app.lab.pid
        os.kill(pid, signal.SIGKILL)
        await pilot.press("S")
        await until(pilot, lambda: pane.table.total == 20 or pane.has_class("-empty"))
        if pane.has_class("-empty"):  # it was in flight when the lab died, and says so
            pane = await open_source(pilot, app, "reviews")
            await until(pilot, lambda: pane.table.total == 250)
        assert app.lab.pid != pid


async def test_another_source_is_typed_over_the_one_that_is_open(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        await pilot.press("o", *"other")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "other"


async def test_the_prompt_can_be_left_and_nothing_changes(make_app, here, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await open_source(pilot, app, "reviews")
        await all_there(pilot, pane, until)
        await pilot.press("o")
        await pilot.pause()
        assert isinstance(app.screen, Prompt)
        await pilot.press("escape")
        await pilot.pause()
        assert pane.table.total == 250


# -- the drawings ------------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_share_and_none_is_invisible():
    lines = plain(balance({"good": 800, "bad": 400, "rare": 1}, 40, 5))
    room = 40 - len("good ") - len(" 800 67%")
    assert [line.count("█") for line in lines] == [room, room // 2, 0]
    assert "▏" in lines[2]
    assert lines[2].endswith("1 0%")


def test_labels_that_do_not_fit_are_counted():
    lines = plain(balance({f"label {n}": n for n in range(1, 11)}, 40, 4, kinds=300))
    assert len(lines) == 4
    assert lines[-1] == "and 297 more labels"


@pytest.mark.parametrize("width", [20, 37, 80])
def test_no_line_of_a_balance_is_wider_than_its_room(width: int):
    counts = {"正面评价非常非常长的标签名称": 10, "e\u0301" * 30: 5, HOSTILE: 1, "": 2}
    for line in balance(counts, width, 10):
        assert width_of(line) <= width


def test_a_histogram_keeps_every_bin_that_has_rows():
    drawn = columns([100, 0, 1, 50], 4, 2)
    assert drawn == ["█   ", "█ ▁█"]
    assert len(columns([1] * 60, 20, 3)[0]) <= 20


def test_a_histogram_has_its_range_below_it():
    lines = plain(spread([1, 2, 3], 1234, 12, 4))
    assert lines[-1] == "0   1,234"


def test_every_line_of_the_table_is_as_wide_as_the_table():
    table = RowsTable()
    rows = [ShortRow(n, n, "好评" if n % 2 else HOSTILE, "酒店 👩‍👩‍👧‍👦 e\u0301 hotel" * 40, 99) for n in range(3)]
    table.fill(0, rows, 3)
    for width in (30, 44, 80, 113):
        assert {cells("".join(span.text for span in line)) for line in table.lines(width, 10)[1:]} == {width}
