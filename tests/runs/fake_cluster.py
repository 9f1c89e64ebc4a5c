"""An engine of a cluster that is only a directory: it has no processes here, and a test says what becomes of its jobs.

`jobs/<attempt>` holds `working`, an exit status, or `gone`; `log` one line for each verb that was asked for.
"""

import argparse
import os
from pathlib import Path

from workbench.core.rundir import RunDir
from workbench.runs.engines import available
from workbench.runs.engines.available import EngineEntry
from workbench.runs.engines.engine import Exited, Gone, Submitted, Working
from workbench.runs.stop_escalation import Patience
from workbench.runs.supervisor import Assignment, supervise


class FakeCluster:
    """Its state lies in the run's directory, so that every process sees the same cluster."""

    def submit(self, job):
        write(job.run, job.attempt, "working")
        note(job.run, f"submit {job.attempt} {','.join(job.accept)}")
        return Submitted("node-7", job=str(job.attempt), argv=("sbatch", "train.sh"))

    def find(self, run, submitted):
        state = (place(run) / submitted.job).read_text()
        if state == "working":
            return Working()
        return Gone("the cluster has lost the job") if state == "gone" else ended(int(state))

    def signal(self, run, submitted, number):
        note(run, f"signal {submitted.job} {number.name}")

    def forget(self, run):
        note(run, "forget")


def ended(status):
    return Exited(status, None, "no room on the node\n") if status >= 0 else Exited(None, -status)


def place(run):
    directory = run.path / "jobs"
    directory.mkdir(exist_ok=True)
    return directory


def write(run, attempt, state):
    temporary = place(run) / ".new"
    temporary.write_text(state)
    os.replace(temporary, place(run) / str(attempt))


def note(run, words):
    with (run.path / "cluster.log").open("a") as log:
        log.write(f"{words}\n")


def asked(run):
    """Every verb but `find`, in order."""
    return (run.path / "cluster.log").read_text().splitlines()


ENGINES = {"fake-cluster": EngineEntry(lambda launch: True, FakeCluster)}

if __name__ == "__main__":
    available.ENGINES = ENGINES
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--resume-step", type=int)
    parser.add_argument("--least", type=float, default=600.0)
    options = parser.parse_args()
    run = RunDir(Path(options.run))
    supervise(Assignment(run, options.resume_step, accept=["data"], patience=Patience(options.least, 0.1)))
