"""What the tests of runs share: a recipe, the pretended trainer, waiting for and ending real processes."""

import signal
import sys
import time
from pathlib import Path

from workbench.contracts.events import read_all
from workbench.core.processes import Identity
from workbench.core.supervisor_record import Record
from workbench.runs.engines.run_processes import tagged

RECIPE = """\
name = "pretence"
task = "causal-lm"
[model]
name = "no-such-model"
[data]
source = "builtin:python-docs"
"""

FAKE = Path(__file__).with_name("fake_trainer.py")

SUPERVISE = """\
import sys
from pathlib import Path
from workbench.core.rundir import RunDir
from workbench.runs.stop_escalation import Patience
from workbench.runs.supervisor import Assignment, supervise
run, least, hurry, *trainer = sys.argv[1:]
supervise(Assignment(RunDir(Path(run)), trainer=trainer, patience=Patience(float(least), float(hurry))))
"""


def until(condition, seconds=30.0):
    """Wait for a condition of other processes; the limit only keeps a failure from hanging."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return found


def fake(run, *options):
    """The argv of a pretended trainer."""
    return [sys.executable, str(FAKE), str(run.path), *options]


def types(path, kind):
    return [event for event in read_all(path) if event.type == kind]


def end_of(run, attempt=1):
    """The supervisor's last word on an attempt, waited for."""

    def ended():
        return [event for event in types(run.supervisor_log, "finished") if event.attempt == attempt]

    return until(ended)[-1].fields()


def steps(run):
    return [event.step for event in types(run.events, "step")]


def kill(pid):
    """kill -9 of exactly the process that has this pid now."""
    victim = Identity.of(pid)
    assert victim is not None
    assert victim.send(signal.SIGKILL)
    until(lambda: not victim.alive())


def end_everything(run):
    record = Record.read(run)
    supervisor = record and Identity(record.pid, record.start_ticks, record.boot_id)
    for process in [*([supervisor] if supervisor else []), *tagged(run)]:
        process.send(signal.SIGKILL)
