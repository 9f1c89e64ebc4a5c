"""Run directories without training: logs written through `workbench.contracts.events`, as a trainer would.

python tests/tui/fabricate.py HOME --runs 10000      # many finished runs
python tests/tui/fabricate.py HOME --live 200        # one more that goes on for 200 steps, ten a second
"""

from __future__ import annotations

import argparse
import json
import math
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from workbench.contracts.events import EventWriter
from workbench.core.home import Home
from workbench.core.rundir import RunDir, hold_lock
from workbench.tasks.recipe_union import parse

RECIPE = """# workbench run demo.toml
name = "demo"
task = "text-classification"

[model]
name = "builtin:minilm"

[data]
source = "builtin:reviews"

[train]
epochs = 3
"""
EPOCH = 1_700_000_000.0  # when the first fabricated run was made
_RESOLVED = parse(RECIPE)


def make_run(
    home: Home,
    id: str,
    *,
    name: str = "demo",
    steps: int = 40,
    total: int | None = None,
    state: str | None = "completed",
    created: float = EPOCH,
    tags: Sequence[str] = (),
    note: str = "",
    traceback: str = "",
    reason: str = "",
    warnings: Sequence[str] = (),
    console: str = "",
    seed: int = 0,
    nan_at: int | None = None,
) -> RunDir:
    """A run of `steps` logged steps that ended in `state` (None: it has not ended; whoever calls holds its lock)."""
    run = RunDir(home.ensure().runs / id)
    run.path.mkdir(mode=0o700)
    run.recipe.write_text(RECIPE, "utf-8")
    recipe = _RESOLVED.resolved() | {"name": name, "tags": list(tags)}
    facts = {
        "v": 1, "id": id, "name": name, "created": created, "recipe": recipe, "overrides": [],
        "digest": _RESOLVED.digest(), "argv": [], "search": [str(home.path)], "recipe_file": None, "download": False,
        "git": None, "versions": {}, "host": socket.gethostname(),
    }  # fmt: skip
    run.facts.write_text(json.dumps(facts, ensure_ascii=False), "utf-8")
    _user_log(run, created, name, note)
    supervisor = EventWriter(run.supervisor_log)
    supervisor.write("started", t=created + 1, pid=1, argv=[], host=facts["host"], resume_step=None)
    for seconds in range(2, 3 + steps // 10, 2):
        supervisor.write("system", t=created + seconds, scalars={"system/cpu": 97.0, "system/memory": 1.3e9})
    _train(run, created + 2, steps, total or steps, warnings, random.Random(seed), nan_at)
    if state is not None:
        ended = created + 3 + steps / 10
        supervisor.write(
            "finished", t=ended, state=state, reason=reason, exit_code=0 if state == "completed" else 1, signal=None,
            traceback=traceback or None,
        )  # fmt: skip
    supervisor.close()
    run.console.write_text(console, "utf-8")
    return run


def _user_log(run: RunDir, created: float, name: str, note: str) -> None:
    log = EventWriter(run.user_log)
    task, model = "text-classification", "builtin:minilm"
    log.write("created", t=created, run=run.id, name=name, task=task, model=model, digest=_RESOLVED.digest())
    if note:
        log.write("note", t=created + 1, text=note)
    log.close()


def _train(
    run: RunDir, began: float, steps: int, total: int, warnings: Sequence[str], dice: random.Random, nan_at: int | None
) -> None:
    log = EventWriter(run.events)
    plan(log, began, total)
    for text in warnings:
        log.write("warning", t=began + 1, code="fabricated", text=text, count=3)
    for step in range(1, steps + 1):
        step_event(log, step, total, dice, began + step / 10, nan=step == nan_at)
        if step % max(1, total // 4) == 0:
            eval_event(log, step, total, dice, began + step / 10)
    log.close()


def plan(log: EventWriter, t: float, total: int) -> None:
    log.write(
        "plan", t=t, total_steps=total, steps_per_epoch=max(1, total // 3), epochs=3, device="cpu", precision="bf16",
        parameters=22_700_000, trainable=22_700_000, new_weights=[], best="accuracy", direction="max",
    )  # fmt: skip


def step_event(
    log: EventWriter, step: int, total: int, dice: random.Random, t: float | None, nan: bool = False
) -> None:
    share = step / total
    loss = math.nan if nan else 0.75 * math.exp(-3 * share) + 0.08 + dice.gauss(0, 0.04) * math.exp(-share)
    scalars = {
        "train/loss": loss if nan else max(0.01, loss),
        "train/learning_rate": 5e-5 * (1 - share),
        "train/grad_norm": abs(2 + dice.gauss(0, 0.7)),
        "train/tokens_per_second": 1500 + dice.gauss(0, 40),
    }
    log.write("step", t=t, step=step, epoch=round(3 * share, 4), tokens=64 * step, scalars=scalars)


def eval_event(log: EventWriter, step: int, total: int, dice: random.Random, t: float | None) -> None:
    share = step / total
    accuracy = 0.5 + 0.4 * (1 - math.exp(-3 * share)) + dice.gauss(0, 0.01)
    scalars = {"eval/loss": 0.6 * math.exp(-2 * share) + 0.2, "eval/accuracy": accuracy, "eval/f1": accuracy - 0.02}
    log.write(
        "eval", t=t, step=step, epoch=round(3 * share, 4), split="validation", scalars=scalars,
        labels=["negative", "positive"], confusion=[[40, 10], [8, 42]], per_class=[], predictions=None,
    )  # fmt: skip


def many(home: Home, count: int) -> None:
    """`count` finished runs, one a minute."""
    names = ("sentiment-minilm", "bert-holdout", "gpt2-docs", "demo", "中文情感分类")
    for number in range(count):
        state = "failed" if number % 17 == 0 else "completed"
        name = f"{names[number % len(names)]}-{number}"
        make_run(home, f"a{number:06d}", name=name, steps=12, state=state, created=EPOCH + 60 * number, seed=number)


def live(home: Home, steps: int, pause: float, id: str = "zlive0000") -> None:
    """A run that goes on while this process lives."""
    dice = random.Random(1)
    run = make_run(home, id, name="live-run", steps=1, total=steps, state=None, created=time.time())
    assert hold_lock(run.supervisor_lock) is not None
    assert hold_lock(run.trainer_lock) is not None
    log = EventWriter(run.events)
    with run.console.open("a", encoding="utf-8") as console:
        for step in range(2, steps + 1):
            time.sleep(pause)
            step_event(log, step, steps, dice, None)
            if step % 20 == 0:
                eval_event(log, step, steps, dice, None)
                print(f"evaluated at step {step}", file=console, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--live", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--id", default="zlive0000")
    arguments = parser.parse_args()
    home = Home(arguments.home.absolute()).ensure()
    many(home, arguments.runs)
    if arguments.live:
        live(home, arguments.live, arguments.pause, arguments.id)


if __name__ == "__main__":
    main()
