"""What goes wrong, and what must be so afterwards, told by a process that saw nothing of it.

A scenario makes its own run in the campaign's home, with a trainer that only pretends and everything else real, does
its harm at a moment that its random state chooses, and raises AssertionError where something untrue is told.
"""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RUNS = Path(__file__).parents[1] / "runs"
sys.path.insert(0, str(RUNS))

from runs_support import FAKE, RECIPE, end_everything, end_of, fake, steps, until  # noqa: E402

from workbench.contracts.events import LIVE_STATES, read_all  # noqa: E402
from workbench.contracts.lab.data_requests import DataSplits, RowsOf  # noqa: E402
from workbench.core.errors import WorkbenchError  # noqa: E402
from workbench.core.home import Home  # noqa: E402
from workbench.core.processes import Identity  # noqa: E402
from workbench.core.rundir import RunDir  # noqa: E402
from workbench.core.supervisor_record import Record  # noqa: E402
from workbench.lab.client import Lab  # noqa: E402
from workbench.registry import Ingestor, RunRow  # noqa: E402
from workbench.registry.current import current  # noqa: E402
from workbench.runs.create import create  # noqa: E402
from workbench.runs.engines import torchrun  # noqa: E402
from workbench.runs.spawn import launch  # noqa: E402
from workbench.tasks.experiment import Experiment  # noqa: E402


@dataclass(frozen=True)
class Fault:
    """One case of a campaign: the home it happens in, and the random state that chooses the moment."""

    home: Home
    rng: random.Random

    def started(self, *options: str, ranks: int = 1) -> RunDir:
        """A run at work, a random number of milliseconds into its training."""
        changes = [f"launch.processes={ranks}", "launch.threads=1"] if ranks > 1 else []
        run = create(self.home.ensure(), Experiment.read(RECIPE, overrides=changes))
        program = torchrun.argv(ranks, [str(FAKE), str(run.path), *options]) if ranks > 1 else fake(run, *options)
        launch(run, trainer=program)
        until(lambda: steps(run), seconds=120)
        if ranks > 1:
            second = run.path / "rank-1.pid"
            until(lambda: second.exists() and second.read_text(), seconds=120)
        self.pause(0.4)
        return run

    def pause(self, most: float) -> None:
        time.sleep(self.rng.uniform(0, most))


def kill(*victims: Identity | None) -> None:
    """kill -9 of each, and of no other process; whoever has ended by itself is past that."""
    for victim in victims:
        if victim is not None:
            victim.send(signal.SIGKILL)
    for victim in victims:
        if victim is not None:
            until(lambda victim=victim: not victim.alive())


def trainer_of(run: RunDir) -> Identity | None:
    record = Record.read(run)
    return record.trainer if record else None


def supervisor_of(run: RunDir) -> Identity | None:
    record = Record.read(run)
    return Identity(record.pid, record.start_ticks, record.boot_id) if record else None


def told(fault: Fault, run: RunDir, *states: str) -> RunRow:
    """What is told of the run now: one of these states, and every logged step once."""
    before = steps(run)
    with current(fault.home, lambda _: None) as registry:
        row = registry.find(run.id)
        kept = [step for step, _, _ in registry.points(run.id, "train/loss")]
    assert row.state in states, f"{row.state} ({row.reason}), not {' or '.join(states)}"
    logged = steps(run)  # a run that goes on has logged more meanwhile
    assert kept == logged[: len(kept)], f"{len(kept)} points that are not the first of {len(logged)} steps"
    assert len(before) <= len(kept), f"{len(kept)} points of {len(before)} steps"
    assert row.state in LIVE_STATES or row.state == "completed" or row.reason, "it ended, and nobody says why"
    return row


def the_trainer(fault: Fault) -> None:
    run = fault.started()
    kill(trainer_of(run))
    end_of(run)
    assert "SIGKILL" in told(fault, run, "killed").reason


def the_supervisor(fault: Fault) -> None:
    run = fault.started("--steps", "120")
    kill(supervisor_of(run))
    told(fault, run, "running", "completed")
    until(lambda: not run.alive())
    told(fault, run, "completed")


def both_at_once(fault: Fault) -> None:
    run = fault.started()
    with Ingestor(fault.home) as onlooker:
        onlooker.poll()
        fault.pause(0.1)
        kill(supervisor_of(run), trainer_of(run))
        if fault.rng.random() < 0.5:
            onlooker.poll()
    told(fault, run, "lost")
    told(fault, run, "lost")


