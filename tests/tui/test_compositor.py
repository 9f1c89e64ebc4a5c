"""What is sent for the dirty cells of a line, and that no wide character is cut in two by it."""

from __future__ import annotations

import re

import pytest
from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from workbench.tui.compositor import TightUpdate

LINE = Strip([Segment("ab中"), Segment("文cd")])  # 中 stands in cells 2 and 3, 文 in 4 and 5


@pytest.mark.parametrize(
    ("dirty", "column", "sent"),
    [((1, 2), 1, "b"), ((6, 8), 6, "cd"), ((3, 8), 2, "中文cd"), ((0, 3), 0, "ab中"), ((3, 5), 2, "中文")],
)
def test_dirty_cells_are_sent_and_wide_characters_whole(dirty, column, sent):
    update = TightUpdate([{0: LINE}], [(0, *dirty)], [[8]])
    assert update.render_segments(Console(color_system=None)) == f"\x1b[1;{column + 1}H{sent}"


def test_what_a_toast_covered_is_whole_again_when_it_has_gone():
    covered = TightUpdate([{0: LINE.crop(0, 5), 5: Strip([Segment("|||")])}], [(0, 0, 8)], [[5, 8]])
    assert re.sub("\x1b.*?H", "", covered.render_segments(Console(color_system=None))) == "ab中 |||"
    after = TightUpdate([{0: LINE}], [(0, 5, 8)], [[8]])
    assert after.render_segments(Console(color_system=None)) == "\x1b[1;5H文cd"
