"""Tiny runs of any task, trained in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest

from workbench.contracts import events
from workbench.core.rundir import RunDir
from workbench.tasks import recipe_union as recipe


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., RunDir]:
    """`trained(recipe, "field=value", …, name="run", stop_at=None)`: a run of the recipe after one more attempt.

    Relative paths in the recipe are looked for in `tmp_path`. With `stop_at` the attempt is asked to stop at that step.
    """
    from workbench.train.run_log import LogJournal
    from workbench.train.session import Session
    from workbench.train.stopping import StopRequest

    class StopAt(StopRequest):
        def __init__(self, run: RunDir, step: int) -> None:
            super().__init__(run.stop_request)
            self._log, self._step = run.events, step

        @property
        def reason(self) -> str | None:
            done = [event.step for event in events.read_all(self._log) if event.type == "step"]
            return "asked to" if max(done, default=0) >= self._step - 1 else None

    def train(text: str, *overrides: str, name: str = "run", stop_at: int | None = None) -> RunDir:
        run = RunDir(tmp_path / "runs" / name)
        if not run.path.exists():
            parsed = recipe.parse(text, overrides=list(overrides))
            run.path.mkdir(parents=True)
            run.recipe.write_text(text)
            facts = {"v": 1, "id": name, "recipe": parsed.resolved(), "search": [str(tmp_path)]}
            run.facts.write_text(json.dumps(facts | {"digest": parsed.digest()}))
        attempt = (
            max((event.attempt for event in events.read_all(run.events)), default=0) + 1 if run.events.exists() else 1
        )
        log = LogJournal(run.events, attempt=attempt)
        stop = StopAt(run, stop_at) if stop_at else StopRequest(run.stop_request)
        try:
            ended = Session(run, log, stop, attempt=attempt).run()
        finally:
            log.close()
        assert ended.state == ("stopped" if stop_at else "completed")
        return run

    return train


@pytest.fixture
def said() -> Callable[[RunDir, str], list[events.Event]]:
    """`said(run, type)`: the events of a type, in order."""
    return lambda run, kind: [event for event in events.read_all(run.events) if event.type == kind]
