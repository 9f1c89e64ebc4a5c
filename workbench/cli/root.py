"""Every command, in the order a newcomer meets them, and how Typer's errors end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import __version__
from workbench.cli import act, cache, demo, doctor, export, launch, predict, purge, read, recipes
from workbench.cli.help import Group
from workbench.core.errors import BadInput
from workbench.core.home import Home

cli = typer.Typer(
    name="workbench",
    cls=Group,
    help="A terminal workbench for fine-tuning language models. Without a command it opens the TUI.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@cli.callback()
def _options(
    home: Annotated[str | None, typer.Option("--home", metavar="DIR", help="Where runs are kept.")] = None,
    slow_link: Annotated[bool, typer.Option("--slow-link", help="The TUI repaints less.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """`--home` is taken out of the arguments by `workbench.cli.main`; it is declared here for the help text."""


for _module in (demo, launch, read, act, purge, predict, export, doctor):
    _module.register(cli)
cli.add_typer(recipes.cli, name="recipes", help="The recipes that come with workbench.")
cli.add_typer(cache.cli, name="cache", help="The tokens that are kept for the next run.")


# Typer carries a Click of its own in newer versions; this is the family of its usage errors in all of them.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def run(arguments: list[str], home: Path | None) -> int:
    """Run one command. Returns its exit code. Raises WorkbenchError."""
    command = typer.main.get_command(cli)
    try:
        result = command.main(arguments, prog_name="workbench", standalone_mode=False, obj=Home.resolve(home))
    except _UsageError as error:
        told = " ".join(_told(error).split()).rstrip(".")
        raise BadInput(told, hint=f"see `{_command_of(error)} --help`") from error
    except typer.Abort:
        return 130
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Typer's way to say so
            raise end.__context__ from None
        raise
    return result if isinstance(result, int) else 0


def _command_of(error: Exception) -> str:
    """`workbench run`: the command whose help says what was wrong."""
    return str(getattr(getattr(error, "ctx", None), "command_path", None) or "workbench")


def _told(error: Exception) -> str:
    """A usage error in Click's words with the argument or option it is about, which `message` alone leaves out."""
    told = getattr(error, "format_message", None)
    return str(told() if callable(told) else error)
