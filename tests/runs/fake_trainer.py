"""A trainer that only pretends: one step every few milliseconds, and the end it is told to come to."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from workbench.contracts.events import EventWriter
from workbench.core.rundir import RunDir, hold_lock

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("--steps", type=int, default=10_000)
parser.add_argument("--pause", type=float, default=0.01)
parser.add_argument("--deaf", action="store_true", help="ignore the stop file")
parser.add_argument("--deaf-to-sigterm", action="store_true")
parser.add_argument("--save", type=float, default=0.0, help="seconds a save takes")
parser.add_argument("--silent-after", type=int, help="no more events after this step")
parser.add_argument("--orphan", action="store_true", help="leave a child behind that leads its own session")
parser.add_argument("--exit", type=int, help="exit with this and say nothing")
parser.add_argument("--die", type=int, help="die of this signal")
parser.add_argument("--say", help="write this on the console before the end")
parser.add_argument("--raise", dest="wrong", help="raise a RuntimeError with this text")
parser.add_argument("--needs-peers", action="store_true", help="fail at a stop, as a collective whose peer is gone")
options = parser.parse_args()

run = RunDir(Path(options.run))
rank = int(os.environ.get("RANK", 0))
if rank > 0:
    # Like the other ranks of a real trainer: no lock, no log, and the end comes with the first one's.
    ended = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    (run.path / f"rank-{rank}.pid").write_text(str(os.getpid()))
    while not ended and (options.deaf or not run.stop_request.exists()):
        time.sleep(0.01)
    sys.exit(0)
lock = hold_lock(run.trainer_lock)
assert lock is not None, "another trainer is at work"
log = EventWriter(run.events, attempt=int(os.environ["WORKBENCH_ATTEMPT"]))
terminated = False


def note(number, frame):
    global terminated
    terminated = True


signal.signal(signal.SIGTERM, signal.SIG_IGN if options.deaf_to_sigterm else note)


def asked_to_stop():
    return terminated or (run.stop_request.exists() and not options.deaf)


def stop(step):
    if options.needs_peers:
        raise RuntimeError("connection closed by peer")
    log.write("stopping", step=step, reason="asked to")
    time.sleep(options.save)
    log.write("checkpoint", step=step, path=f"checkpoints/step-{step}", bytes=0, seconds=options.save, best=False)
    log.write("finished", state="stopped", reason=f"asked to stop, after step {step}")
    sys.exit(0)


if options.orphan:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", middle], check=True)

for step in range(1, options.steps + 1):
    time.sleep(options.pause)
    if options.silent_after is None or step <= options.silent_after:
        log.write("step", step=step, epoch=step / 100, scalars={"train/loss": 1 / step})
    if asked_to_stop():
        stop(step)

if options.say:
    print(options.say, flush=True)
if options.wrong:
    raise RuntimeError(options.wrong)
if options.die:
    os.kill(os.getpid(), options.die)
if options.exit is not None:
    sys.exit(options.exit)
log.write("finished", state="completed", reason="every step was made")
