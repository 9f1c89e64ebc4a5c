"""Following a run from the command line: the line that moves, what stays, and how it is said to have ended."""

import io
import os
import pty
import subprocess
import sys

import pytest

from workbench.cli.follow import FollowedRun, follow
from workbench.contracts.events import EvalEvent, EventWriter, PlanEvent, StepEvent, decode
from workbench.core.home import Home
from workbench.registry import Ingestor


class Terminal(io.StringIO):
    """What a person would see, before any line is rewritten."""

    def isatty(self) -> bool:
        return True


def step(number: int, t: float, attempt: int = 1) -> StepEvent:
    return StepEvent(t=t, attempt=attempt, step=number, epoch=None, tokens=None, scalars={"train/loss": 1 / number})


def evaluation(**scores: float) -> EvalEvent:
    scalars = {f"eval/{name}": value for name, value in scores.items()}
    return decode(EvalEvent, {"step": 2, "split": "validation", "scalars": scalars})


def test_the_line_says_how_far_it_is_and_how_long_it_takes():
    progress = FollowedRun()
    assert progress.line() == "starting: loading the model and the data"
    progress.take(decode(PlanEvent, {"total_steps": 8, "best": "eval/f1"}), from_supervisor=False)
    for number in (1, 2, 3):
        progress.take(step(number, 10.0 * number), from_supervisor=False)
    assert progress.line() == "37%  step 3/8  loss 0.3333  50s left"
    progress.take(evaluation(accuracy=0.5, loss=0.7, f1=0.6), from_supervisor=False)
    assert progress.line() == "37%  step 3/8  loss 0.3333  validation loss 0.7000  f1 0.6000  50s left"


def test_the_days_between_two_attempts_are_no_training():
    progress = FollowedRun(total=5)
    progress.take(step(1, 0.0), from_supervisor=False)
    progress.take(step(2, 1.0), from_supervisor=False)
    progress.take(step(3, 90_000.0, attempt=2), from_supervisor=False)
    assert "left" not in progress.line()
    progress.take(step(4, 90_001.0, attempt=2), from_supervisor=False)
    assert progress.line().endswith("1.0s left")


def test_what_stays_is_what_tells_most_and_every_warning(shell, finished_run):
    run = finished_run()
    log = EventWriter(run.events)
    log.write("eval", step=3, split="test", scalars={"test/f1_macro": 0.1, "test/f1": 0.2, "test/loss": 0.3})
    log.close()
    screen = Terminal()
    assert follow(Home(shell.home), run, out=screen) == 0
    kept = screen.getvalue()
    assert "test at step 3: loss 0.3000  f1 0.2000\n" in kept
    assert "! 3 rows are cut at 128 tokens\n" in kept
    assert "first (" in kept.splitlines()[-1]
    assert "completed in " in kept.splitlines()[-1]


def test_following_a_run_again_does_not_tell_its_past_again(shell, finished_run):
    run = finished_run(state="failed")
    screen = Terminal()
    assert follow(Home(shell.home), run, out=screen, past=False) == 1
    assert "validation at step" not in screen.getvalue()
    assert "failed" in screen.getvalue()


@pytest.mark.parametrize(("columns", "there", "gone"), [(120, "text-classification", ""), (40, "AGE", "TASK")])
def test_a_list_fits_the_terminal_and_never_cuts_an_id(shell, finished_run, columns, there, gone):
    run = finished_run("情感 a rather long name of a run")
    with Ingestor(Home(shell.home)) as ingestor:
        ingestor.poll()
    ours, theirs = pty.openpty()
    environment = os.environ | {"WORKBENCH_HOME": str(shell.home), "COLUMNS": str(columns)}
    words = [sys.executable, "-m", "workbench", "ls"]
    subprocess.run(words, stdout=theirs, stdin=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert run.id in shown
    assert "completed" in shown
    assert there in shown
    assert not gone or gone not in shown
