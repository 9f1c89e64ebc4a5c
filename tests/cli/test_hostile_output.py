"""What a command prints can be shown by any terminal, whatever a run is called and whatever the locale is."""

import json

import pytest

from workbench.contracts.events import EventWriter
from workbench.core.text import clean

NAME = "naïve 评论 — \x9b2J\x7f\u202e\u2060\U000e0041"
LOCALES = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252"},
)


@pytest.fixture
def noted(finished_run):
    run = finished_run()
    log = EventWriter(run.user_log)
    log.write("note", text=NAME)
    log.close()
    return run


def test_json_says_nothing_to_a_terminal(shell, noted):
    told = shell("show", noted.id, "--json").stdout
    assert json.loads(told)["notes"] == NAME
    assert clean(told, newlines=True) == told


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: next(iter(locale.values())))
def test_every_command_prints_in_every_locale(shell, noted, locale):
    for words in (
        ("show", "last"),
        ("tail", "last"),
        ("ls",),
        ("doctor",),
        ("check", "demo-sentiment"),
        ("recipes", "ls"),
    ):
        shell(*words, **locale)
    assert json.loads(shell("show", "last", "--json", **locale).stdout)["notes"] == NAME
    assert "naive ??" in shell("show", "last", **{"PYTHONIOENCODING": "ascii"}).stdout
