"""`recipes ls/show/cp`: the recipes that come with workbench, as starting points."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.help import Command, Group
from workbench.cli.output import AsJson, emit, print_table, say
from workbench.core.errors import BadInput
from workbench.core.home import shipped_recipes

cli = typer.Typer(cls=Group, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `recipes ls` lists it.")]


def _named(name: str) -> Path:
    found = [path for path in shipped_recipes() if path.stem == name.removesuffix(".toml")]
    if not found:
        raise BadInput(
            f"no recipe {name!r} comes with workbench", hint=", ".join(path.stem for path in shipped_recipes())
        )
    return found[0]


@cli.command("ls", cls=Command)
def list_recipes(as_json: AsJson = False) -> None:
    """List the recipes that come with workbench."""
    rows = []
    for path in shipped_recipes():
        table = tomllib.loads(path.read_text("utf-8"))
        model, data = table["model"], table["data"]
        rows.append(
            {
                "name": path.stem,
                "task": table["task"],
                "model": model.get("name") or model.get("architecture"),
                "data": data.get("source") or data.get("train"),
                "path": str(path),
            }
        )
    if as_json:
        emit(rows)
    else:
        print_table(
            ("NAME", "TASK", "MODEL", "DATA"),
            [(r["name"], r["task"], r["model"], r["data"]) for r in rows],
            whole=("NAME",),
            spare=("DATA", "MODEL", "TASK"),
        )


@cli.command("show", cls=Command)
def show_recipe(name: Name, as_json: AsJson = False) -> None:
    """Print a recipe."""
    path = _named(name)
    text = path.read_text("utf-8")
    if as_json:
        emit({"name": path.stem, "path": str(path), "text": text})
    else:
        print(text, end="")


@cli.command("cp", cls=Command)
def copy_recipe(
    name: Name,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A new file, or a directory to put it in; default: here.")
    ] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Copy a recipe to a file of your own, to change it."""
    source = _named(name)
    path = target / source.name if target.is_dir() else target
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(source.read_text("utf-8").replace(f"recipes/{source.name}", str(path)))
    except FileExistsError as error:
        raise BadInput("is there already", where=str(path), hint="give another name") from error
    except OSError as error:
        hint = "give a file in a directory that is there and can be written"
        raise BadInput(f"cannot be written ({error.strerror})", where=str(path), hint=hint) from error
    if as_json:
        emit({"name": source.stem, "path": str(path)})
    else:
        say(str(path))
