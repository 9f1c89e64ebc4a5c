"""The process that watches one run: `python -m workbench.runs.supervisor RUN_DIR`.

It starts the trainer, samples the machine, notices silence, walks the stop ladder, ends what the trainer leaves
behind, and says how it ended. The trainer depends on none of it: it has its own session and its own files, and goes
on when the supervisor is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workbench.contracts.events import FinishedEvent, StartedEvent
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.rundir import RunDir, hold_lock
from workbench.runs import record
from workbench.runs.engines import local
from workbench.runs.identity import Identity
from workbench.runs.postmortem import bury
from workbench.runs.redact import argv as redacted
from workbench.runs.stop_escalation import Patience
from workbench.runs.supervisor_log import PatientLog, say
from workbench.runs.watch import Watch, end_leftovers

_PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)


@dataclass(frozen=True, slots=True)
class Order:
    """What one supervisor is asked to do. `resume_step` is the checkpoint an attempt after the first goes on from."""

    run: RunDir
    resume_step: int | None = None
    accept: Sequence[str] = ()
    trainer: Sequence[str] = ()
    patience: Patience = field(default_factory=Patience)


class Ready:
    """Tells the launcher, once, that the run is at work or why it is not. Without a launcher it tells nobody."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_inheritable(fd, False)

    def at_work(self) -> None:
        self._tell({"pid": os.getpid()})

    def refused(self, error: WorkbenchError) -> None:
        self._tell({"error": error.sentence, "exit_code": error.exit_code})

    def _tell(self, answer: dict[str, Any]) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, json.dumps(answer).encode())
        except BrokenPipeError:
            pass  # the launcher has been killed: the run goes on
        finally:
            os.close(self._fd)
            self._fd = None


def supervise(order: Order, ready: Ready | None = None) -> None:
    """Run one attempt from start to end. Raises WorkbenchError where it cannot be started."""
    ready = ready or Ready()
    lock = hold_lock(order.run.supervisor_lock)
    if lock is None:
        raise BadInput(f"run {order.run.id} has a supervisor already")
    try:
        attempt = _next_attempt(order)
        os.chdir(order.run.path)
        _become_subreaper()
        log = PatientLog(order.run.supervisor_log, attempt)
        try:
            watch = _start(order, attempt, log)
            ready.at_work()
            verdict = watch.until_it_ends()
            log.insist(verdict.event())
        finally:
            log.close()
    finally:
        os.close(lock)


def _next_attempt(order: Order) -> int:
    """The number of the attempt, once it is certain that the one before is over and told."""
    run = order.run
    if run.training() or record.orphan(run) is not None:
        raise BadInput(f"run {run.id} has a trainer at work", mend=f"stop it first with `workbench stop {run.id}`")
    attempt = record.last_attempt(run) + 1
    if attempt > 1 and order.resume_step is None:
        raise BadInput(f"run {run.id} was started before", mend=f"go on with `workbench resume {run.id}`")
    before = record.Record.read(run)
    if before is not None:
        end_leftovers(run)
        bury(run, before)
    return attempt


def _become_subreaper() -> None:
    """Descendants whose parent dies become our children, so that their ends are seen and no zombie stays."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the environment tags still find them
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start(order: Order, attempt: int, log: PatientLog) -> Watch:
    run = order.run
    facts = _facts(run)
    command = local.command(run, facts, attempt=attempt, environ=os.environ, accept=order.accept, trainer=order.trainer)
    watch = Watch(run, facts, command, attempt=attempt, log=log, patience=order.patience)
    me = Identity.of(os.getpid())
    assert me is not None
    entry = record.Record(
        me.pid, me.start_ticks, me.boot_id, socket.gethostname(), attempt, started=round(time.time(), 3)
    )
    try:
        entry.write(run)
        trainer = watch.spawn()
        record.Record(
            entry.pid, entry.start_ticks, entry.boot_id, entry.host, attempt, entry.started,
            trainer.pid, trainer.start_ticks,
        ).write(run)  # fmt: skip
        log.write(
            StartedEvent(
                pid=trainer.pid,
                argv=tuple(redacted(command.argv)),
                host=entry.host,
                resume_step=order.resume_step,
            )
        )
    except OSError as error:
        watch.abandon()
        reason = f"the trainer cannot be started ({error.strerror or error})"
        log.write(FinishedEvent(state="failed", reason=reason, exit_code=None, signal=None))
        raise WorkbenchError(reason, where=str(run.path)) from error
    return watch


def _facts(run: RunDir) -> dict[str, Any]:
    try:
        return run.read_facts()
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"run.json cannot be read ({error})", where=str(run.path)) from error


def _order(arguments: Sequence[str]) -> tuple[Order, int | None]:
    own, trainer = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m workbench.runs.supervisor", description=__doc__)
    parser.add_argument("run", help="the run's directory")
    parser.add_argument("--resume-step", type=int, help="the step of the checkpoint to go on from")
    parser.add_argument("--accept", action="append", default=[], help="a difference that a resume may have")
    parser.add_argument("--ready-fd", type=int, help="where the launcher waits for the answer")
    options = parser.parse_args(own)
    run = RunDir(Path(options.run).absolute())
    return Order(run, options.resume_step, tuple(options.accept), tuple(trainer)), options.ready_fd


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own options, and after `--` the trainer's command."""
    words = list(arguments)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def main(arguments: Sequence[str]) -> int:
    """Detach, supervise, and end when the run has."""
    order, fd = _order(arguments)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if fd is not None and os.fork():
        os._exit(0)  # the launcher reaps this one; the run's supervisor is nobody's child
    ready = Ready(fd)
    try:
        supervise(order, ready)
    except WorkbenchError as error:
        return _refused(ready, error)
    except OSError as error:
        what = f"the supervisor cannot work ({error.strerror or error})"
        return _refused(ready, WorkbenchError(what, where=str(error.filename or order.run.path)))
    return 0


def _refused(ready: Ready, error: WorkbenchError) -> int:
    ready.refused(error)
    say(error.sentence)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
