"""A lab that answers from services made for the test: echo, sleep, crash, stream."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.lab.client import Lab

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

_TOY = """
import os, sys, time
from workbench.core.errors import BadInput
from toy_requests import Number

class Toy:
    def __init__(self, home):
        self.home = home

    def echo(self, request):
        return request.value

    def chatter(self, request):
        print("a library prints")
        os.system("echo and so does its child")
        return "clean"

    def refuse(self, request):
        raise BadInput("no such thing", where="here", hint="name another")

    def crash(self, request):
        raise ZeroDivisionError("by zero")

    def hang(self, request):
        time.sleep(600)

    def garble(self, request):
        return {"numeral": "V"}

    def count(self, request):
        try:
            for number in range(request.upto):
                time.sleep(0.01)
                yield Number(number)
        finally:
            open(request.mark, "w").close()

    def hidden(self, request):
        return "not for you"
"""

_START = """
import sys
sys.path[:0] = [{directory!r}, {here!r}]
from toy_requests import REQUESTS
from workbench.lab import __main__ as lab
lab.main({{"toy": "toy_service:Toy", "other": "toy_service:Toy"}}, REQUESTS)
"""


@pytest.fixture
def toy_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab with the services `toy` and `other`, each in a lane of its own."""
    (tmp_path / "toy_service.py").write_text(_TOY)
    start = textwrap.dedent(_START.format(directory=str(tmp_path), here=str(HERE)))
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
