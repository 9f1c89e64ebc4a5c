"""Ask, before anything is created, whether a recipe would run: its data, its model, its metrics.

The answer needs readers that the command line and the TUI may not import, so a child process gives it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.core.errors import RecipeError, WorkbenchError
from workbench.core.home import Home
from workbench.tasks.recipe_union import load


def preflight(recipe: Path, search: Sequence[Path], overrides: Sequence[str] = (), *, home: Home) -> dict[str, Any]:
    """What `workbench.train.check` says of the recipe: resolved recipe, model, data and steps.

    `search` are the directories that relative paths may mean, tried in order; `home` is where the run's checkpoints
    would have to find room. Raises RecipeError with every problem
    found, WorkbenchError where the check itself broke.
    """
    return _asked("workbench.train.check", recipe, search, overrides, home)


def measure(recipe: Path, search: Sequence[Path], overrides: Sequence[str] = (), *, home: Home) -> dict[str, Any]:
    """What `workbench.train.measure` finds: memory, time and disk. Takes a few steps' time. Raises like `preflight`."""
    measured = _asked("workbench.train.measure", recipe, search, overrides, home)["measured"]
    return dict(measured)


def _asked(module: str, recipe: Path, search: Sequence[Path], overrides: Sequence[str], home: Home) -> dict[str, Any]:
    load(recipe, list(overrides))  # what is wrong with the recipe itself is said at once
    argv = [sys.executable, "-m", module, str(recipe), "--home", str(home.path)]
    argv += [word for directory in search for word in ("--base-dir", str(directory))]
    argv += [word for assignment in overrides for word in ("--set", assignment)]
    environment = os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    child = subprocess.run(argv, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    try:
        answer = json.loads(child.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise WorkbenchError(f"the check of the recipe broke off ({last})", where=str(recipe)) from error
    if not answer.get("ok"):
        raise RecipeError([str(problem) for problem in answer["problems"]])
    return dict(answer)
