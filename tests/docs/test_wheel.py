"""A plain `pip install .` carries everything the program needs: what would go into the wheel is in the tree."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_recipes_and_their_data_go_into_the_package():
    forced = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert forced == {"recipes": "workbench/_recipes"}
    assert {path.name for path in (ROOT / "recipes/data/reviews").glob("*.jsonl")} == {
        "train.jsonl", "validation.jsonl", "test.jsonl",
    }  # fmt: skip


def test_ranges_are_honest_and_the_pins_are_exact():
    torch = next(word for word in PROJECT["project"]["dependencies"] if word.startswith("torch"))
    assert torch == "torch>=2.6"
    pins = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all(line.count("==") == 1 for line in pins)
