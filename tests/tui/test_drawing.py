"""The base of all drawings: what is painted again, and how each style looks in every theme."""

from __future__ import annotations

from typing import get_args

import pytest
from textual.app import App
from textual.theme import BUILTIN_THEMES

from workbench.display.spans import Line, Span, StyleName, fitted, line, plain, width_of
from workbench.tui.widgets.drawing import Drawing
from workbench.tui.widgets.styles import ANSI_STYLES, STYLES, content

NAMES = [name for name in get_args(StyleName) if name]


class Words(Drawing, can_focus=True):
    """Shows lines that a test gives."""

    shown: list[Line] = []

    def lines(self, width: int, height: int) -> list[Line]:
        return self.shown

    def painted(self) -> list[list[tuple[str, object]]]:
        return [[(segment.text, segment.style) for segment in self.render_line(y)] for y in range(len(self.shown))]


class Canvas(App[None]):
    def compose(self):
        yield Words()


def test_every_style_has_a_look_and_no_look_is_of_no_style():
    for table in (STYLES, ANSI_STYLES):
        assert {name.removesuffix(" blurred") for name in table} == {*NAMES, "cursor"}


@pytest.mark.parametrize("theme", BUILTIN_THEMES)
async def test_every_style_can_be_told_from_plain_text_in_every_theme(theme):
    app = Canvas()
    async with app.run_test(size=(40, 60)) as pilot:
        app.theme = theme
        words = app.query_one(Words)
        words.shown = [
            (Span("plain"),),
            *((Span(name, name, heat=1.0),) for name in NAMES),
            (Span("here", cursor=True),),
        ]
        words.update_lines()
        words.focus()
        await pilot.pause()
        first, *others = (style for [(_, style), *_] in words.painted())
        assert [name for name, style in zip([*NAMES, "cursor"], others, strict=True) if style == first] == []


async def test_the_cursor_looks_another_way_where_the_keys_go_elsewhere():
    app = Canvas()
    async with app.run_test(size=(40, 5)) as pilot:
        words = app.query_one(Words)
        words.shown = [(Span("here", "good", cursor=True), Span(" and there", "good"))]
        words.update_lines()
        words.focus()
        await pilot.pause()
        focused = words.painted()
        app.set_focus(None)
        await pilot.pause()
        blurred = words.painted()
        assert focused[0][0] != blurred[0][0]
        assert focused[0][1] == blurred[0][1]


async def test_only_the_cells_that_differ_are_painted_again(monkeypatch):
    app = Canvas()
    async with app.run_test(size=(40, 5)) as pilot:
        words = app.query_one(Words)
        words.shown = [line("step 1 of 9"), line(("中文", "good"), " stays")]
        words.update_lines()
        await pilot.pause()
        painted = []
        monkeypatch.setattr(words, "refresh", lambda *regions, **_: painted.extend(regions))
        words.shown = [line("step 2 of 9"), line(("中文", "good"), " stays")]
        words.update_lines()
        assert [tuple(region) for region in painted] == [(5, 0, 1, 1)]
        words.shown = [line("step 2 of 9"), line(("中文", "bad"), " stays")]
        words.update_lines()
        assert tuple(painted[-1]) == (0, 1, 4, 1)


def test_a_line_is_cut_or_filled_in_cells():
    chinese = line("a", ("中文字", "good"), "z")
    assert [plain([fitted(chinese, width)])[0] for width in (9, 8, 6, 5, 1, 0)] == ["a中文字z"] * 2 + [
        "a中文…",
        "a中…",
        "a",
        "",
    ]
    assert {width_of(fitted(chinese, width)) for width in (3, 4)} <= {3, 4}
    assert plain([fitted(line("ab"), 4, right=True)]) == ["  ab"]


async def test_widgets_of_textuals_own_show_the_same_lines():
    app = App()
    async with app.run_test():
        assert content([line(("a", "key"), " b"), (), line("c")], app.screen).plain == "a b\n\nc"
