"""A few faults of the campaign, so that it stays true and stays runnable: `python -m tests.faults` is the whole."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import SCENARIOS, Fault, Unavailable, end_all

from workbench.core.home import Home

SHORT = ("supervisor", "supervisor and trainer", "both, and the TUI with them", "lab", "a damaged file")


@pytest.mark.parametrize("name", SHORT)
def test_what_is_told_after_a_fault_is_true(tmp_path, name):
    home = Home(tmp_path / "home")
    try:
        SCENARIOS[name][0](Fault(home, random.Random(8)))
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        end_all(home)
