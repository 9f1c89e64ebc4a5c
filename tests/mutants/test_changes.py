"""The changes that `python -m tests.mutants` makes: each is one, each still compiles, and texts are left alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("changes", Path(__file__).with_name("changes.py"))
changes = importlib.util.module_from_spec(_spec)
sys.modules["changes"] = changes
_spec.loader.exec_module(changes)

CODE = '''"""A docstring of 7 words, 1 < 2."""

from typing import Final

Number = int | float
MOST: Final = 5


@cache(maxsize=3)
def least(values: list[int | None], start: int = 0, *, strict: bool = True) -> int:
    """Of 3."""
    if not values and start < MOST:
        raise ValueError(f"no {start + 1} values", 7)
    "é"; total = values[0] - len("é") + 1
    total += max(total, 2)
    if strict:
        note(total)
    return total
'''

EXPECTED = {
    (6, "5 -> 6"),
    (10, "0 -> 1"),
    (10, "True -> False"),
    (12, "not values and start < MOST -> (not values or start < MOST)"),
    (12, "not values -> (values)"),
    (12, "start < MOST -> (start <= MOST)"),
    (14, "values[0] - len(\"é\") + 1 -> (values[0] - len('é') - 1)"),
    (14, "values[0] - len(\"é\") -> (values[0] + len('é'))"),
    (14, "0 -> 1"),
    (14, "1 -> 2"),
    (15, "total += max(total, 2) -> pass"),
    (15, "max(total, 2) -> (min(total, 2))"),
    (15, "2 -> 3"),
    (16, "strict -> (not strict)"),
    (17, "note(total) -> pass"),
    (18, "return total -> return None"),
}


def test_what_has_meaning_is_changed_and_nothing_else():
    made = list(changes.mutants(CODE))
    assert {(mutant.line, mutant.change) for mutant in made} == EXPECTED
    assert len(made) == len(EXPECTED)


def test_each_is_one_change_at_its_line_and_compiles():
    for mutant in changes.mutants(CODE):
        compile(mutant.source, "changed", "exec")
        pairs = zip(CODE.splitlines(), mutant.source.splitlines(), strict=True)
        assert [number for number, (one, other) in enumerate(pairs, 1) if one != other] == [mutant.line]


def test_every_file_of_the_house_has_changes_that_compile():
    root = Path(__file__).parents[2] / "workbench"
    made = [mutant for path in sorted((root / "registry").glob("*.py")) for mutant in changes.mutants(path.read_text())]
    assert len(made) > 500
    for mutant in made[::25]:
        compile(mutant.source, "changed", "exec")
