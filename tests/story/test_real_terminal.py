"""The whole story on a real terminal: one command, a live chart, a closed terminal, the run found again, a sentence."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from workbench.contracts.events import read_all

SMALL = ("--set", "data.subset.rows=240", "--set", "data.subset.seed=1", "--set", "train.epochs=2")


def workbench(environment: dict[str, str], *words: str) -> str:
    """What a command prints. Fails unless it exits 0."""
    argv = [sys.executable, "-m", "workbench", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def the_chart_moves(seen: set[str]):
    """Whether the Live pane has shown three different steps by now."""

    def moved(text: str) -> bool:
        if match := re.search(r"step (\d+) of \d+", text):
            seen.add(match[1])
        return len(seen) >= 3 and "loss" in text

    return moved


def test_a_newcomer_trains_watches_leaves_returns_and_tries(terminal, environment):
    first = terminal("demo", *SMALL)
    first.wait_for(the_chart_moves(set()), 240)
    first.send("q")
    assert first.wait_exit(30) == 0

    workbench(environment, "tail", "last", "-f")
    found = json.loads(workbench(environment, "ls", "--json"))[0]
    assert found["state"] == "completed"
    assert found["metrics"]["eval/accuracy"]["best"] > 0.5

    second = terminal()
    second.wait_for("demo-sentiment", 60)
    second.wait_for("completed", 60)
    second.send("\r")
    second.wait_for("0 hidden", 60)
    second.send("6")
    second.wait_for("Try", 30)
    second.wait_for(lambda text: "oading" not in text and "demo-sentiment" in text, 120)
    second.type("I cannot stand it anymore!")
    answered = second.wait_for(lambda text: "negative" in text and "positive" in text, 120)
    assert "I cannot stand it anymore!" in answered
    second.send("\x1b")
    second.feed(1)
    second.send("\x1b")
    second.feed(1)
    second.send("1")
    second.wait_for("filter  n new", 30)
    second.send("q")
    assert second.wait_exit(30) == 0


def test_a_run_survives_the_tui_that_watched_it(terminal, environment):
    watched = terminal("demo", *SMALL)
    watched.wait_for(the_chart_moves(set()), 240)
    os.kill(watched.pid, signal.SIGKILL)
    assert watched.wait_exit(30) == -signal.SIGKILL

    workbench(environment, "tail", "last", "-f")
    found = json.loads(workbench(environment, "ls", "--json"))[0]
    assert found["state"] == "completed"
    logged = read_all(Path(environment["WORKBENCH_HOME"]) / "runs" / found["id"] / "events.jsonl")
    losses = [[e.step, e.scalars["train/loss"], e.t] for e in logged if e.type == "step"]
    assert json.loads(workbench(environment, "points", found["id"], "train/loss", "--json")) == losses
    assert len(losses) == 30
