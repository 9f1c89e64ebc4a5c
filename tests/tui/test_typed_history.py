"""What was typed in Try is there the next time."""

from __future__ import annotations

import json
import stat

from workbench.tui.modes.try_.typed_history import History


def test_what_was_typed_is_there_the_next_time(tmp_path):
    path = tmp_path / "try.jsonl"
    for text in ("first", "第二\n行", "third"):
        History(path).add(text)
    again = History(path)
    assert [again.older("draft"), again.older("x"), again.older("x"), again.older("x")] == [
        "third", "第二\n行", "first", None,
    ]  # fmt: skip
    assert [again.newer(), again.newer(), again.newer(), again.newer()] == ["第二\n行", "third", "draft", None]


def test_what_has_just_been_kept_and_stands_there_is_not_recalled_as_older(tmp_path):
    history = History(tmp_path / "try.jsonl")
    history.add("only")
    assert history.older("only") == "only"
    history.add("second")
    assert history.older("second") == "only"


def test_only_the_owner_may_read_it(tmp_path):
    History(tmp_path / "try.jsonl").add("secret")
    assert stat.S_IMODE((tmp_path / "try.jsonl").stat().st_mode) == 0o600


def test_blanks_and_repeats_are_not_kept(tmp_path):
    history = History(tmp_path / "try.jsonl")
    for text in ("  ", "a", "a", "b", "a"):
        history.add(text)
    assert History(tmp_path / "try.jsonl").entries == ["a", "b", "a"]


def test_a_torn_line_costs_itself_only(tmp_path):
    path = tmp_path / "try.jsonl"
    History(path).add("whole")
    with path.open("a") as file:
        file.write('{"t": 1, "te')
    History(path).add("after")
    assert History(path).entries == ["whole", "after"]
    assert len([line for line in path.read_text().splitlines() if json.dumps("after") in line]) == 1


def test_a_lone_surrogate_is_kept_out_of_the_way(tmp_path):
    History(tmp_path / "try.jsonl").add("a\ud800b")
    assert History(tmp_path / "try.jsonl").entries == ["a?b"]
