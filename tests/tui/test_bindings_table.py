"""One table drives keys, footer, help, palette and README."""

from __future__ import annotations

import pytest

from workbench.display.spans import plain
from workbench.tui.bindings import APP, MODE_KEYS, MODES, MOVE, PANE, Table, display, every_row, markdown
from workbench.tui.help_screen import help_lines


def test_every_action_has_its_own_name():
    ids = [row.id for row in every_row()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("mode", MODES)
def test_no_key_means_two_things_in_one_pane(mode):
    assert Table().clashes(mode) == {}


def test_the_same_letter_is_the_same_intent_in_every_pane():
    meant: dict[str, set[str]] = {}
    for mode in MODES:
        for row in (*MODE_KEYS, *APP, *MOVE, *PANE, *MODES[mode].keys):
            for key in row.keys.split(","):
                meant.setdefault(key, set()).add(row.intent or row.action)
    assert {key: intents for key, intents in meant.items() if len(intents) > 1} == {}


@pytest.mark.parametrize("mode", MODES)
def test_help_lists_every_key_that_works_in_a_pane(mode):
    table = Table()
    said = "\n".join(plain(help_lines(table.groups(mode))))
    for group in table.groups(mode):
        for row in group.rows:
            assert row.shown in said
            assert row.help in said


def test_the_readme_part_names_every_row():
    text = markdown()
    assert [row.id for row in every_row() if f"`{row.id}`" not in text] == []


def test_a_user_gives_an_action_another_key():
    table = Table({"runs.stop": "x"})
    assert table["runs.stop"].keys == "x"
    assert table.notices == []


def test_a_remap_that_clashes_or_names_nothing_is_said():
    table = Table({"runs.stop": "n", "runs.stopp": "x"})
    assert any("runs.new and runs.stop" in notice for notice in table.notices)
    assert any("did you mean runs.stop?" in notice for notice in table.notices)


def test_keys_are_shown_as_people_read_them():
    assert [display(key) for key in ("slash", "ctrl+p", "escape", "G")] == ["/", "^p", "esc", "G"]
