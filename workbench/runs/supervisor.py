"""The process that watches one run: `python -m workbench.runs.supervisor RUN_DIR`.

It starts the trainer, samples the machine, notices silence, escalates a stop, ends what the trainer leaves
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from workbench.contracts.events import FinishedEvent, StartedEvent
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.processes import Identity
from workbench.core.redact import argv as redacted
from workbench.core.rundir import RunDir, hold_lock
from workbench.core.supervisor_record import Record
from workbench.runs import record
from workbench.runs.engines.available import engine_for, engine_named
from workbench.runs.engines.engine import Job, LaunchFacts
from workbench.runs.postmortem import record_lost
from workbench.runs.stop_escalation import Patience
from workbench.runs.supervisor_log import PatientLog, say
from workbench.runs.watch import TrainerWatch

_PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one supervisor is asked to do. `resume_step` is the checkpoint an attempt after the first goes on from."""

    run: RunDir
    resume_step: int | None = None
    accept: Sequence[str] = ()
    trainer: Sequence[str] = ()
    patience: Patience = field(default_factory=Patience)


class LaunchAnswer:
    """Tells the launcher, once, that the run is at work or why it is not. Without a launcher it tells nobody."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_inheritable(fd, False)

    def at_work(self) -> None:
        self._tell({"pid": os.getpid()})

    def refused(self, error: WorkbenchError) -> None:
        self._tell({"error": error.sentence, "exit_code": error.exit_code})

    def _tell(self, answer: dict[str, object]) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, json.dumps(answer).encode())
        except BrokenPipeError:
            pass  # the launcher has been killed: the run goes on
        finally:
            os.close(self._fd)
            self._fd = None


def supervise(order: Assignment, ready: LaunchAnswer | None = None) -> None:
    """Run one attempt from start to end. Raises WorkbenchError where it cannot be started."""
    ready = ready or LaunchAnswer()
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
            log.insist(watch.until_it_ends().event())
        finally:
            log.close()
    finally:
        os.close(lock)


def _next_attempt(order: Assignment) -> int:
    """The number of the attempt, once it is certain that the one before is over and recorded."""
    run = order.run
    if run.training() or record.trainer_at_work(run):
        raise BadInput(f"run {run.id} has a trainer at work", hint=f"stop it first with `workbench stop {run.id}`")
    attempt = record.last_attempt(run) + 1
    if attempt > 1 and order.resume_step is None:
        raise BadInput(f"run {run.id} was started before", hint=f"go on with `workbench resume {run.id}`")
    before = Record.read(run)
    if before is not None:
        engine_named(before.engine).forget(run)
        record_lost(run, before)
    return attempt


def _become_subreaper() -> None:
    """Descendants whose parent dies become our children, so that their ends are seen and no zombie stays."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the environment tags still find them
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start(order: Assignment, attempt: int, log: PatientLog) -> TrainerWatch:
    run = order.run
    job = Job(run, attempt, _launch_facts(run), accept=tuple(order.accept), program=tuple(order.trainer))
    name, engine = engine_for(job.launch)
    watch = TrainerWatch(job, engine, log=log, patience=order.patience)
    try:
        entry = _record(attempt, name)
        entry.write(run)
        submitted = watch.submit()
        process = submitted.process
        replace(
            entry,
            trainer_pid=process.pid if process else None,
            trainer_start_ticks=process.start_ticks if process else None,
            job=submitted.job,
        ).write(run)
        log.write(
            StartedEvent(
                pid=process.pid if process else None,
                argv=tuple(redacted(submitted.argv)),
                host=submitted.host,
                resume_step=order.resume_step,
            )
        )
    except OSError as error:
        watch.abandon()
        reason = f"the trainer cannot be started ({error.strerror or error})"
        log.write(FinishedEvent(state="failed", reason=reason, exit_code=None, signal=None))
        raise WorkbenchError(reason, where=str(run.path)) from error
    return watch


def _record(attempt: int, engine: str) -> Record:
    """This supervisor's, before there is a trainer."""
    me = Identity.of(os.getpid())
    assert me is not None
    return Record(
        me.pid, me.start_ticks, me.boot_id, socket.gethostname(), attempt, round(time.time(), 3), None, None, engine
    )


def _launch_facts(run: RunDir) -> LaunchFacts:
    try:
        return LaunchFacts.of(run.read_facts())
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"run.json cannot be read ({error})", where=str(run.path)) from error


def _order(arguments: Sequence[str]) -> tuple[Assignment, int | None]:
    own, trainer = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m workbench.runs.supervisor", description=__doc__)
    parser.add_argument("run", help="the run's directory")
    parser.add_argument("--resume-step", type=int, help="the step of the checkpoint to go on from")
    parser.add_argument("--accept", action="append", default=[], help="a difference that a resume may have")
    parser.add_argument("--ready-fd", type=int, help="where the launcher waits for the answer")
    options = parser.parse_args(own)
    run = RunDir(Path(options.run).absolute())
    return Assignment(run, options.resume_step, tuple(options.accept), tuple(trainer)), options.ready_fd


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
    ready = LaunchAnswer(fd)
    try:
        supervise(order, ready)
    except WorkbenchError as error:
        return _refused(ready, error)
    except OSError as error:
        what = f"the supervisor cannot work ({error.strerror or error})"
        return _refused(ready, WorkbenchError(what, where=str(error.filename or order.run.path)))
    return 0


def _refused(ready: LaunchAnswer, error: WorkbenchError) -> int:
    ready.refused(error)
    say(error.sentence)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
