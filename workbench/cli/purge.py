"""`purge` and `prune`: what is removed from the disk for good, after its size was shown and a word was typed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workbench.cli.context import find, home_of, registry_of
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, print_table, say
from workbench.cli.read import Handle
from workbench.core.errors import BadInput
from workbench.core.rundir import RunDir
from workbench.core.series import format_bytes
from workbench.runs import purging

Confirm = Annotated[str | None, typer.Option("--confirm", metavar="WORD", help="The word that is else asked for.")]


def register(cli: typer.Typer) -> None:
    for command in (purge, prune):
        cli.command(command.__name__, cls=Command)(command)


def purge(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A deleted run: an id, a unique prefix or name.")] = "",
    deleted: Annotated[bool, typer.Option("--deleted", help="All that were deleted with rm.")] = False,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Remove deleted runs from the disk for good. Nothing brings them back."""
    if bool(run) == deleted:
        raise BadInput("give a run or --deleted", hint="see `workbench ls --deleted`")
    home = home_of(context)
    with registry_of(home) as registry:
        every = registry.runs(include_deleted=True) if deleted else [registry.find(run, include_deleted=True)]
    rows = [row for row in every if row.deleted]
    if not rows:
        what = "no run is deleted" if deleted else f"{every[0].id} is not deleted"
        raise BadInput(what, hint=f"delete it first with `workbench rm {'RUN' if deleted else every[0].id}`")
    places = [RunDir(home.runs / row.id) for row in rows]
    sizes = [purging.disk_bytes(place.path) for place in places]
    if not as_json:
        listed = [(row.id, row.name, format_bytes(size)) for row, size in zip(rows, sizes, strict=True)]
        print_table(("ID", "NAME", "DISK"), listed, right=("DISK",), whole=("ID", "DISK"))
    word = f"purge-{len(rows)}" if deleted else rows[0].id
    _ask_for(word, f"{format_bytes(sum(sizes))} will be gone for good", confirm)
    freed = sum(map(purging.purge, places))
    if as_json:
        emit({"ids": [row.id for row in rows], "bytes": freed})
    else:
        say(f"{len(rows)} run{'' if len(rows) == 1 else 's'} purged, {format_bytes(freed)} free again")


def prune(
    context: typer.Context,
    run: Handle,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=0, help="The newest so many stay, and the best; default: 1.")
    ] = 1,
    confirm: Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Remove checkpoints of a run that has ended. Its model and its predictions stay."""
    _, row, directory = find(context, run, include_deleted=True)
    paths = purging.dispensable(directory, keep)
    if paths:
        sizes = [purging.disk_bytes(path) for path in paths]
        if not as_json:
            listed = [(path.name, format_bytes(size)) for path, size in zip(paths, sizes, strict=True)]
            print_table(("CHECKPOINT", "DISK"), listed, right=("DISK",), whole=("CHECKPOINT", "DISK"))
        last = "; it cannot be resumed then" if keep == 0 and row.state != "completed" else ""
        _ask_for(row.id, f"{format_bytes(sum(sizes))} will be gone for good{last}", confirm)
    freed = purging.remove(paths)
    if as_json:
        emit({"id": row.id, "checkpoints": [path.name for path in paths], "bytes": freed})
    else:
        say(f"{len(paths)} checkpoint{'' if len(paths) == 1 else 's'} removed, {format_bytes(freed)} free again")


def _ask_for(word: str, what: str, confirm: str | None) -> None:
    """Raises BadInput unless the word is given, or typed."""
    hint = f"give --confirm {word}"
    if confirm is None and not sys.stdin.isatty():
        raise BadInput(f"{what}: that wants to be confirmed", hint=hint)
    if confirm is None:
        print(f"{what}. Type {word} to go on: ", end="", file=sys.stderr, flush=True)
        confirm = sys.stdin.readline().strip()
    if confirm != word:
        raise BadInput("not confirmed, nothing was removed", hint=hint)
