"""A lab that answers from services made for the test: echo, sleep, crash, stream."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.lab.client import Lab

_TOY = """
import os, sys, time
from workbench.core.errors import BadInput
from workbench.lab.services import exposed

class Toy:
    def __init__(self, home):
        self.home = home

    @exposed
    def echo(self, value):
        return value

    @exposed
    def chatter(self):
        print("a library prints")
        os.system("echo and so does its child")
        return "clean"

    @exposed
    def refuse(self):
        raise BadInput("no such thing", where="here", hint="name another")

    @exposed
    def crash(self):
        raise ZeroDivisionError("by zero")

    @exposed
    def hang(self):
        time.sleep(600)

    @exposed
    def count(self, upto, mark):
        try:
            for number in range(upto):
                time.sleep(0.01)
                yield {"number": number}
        finally:
            open(mark, "w").close()

    def hidden(self):
        return "not for you"
"""

_START = """
import sys
sys.path.insert(0, {directory!r})
from workbench.lab import __main__ as lab
lab.main({{"toy": "toy_service:Toy", "other": "toy_service:Toy"}})
"""


@pytest.fixture
def toy_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab with the services `toy` and `other`, each in a lane of its own."""
    (tmp_path / "toy_service.py").write_text(_TOY)
    start = textwrap.dedent(_START.format(directory=str(tmp_path)))
    lab = Lab(home=tmp_path, arguments=("-c", start))
    yield lab
    lab.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The real lab, with a home of its own."""
    real = Lab(home=tmp_path)
    yield real
    real.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file and return its path."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return written
