"""Every pane can be read in every theme: the contrast of the cells that are painted, also without colour."""

from __future__ import annotations

import pytest
from rich.color import ColorType
from textual.color import Color

from workbench.contracts.check_report import DataReport
from workbench.contracts.events.data_event import LengthChoice, LengthLedger
from workbench.contracts.lab.token_requests import TextToken
from workbench.core.home import Settings
from workbench.core.text import cells
from workbench.display.data_report import report_lines
from workbench.display.spans import width_of
from workbench.tui.modes.tokens.token_view import TokenView
from workbench.tui.widgets.styles import contrast

# xterm's own sixteen, dark text on black and light text on white being what is meant by a dark and a light terminal.
XTERM = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip
# Lines and bars are no text; the raw line lies behind the smoothed one, and the rest of a bar behind what is done.
DRAWN = set("│─┃━┌┐└┘╭╮╰╯┤┬┴├┼▁▂▃▄▅▆▇█▔▊▎●") | {chr(code) for code in range(0x2800, 0x2900)}


def painted(color, plain):
    if color is None or color.type is ColorType.DEFAULT:
        return plain
    return tuple(color.triplet) if color.type is ColorType.TRUECOLOR else XTERM[color.number]


def hard_to_read(app, dark, least):
    """Words on screen that stand out less than they must, as a terminal is told to paint them.

    What lies under a sheet is dimmed on purpose.
    """
    sheets = [sheet.region for sheet in app.screen.query(".sheet")]
    whole = sheets[0] if sheets else app.screen.region
    plain = (XTERM[7], XTERM[0]) if dark else (XTERM[0], XTERM[15])
    found = set()
    for strip in app.screen._compositor.render_strips()[whole.y : whole.bottom]:
        strip = strip.crop(whole.x, whole.right)
        for shade in app._filters:
            strip = strip.apply_filter(shade, Color(0, 0, 0))
        for text, style, _ in strip:
            if not text.strip() or style is None:
                continue
            text_color, below = painted(style.color, plain[0]), painted(style.bgcolor, plain[1])
            if style.dim:
                text_color = tuple((one + other) // 2 for one, other in zip(text_color, below, strict=True))
            ratio = contrast(text_color, below)
            if ratio < (1.2 if set(text) <= DRAWN | {" "} else least):
                found.add((text.strip()[:40], round(ratio, 2)))
    return found


def token(index):
    return TextToken(id=index, token="好", piece="好", sequence=0, start=index, end=index + 1, special=index == 1,
                     unknown=index == 2, cut=index > 4, mask=1, word=index, part=0, label="B-LOC")  # fmt: skip


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light", "no colour"])
async def test_every_pane_can_be_read(real_app, home, fabricate, until, theme, monkeypatch):
    if theme == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    for number, state in enumerate(("completed", "failed", "stopped", "diverged")):
        fabricate.make_run(
            home, f"a0000000{number}", name="情感", state=state, reason="没有内存", warnings=["长的文本"]
        )
    app = real_app(Settings(theme="textual-dark" if theme == "no colour" else theme))
    # A key that cannot be used now is faint on purpose.
    least, seen = 3.0 if not theme.startswith("ansi") else 2.0, {}
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.pane.current is not None)
        app.selection.choose("a00000000")
        app.selection.toggle("a00000001")
        for mode in ("runs", "live", "metrics", "tokens", "try", "data"):
            app.go(mode)
            await pilot.pause(0.6)
            if mode == "tokens":
                app.pane.say_empty(None)
                app.pane.query_one(TokenView).show([token(index) for index in range(8)], ["好" * 8], 5)
                await pilot.pause(0.1)
            seen |= {mode: bad} if (bad := hard_to_read(app, "light" not in theme, least)) else {}
        await pilot.press("question_mark")
        await pilot.pause(0.2)
        seen |= {"help": bad} if (bad := hard_to_read(app, "light" not in theme, least)) else {}
    assert seen == {}


async def test_back_to_the_first_theme_is_kept(real_app, home, until):
    app = real_app()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.pane is not None)
        for theme in ("textual-light", "textual-dark"):
            app.theme = theme
            await until(pilot, lambda theme=theme: Settings.load(home).theme == theme)


@pytest.mark.parametrize("field", ["max_length", "max_target_length"])
def test_the_ledger_fits_a_small_screen(field):
    entries = tuple(
        LengthChoice(
            max_length=length, rows_cut=1.0, tokens_lost=0.999, padding=0.999, time=123.45, golds_lost=1.0, windows=None
        )
        for length in (32, 64, 131072)
    )
    ledger = LengthLedger(rows=10**6, sampled=4000, median=26, p95=47, max=131072, chosen=64, entries=entries)
    report = DataReport(splits={}, columns={}, unread=(), notes=(), ledger={field: ledger})
    table = report_lines(report, 72)[2:]
    assert len(table) == 4
    assert all(width_of(shown) <= 72 for shown in table)
    assert cells("max_target_length") <= 17
