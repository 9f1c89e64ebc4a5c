"""`export`: the model of a run as a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.context import find
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, say
from workbench.cli.predict import checkpoint_of
from workbench.cli.read import Handle
from workbench.contracts.events import LIVE_STATES
from workbench.core.errors import BadInput
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.registry import RunRow
from workbench.runs.model_export import export as taken_out


def register(cli: typer.Typer) -> None:
    cli.command("export", cls=Command)(export)


def export(
    context: typer.Context,
    run: Handle,
    merge: Annotated[bool, typer.Option("--merge", help="Work adapters into their base: loads without peft.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where; default: ./NAME-ID. Never written over.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", metavar="C", help="step-N or N; default: the model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the model of a run out, to load with `from_pretrained` anywhere."""
    _, row, directory = find(context, run)
    source = None if checkpoint is None else checkpoint_of(directory, checkpoint)
    if source is None and not directory.model.is_dir():
        raise _no_model(row, directory)
    place = expanded(to or f"{row.name}-{row.id}").absolute()
    made = taken_out(directory, place, source=source, merge=merge)
    if as_json:
        emit({"path": str(made.path), "bytes": made.bytes, "adapters": made.adapters, "merged": made.merged})
        return
    kind = "adapters, which need their base" if made.adapters else "adapters merged" if made.merged else "whole"
    say(f"{made.path}  {made.bytes / 1e6:.1f} MB, {kind}")


def _no_model(row: RunRow, run: RunDir) -> BadInput:
    """Why a run has no model, and what can be taken instead."""
    from workbench.train.checkpoints import in_order  # with OpenSSL: only where it is asked for

    sealed = [path.name for path in in_order(run.checkpoints)]
    instead = f"give --checkpoint, one of {', '.join(sealed[-5:])}" if sealed else ""
    if row.state in LIVE_STATES:
        what, do = f"{row.id} is {row.state}, and its model is there at its end", "wait"
    else:
        what, do = f"{row.id} ended as {row.state}, before its model was there", "resume it"
    return BadInput(what, hint=f"{do}, or {instead}" if instead else do)
