"""Tests of the way to a GPU, on a machine without one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import card as cards


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def card() -> Iterator[cards.StandInCard]:
    """A stand-in for a GPU, as `cuda:0`, for the length of the test."""
    with cards.stand_in_card() as stand_in:
        yield stand_in
