"""How commands describe themselves: `--help` and the README say the same of each argument and option."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


def usage(parameters: Iterable[Any]) -> list[str]:
    """`RECIPE`, `[--set FIELD=VALUE …]`, `[--follow]`: each parameter as a usage line has it."""
    return [word for word in map(_used, parameters) if word]


def _used(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _argument(parameter) if parameter.required else f"[{_argument(parameter)}]"
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return ""
    return f"[{_flag(parameter)}{_value(parameter)}{' …' if parameter.multiple else ''}]"


def _argument(parameter: Any) -> str:
    return f"{parameter.metavar or parameter.name.upper()}{' …' if parameter.nargs != 1 else ''}"


def _flag(parameter: Any) -> str:
    """The option by its long name; of a switch that is on by default, the one that turns it off."""
    return str([*parameter.secondary_opts, *(name for name in parameter.opts if name.startswith("--"))][0])


def _value(parameter: Any) -> str:
    if parameter.is_flag:
        return ""
    return f" {parameter.metavar or parameter.name.upper().replace('_', '-')}"


def _explained(parameter: Any) -> tuple[str, str]:
    """A parameter and what its help says."""
    if parameter.param_type_name == "argument":
        return _argument(parameter), parameter.help or ""
    short = [name for name in parameter.opts if not name.startswith("--")]
    return f"{', '.join([*short, _flag(parameter)])}{_value(parameter)}", parameter.help or ""


class Command(TyperCommand):
    """A command with the usage line and the lists of this module."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return usage(self.get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        shown = [parameter for parameter in self.get_params(ctx) if not getattr(parameter, "hidden", False)]
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            rows = [_explained(parameter) for parameter in shown if parameter.param_type_name == kind]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Group(TyperGroup):
    """A group that lists its commands each with a whole sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in self.commands.items()])