def both_and_the_tui(fault: Fault) -> None:
    run = fault.started()
    parent, child = pty.openpty()
    screen = subprocess.Popen(
        [sys.executable, "-m", "workbench", "--home", str(fault.home.path)], stdin=child, stdout=child, stderr=child,
        start_new_session=True, env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(child)
    try:
        os.set_blocking(parent, False)
        until(lambda: _drawn(parent))
        fault.pause(1.0)
        kill(supervisor_of(run), trainer_of(run), Identity.of(screen.pid))
    finally:
        screen.kill()
        screen.wait()
        os.close(parent)
    told(fault, run, "lost")


def _drawn(terminal: int) -> bool:
    try:
        return bool(os.read(terminal, 65536))
    except BlockingIOError:
        return False


def the_lab(fault: Fault) -> None:
    rows = fault.home.ensure().path / "rows.jsonl"
    rows.write_text('{"text": "a"}\n' * 50)
    lab = Lab(home=fault.home.path)
    try:
        asked = DataSplits(RowsOf("source", str(rows)))
        before = lab.ask(asked)
        assert lab.pid is not None
        kill(Identity.of(lab.pid))
        try:
            after = lab.ask(asked)
        except WorkbenchError:  # it was told that the process had gone; the next one answers
            after = lab.ask(asked)
        assert after == before
    finally:
        lab.close()


def an_ingesting_command(fault: Fault) -> None:
    run = fault.started("--pause", "0.002")
    command = [sys.executable, "-m", "workbench", "ls", "--home", str(fault.home.path)]
    listing = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fault.pause(1.0)
    listing.kill()
    listing.wait()
    kill(trainer_of(run))
    end_of(run)
    told(fault, run, "killed")


def the_launcher(fault: Fault) -> None:
    run = fault.started(ranks=2)
    kill(trainer_of(run))
    end_of(run)
    assert "SIGKILL" in told(fault, run, "killed").reason


def one_of_two_ranks(fault: Fault) -> None:
    run = fault.started("--needs-peers", ranks=2)
    kill(Identity.of(int((run.path / "rank-1.pid").read_text())))
    end_of(run)
    assert "SIGKILL" in told(fault, run, "killed").reason


def a_damaged_file(fault: Fault) -> None:
    run = fault.started("--steps", "60")
    end_of(run)
    told(fault, run, "completed")
    victim = fault.rng.choice([fault.home.registry, run.supervisor, run.facts, run.events, run.user_log])
    harm = fault.rng.choice(["garbage", "cut", "empty"])
    data = bytearray(victim.read_bytes())
    if harm == "garbage":
        at = fault.rng.randrange(max(1, len(data) - 64))
        data[at : at + 64] = fault.rng.randbytes(64)
    victim.write_bytes(b"" if harm == "empty" else data[: len(data) // 2] if harm == "cut" else data)
    with current(fault.home, lambda _: None) as registry:
        row = registry.find(run.id)
        readable = {event.step for event in read_all(run.events) if event.type == "step"}
        kept = {step for step, _, _ in registry.points(run.id, "train/loss")} if readable else set()
    assert row.state in ("completed", "killed", "failed", "lost"), row.state
    assert readable <= kept or kept == readable, f"{len(kept)} points of {len(readable)} readable steps after {harm}"


def _on_a_disk_of_its_own(story: str) -> Callable[[Fault], None]:
    def happen(fault: Fault) -> None:
        from test_full_disk import STORY

        disk = fault.home.ensure().path / f"disk-{fault.rng.randrange(1 << 30)}"
        disk.mkdir()
        mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', str(disk)]
        if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
            raise Unavailable("may not mount a file system here")
        command = [*mount, sys.executable, "-c", STORY.replace("{test}", story), str(disk / "home"), str(RUNS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-1000:]

    return happen


class Unavailable(Exception):
    """This machine cannot show the fault."""


SCENARIOS: dict[str, tuple[Callable[[Fault], None], int]] = {
    "trainer": (the_trainer, 20),
    "supervisor": (the_supervisor, 18),
    "supervisor and trainer": (both_at_once, 26),
    "both, and the TUI with them": (both_and_the_tui, 8),
    "lab": (the_lab, 3),
    "a command that ingests": (an_ingesting_command, 10),
    "launcher of two ranks": (the_launcher, 3),
    "one of two ranks": (one_of_two_ranks, 3),
    "a damaged file": (a_damaged_file, 10),
    "full disk": (_on_a_disk_of_its_own("test_looking_and_stopping"), 2),
    "read-only home": (_on_a_disk_of_its_own("test_a_read_only_home"), 1),
}
"""Each with how often, of 104, it is drawn."""


def end_all(home: Home) -> None:
    """End whatever a fault has left at work in its home."""
    for path in home.runs.glob("*"):
        end_everything(RunDir(path))
