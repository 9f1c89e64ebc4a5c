"""The README says what the program does: its generated parts are current and its commands are real."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from workbench.cli.root import cli
from workbench.tasks.recipe_union import fields, parse

_spec = importlib.util.spec_from_file_location("readme", Path(__file__).with_name("readme.py"))
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)

TEXT = readme.README.read_text("utf-8")


def test_the_generated_parts_are_current():
    assert readme.with_parts(TEXT) == TEXT, "run: python tests/docs/readme.py"


@pytest.mark.parametrize("part", list(readme.PARTS))
def test_each_part_has_its_place(part: str):
    assert TEXT.count(f"<!-- begin: {part} -->") == TEXT.count(f"<!-- end: {part} -->") == 1
    assert readme.PARTS[part]().strip()


def test_every_recipe_field_is_in_the_readme():
    assert not [field for there in fields().values() for field in there if f"`{field}`" not in TEXT]


def test_every_command_in_the_readme_parses():
    group = typer.main.get_command(cli)
    lines = re.findall(r"`(workbench [a-z][^`]*)`", TEXT) + re.findall(
        r"^(?:.*&& )?(workbench \w+.*?)(?: #.*)?$", TEXT, re.M
    )
    assert {"workbench", "workbench demo"} & set(lines), "the README shows commands, and they are found"
    for line in lines:
        words = [word for word in shlex.split(line.split("|")[0])[1:] if word != "…"]
        if words[:1] == ["recipes"]:
            assert words[1] in group.commands["recipes"].commands
        elif not words[0].startswith(("-", "[")):
            assert words[0] in group.commands, line


def test_every_command_has_help_that_fits_a_line():
    def walk(command, name: str):
        text = (command.help or "").strip().splitlines()
        assert text, f"{name} has no help"
        assert len(text[0]) <= 110, name
        for child, nested in getattr(command, "commands", {}).items():
            walk(nested, f"{name} {child}")

    walk(typer.main.get_command(cli), "workbench")


def test_the_recipe_in_the_readme_is_the_shipped_one():
    block = next(block for block in re.findall(r"```toml\n(.*?)```", TEXT, re.S) if "imdb-bert-cased-500" in block)
    shipped = (readme.ROOT / "recipes/imdb-bert-cased-500.toml").read_text("utf-8")
    assert tomllib.loads(block) == tomllib.loads(shipped)
    assert parse(block).name == "imdb-bert-cased-500"


def test_nothing_names_this_machine():
    tracked = [p for p in readme.ROOT.rglob("*") if p.suffix in {".md", ".toml", ".py", ".txt", ""} and p.is_file()]
    hidden = {
        ".git",
        ".venv",
        "venv",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        "__pycache__",
        ".import_linter_cache",
    }
    for path in tracked:
        if not hidden & set(path.relative_to(readme.ROOT).parts):
            text = path.read_text("utf-8", errors="replace")
            assert "/work/" + "main" not in text, path
            assert "/opt/" + "wheels" not in text, path
