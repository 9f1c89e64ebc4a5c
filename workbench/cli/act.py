"""Commands that change something about a run, each undone by another one or asked for twice."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from workbench.cli.context import find, home_of
from workbench.cli.follow import follow
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, say
from workbench.cli.read import Handle
from workbench.contracts.events import END_STATES
from workbench.core.errors import BadInput
from workbench.registry import reindex as rebuild
from workbench.runs import control


def register(cli: typer.Typer) -> None:
    for command in (stop, resume, rm, restore, tag, note, reindex):
        cli.command(command.__name__, cls=Command)(command)


def _done(as_json: bool, text: str, **facts: Any) -> None:
    if as_json:
        emit(facts)
    else:
        say(text)


def stop(
    context: typer.Context,
    run: Handle,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for a checkpoint.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a run at the end of its step, its state saved; `resume` goes on from there."""
    _, row, directory = find(context, run)
    if row.state in END_STATES:
        raise BadInput(f"{row.id} is not running, it is {row.state}", hint="nothing to stop")
    control.request_stop(directory, now=now)
    how = "is being ended now" if now else "stops at the end of its step and saves"
    _done(as_json, f"{row.id} {how}", id=row.id, stopping=True, now=now)


def resume(
    context: typer.Context,
    run: Handle,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="WHAT",
            help="A difference to accept: data, tokenizer, batch, world, recipe, env; may be repeated.",
        ),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin again; its checkpoints are set aside.")
    ] = False,
    following: Annotated[bool, typer.Option("--follow", help="Show progress until the end.")] = False,
    as_json: AsJson = False,
) -> int:
    """Go on with a run from its newest whole checkpoint."""
    home, row, directory = find(context, run)
    control.resume(home, directory, accept=tuple(accept or ()), from_start=from_start)
    _done(as_json, f"{row.id} goes on", id=row.id, resumed=True)
    return follow(home, directory, out=sys.stderr if as_json else sys.stdout, past=False) if following else 0


def rm(context: typer.Context, run: Handle, as_json: AsJson = False) -> None:
    """Delete a run. It stays on disk until `purge`: `restore` brings it back."""
    _, row, directory = find(context, run)
    control.soft_delete(directory)
    _done(
        as_json,
        f"{row.id} ({row.name}) deleted: `workbench restore {row.id}` brings it back",
        id=row.id,
        deleted=True,
    )


def restore(context: typer.Context, run: Handle, as_json: AsJson = False) -> None:
    """Bring a deleted run back."""
    _, row, directory = find(context, run, include_deleted=True)
    if not row.deleted:
        raise BadInput(f"{row.id} is not deleted", hint="nothing to restore")
    control.restore(directory)
    _done(as_json, f"{row.id} ({row.name}) is back", id=row.id, deleted=False)


def tag(
    context: typer.Context,
    run: Handle,
    tags: Annotated[list[str], typer.Argument(metavar="TAG", help="Tags to add.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them off instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tag a run."""
    _, row, directory = find(context, run)
    for word in tags:
        (control.untag if remove else control.tag)(directory, word)
    _, row, _ = find(context, row.id)
    _done(as_json, f"{row.id} tags: {' '.join(row.tags) or 'none'}", id=row.id, tags=list(row.tags))


def note(
    context: typer.Context,
    run: Handle,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; replaces the one before.")],
    as_json: AsJson = False,
) -> None:
    """Write a note about a run."""
    _, row, directory = find(context, run)
    control.note(directory, text)
    _done(as_json, f"{row.id} noted", id=row.id, notes=text)


def reindex(context: typer.Context, as_json: AsJson = False) -> None:
    """Rebuild the registry from the run directories."""
    count = rebuild(home_of(context).ensure())
    _done(as_json, f"{count} run{'' if count == 1 else 's'} indexed", runs=count)
