"""The README's generated parts, made from the program itself. `python tests/docs/readme.py` writes them anew."""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from workbench.cli.help import usage
from workbench.cli.root import cli
from workbench.contracts import events
from workbench.contracts.coding import HEAD, Details
from workbench.metrics import catalog
from workbench.tasks.recipe_union import fields
from workbench.tui import bindings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SCREEN = ROOT / "tests/tui/screens/live-120x40.txt"


def commands() -> str:
    """A row for each command and subcommand, as `--help` has it."""
    lines = ["| command | does |", "|---|---|", "| `workbench [--home DIR] [--slow-link]` | opens the TUI |"]
    lines += [f"| `{usage}` | {text} |" for usage, text in _usages(typer.main.get_command(cli), "workbench")]
    return "\n".join(lines)


def _usages(group: Any, prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            rows += _usages(command, f"{prefix} {name}")
        else:
            words = [f"{prefix} {name}", *usage(command.params)]
            rows.append((" ".join(words), command.get_short_help_str(200)))
    return rows


def recipe_fields() -> str:
    """A row for each field of a recipe: those of all recipes, then those that each task adds."""
    tables = []
    for task, there in fields().items():
        rows = "\n".join(f"| `{field}` | {text} |" for field, text in there.items())
        title = f"Besides, in recipes for {task}:\n\n" if task else ""
        tables.append(f"{title}| field | says |\n|---|---|\n{rows}")
    return "\n\n".join(tables)


def event_table() -> str:
    """A row for each type of event: who writes it, what it says, and its fields; `?` stands after those that may be
    missing."""
    rows = [
        f"| {event.TYPE} | {', '.join(event.LOGS)} | {_said(event)} | {_fields(event)} |" for event in events.EVENTS
    ]
    return "\n".join(["| type | log | says | fields |", "|---|---|---|---|", *rows])


def _said(event: type[events.Event]) -> str:
    return " ".join((event.__doc__ or "").split("\n\n")[0].split())


def _fields(cls: type[Details]) -> str:
    hints = typing.get_type_hints(cls)
    told = [one for one in dataclasses.fields(cls) if one.name not in HEAD]
    return ", ".join(f"{one.name}{'?' if one.default is None else ''}{_shape(hints[one.name])}" for one in told)


def _shape(hint: Any) -> str:
    """` {name: …}`, ` […]` or ` {field, …}`; empty for what is no more than a number or a text."""
    origin, parts = typing.get_origin(hint), [part for part in typing.get_args(hint) if part is not types.NoneType]
    if origin in (typing.Union, types.UnionType):
        return _shape(parts[0])
    if origin is tuple:
        return f" [{', '.join(_inner(part) for part in parts if part is not ...)}]"
    if origin is Mapping:
        return f" {{name: {_inner(parts[1])}}}"
    return f" {{{_fields(hint)}}}" if isinstance(hint, type) and issubclass(hint, Details) else ""


def _inner(hint: Any) -> str:
    named = next((part for part in typing.get_args(hint) if part is not types.NoneType), hint)
    return _shape(hint).strip() or ("text" if named is str else "number")


def metrics() -> str:
    """A row for each metric that a task computes, as `workbench.metrics.catalog` has it."""
    arrows = {"max": " ↑", "min": " ↓", None: ""}
    rows = [
        f"| `{metric.name}`{arrows[metric.direction]} | {metric.says} | {_values(metric)} | {_computed_for(metric)} |"
        for metric in catalog.CATALOG
        if metric.of
    ]
    return "\n".join(["| metric | measures | values | for |", "|---|---|---|---|", *rows])


def _values(metric: catalog.Metric) -> str:
    scale = metric.scale
    if scale.bounded:
        return f"{scale.low:g} to {scale.high:g}"
    return "0 and more" if scale.low == 0 else "in their own unit"


def _computed_for(metric: catalog.Metric) -> str:
    if len(metric.of) == len(catalog.BEST):
        chosen = [f"**{kind}**" for kind, best in catalog.BEST.items() if best == metric.name]
        return f"everything, {', '.join(chosen)}"
    kinds = [kind for kind in catalog.BEST if kind in metric.of]
    return ", ".join(f"**{kind}**" if catalog.BEST[kind] == metric.name else kind for kind in kinds)


def screen() -> str:
    """The Live pane as the TUI's own snapshot test holds it."""
    return f"```\n{SCREEN.read_text('utf-8').rstrip()}\n```" if SCREEN.exists() else ""


PARTS = {
    "commands": commands,
    "keys": lambda: bindings.markdown().rstrip(),
    "fields": recipe_fields,
    "events": event_table,
    "metrics": metrics,
    "screen": screen,
}


def with_parts(text: str) -> str:
    """`text` with every generated part written anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        made = f"{begin}\n{make()}\n{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, made=made: made, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(with_parts(README.read_text("utf-8")), "utf-8")
