"""`cache ls/clear`: the tokens that were made before, kept so that the next run begins at once."""

from __future__ import annotations

import time
from typing import Any

import typer

from workbench.cli.help import Command, Group
from workbench.cli.output import AsJson, emit, print_table, say
from workbench.core.home import Home

cli = typer.Typer(cls=Group, rich_markup_mode=None)


@cli.command("ls", cls=Command)
def list_entries(context: typer.Context, as_json: AsJson = False) -> None:
    """List the tokens that are kept, the most recently used first."""
    from workbench.data.cache.token_cache import TokenCache

    home: Home = context.obj
    kept = TokenCache(home.tokens).kept()
    if as_json:
        emit(
            [
                {"key": one.key, "bytes": one.size, "created": one.created, "used": one.used, "about": one.about}
                for one in kept
            ]
        )
        return
    if not kept:
        say(f"nothing is kept in {home.tokens}: a run keeps the tokens it makes")
        return
    print_table(
        ("USED", "SIZE", "TASK", "ROWS", "DATA"),
        [
            (
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used)),
                f"{one.size / 1e6:,.1f} MB",
                _holds(one.about),
                f"{one.about['rows']:,}" if "rows" in one.about else "",
                " ".join(str(one.about[name]) for name in ("data", "split") if name in one.about),
            )
            for one in kept
        ],
        right=("SIZE", "ROWS"),
        whole=("USED", "SIZE"),
        spare=("ROWS", "TASK"),
    )
    say(f"{len(kept)} {'entry' if len(kept) == 1 else 'entries'}, {sum(one.size for one in kept) / 1e6:,.1f} MB")


def _holds(about: dict[str, Any]) -> str:
    """The task that the tokens are for; else what it is."""
    return str(about.get("task") or about.get("holds") or "damaged")


@cli.command("clear", cls=Command)
def clear(context: typer.Context, as_json: AsJson = False) -> None:
    """Throw away the tokens that are kept. Runs that use them go on; later ones make them again."""
    from workbench.data.cache.token_cache import TokenCache

    home: Home = context.obj
    entries, size = TokenCache(home.tokens).clear()
    if as_json:
        emit({"entries": entries, "bytes": size})
        return
    say(f"{entries} {'entry' if entries == 1 else 'entries'} thrown away, {size / 1e6:,.1f} MB")
