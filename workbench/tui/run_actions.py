"""What is done to a run from any pane: in a thread, then said, then looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.core.rundir import RunDir

if TYPE_CHECKING:
    from workbench.registry.snapshots import RunRow
    from workbench.tui.pane import Pane


def act(pane: Pane, run: RunRow, what: Callable[[RunDir], object], done: str) -> None:
    """Do something to a run.

    The run is the one that was asked about: another may be under the cursor by the time of the answer.
    """
    directory = RunDir(pane.app.home.runs / run.id)

    def said(_: object) -> None:
        pane.app.notify(done)
        pane.ask()

    pane.background(lambda: what(directory), said, group=f"act-{time.monotonic()}")


def stop(pane: Pane, run: RunRow, named: str) -> None:
    """Stop a run, if the user means it. `named` says which it is."""
    from workbench.runs.control import request_stop
    from workbench.tui.modals import Confirm

    question = Confirm(f"Stop {named}?", "Stop it", detail="It saves a checkpoint at the end of its step.")
    pane.app.ask_user(question, lambda _: act(pane, run, request_stop, f"Stopping {named}"))


def resume(pane: Pane, run: RunRow, named: str) -> None:
    """Let a run go on from its newest checkpoint."""
    from workbench.runs import control

    act(pane, run, lambda directory: control.resume(pane.app.home, directory), f"{named} resumed")
