"""What every command that touches runs begins with: the home, its registry brought up to date, and a run found."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

import typer

from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.core.text import clean
from workbench.registry import Registry, RunRow
from workbench.registry.current import current


def home_of(context: typer.Context) -> Home:
    """The home chosen by `--home` or the environment. Not yet made."""
    home = context.obj
    if not isinstance(home, Home):
        raise TypeError("commands are started by workbench.cli.root.run, which passes the home")
    return home


def registry_of(home: Home) -> AbstractContextManager[Registry]:
    """The registry, with everything the logs say by now in it. What it had to repair is said on standard error."""
    return current(home, lambda notice: print(f"workbench: {clean(notice)}", file=sys.stderr))


def find(context: typer.Context, handle: str, *, include_deleted: bool = False) -> tuple[Home, RunRow, RunDir]:
    """The run that an id, a unique prefix, a unique name or `last` means. Raises UnknownRun or AmbiguousRun."""
    home = home_of(context)
    with registry_of(home) as registry:
        row = registry.find(handle, include_deleted=include_deleted)
    return home, row, RunDir(home.runs / row.id)
