"""CONTRIBUTING's page "Add a pane", followed in a copy of the package: a seventh mode is on screen and in help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import workbench

REQUESTS = '''
from dataclasses import dataclass


@dataclass(frozen=True)
class CountRequest:
    """How many runs there are."""

    def read(self, registry):
        return registry.count()
'''

PANE = """
from workbench.display.spans import Span
from workbench.tui.bindings import CENSUS, textual_bindings
from workbench.tui.modes.census.requests import CountRequest
from workbench.tui.pane import Pane
from workbench.tui.widgets.drawing import Drawing


class Tally(Drawing):
    count = 0

    def lines(self, width, height):
        return [[Span(f"{self.count} runs in all")]]


class CensusPane(Pane):
    MODE = "census"
    BINDINGS = textual_bindings(CENSUS)

    def compose_body(self):
        yield Tally()

    def request(self):
        return CountRequest()

    def on_snapshot(self, snapshot):
        tally = self.query_one(Tally)
        tally.count = snapshot.body
        tally.update_lines()

    def action_double(self):
        tally = self.query_one(Tally)
        tally.count *= 2
        tally.update_lines()
"""

KEYS = 'CENSUS: Final = (Shortcut("census.double", "x", "double", "Double the count"),)\n\n'
MODE = '        Mode("census", "Census", "Count the runs", "census:CensusPane", CENSUS),\n'
LAST = '        Mode("try", "Try", "Type a text and see what the model answers", "try_:TryPane", TRY),\n'

# The lines of bindings.py that are there, each with what is written in its place.
EDITS = [("class Mode(NamedTuple)", f"{KEYS}class Mode(NamedTuple)"), (LAST, LAST + MODE)]

SEEN = """
import asyncio, sys
from pathlib import Path
from workbench.core.home import Home
from workbench.tui.app import WorkbenchApp
from workbench.tui.bindings import markdown

async def main():
    app = WorkbenchApp(Home(Path(sys.argv[1])).ensure())
    async with app.run_test(size=(80, 24)) as pilot:
        async def until(text):
            for _ in range(1000):
                await pilot.pause(0.02)
                strips = app.screen._compositor.render_strips()
                shown = "\\n".join("".join(part.text for part in strip) for strip in strips)
                if text in shown:
                    return
            raise AssertionError(shown)

        await pilot.press("7")
        await until("0 runs in all")
        await until("7 Census")
        await until("x double")
        await pilot.press("question_mark")
        await until("Double the count")
    assert "### Census" in markdown()

asyncio.run(main())
"""


def test_a_pane_that_is_written_as_the_page_says_is_on_screen(tmp_path):
    package = tmp_path / "workbench"
    shutil.copytree(Path(workbench.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = package / "tui" / "modes" / "census"
    folder.mkdir()
    for name, text in (("__init__", ""), ("requests", REQUESTS), ("pane", PANE)):
        (folder / f"{name}.py").write_text(text, "utf-8")
    bindings = package / "tui" / "bindings.py"
    text = bindings.read_text("utf-8")
    for line, instead in EDITS:
        assert text.count(line) == 1, line
        text = text.replace(line, instead)
    bindings.write_text(text, "utf-8")
    command = [sys.executable, "-c", SEEN, str(tmp_path / "home")]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
