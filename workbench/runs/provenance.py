"""What a run was made from: the code's commit, the versions installed, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "finetune-workbench", "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "peft",
    "safetensors", "numpy", "scikit-learn", "pyarrow",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed versions, read from metadata: nothing is imported. What is absent is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name.removeprefix("finetune-")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state(directory: Path) -> dict[str, object] | None:
    """`{"commit", "dirty"}` of the repository around `directory`; None without git, a repository or a commit."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": bool(changes and changes.strip()) if changes is not None else None}


def _git(directory: Path, *arguments: str) -> str | None:
    # A repository's own config can name programs to run (fsmonitor) and take locks: neither is wanted for a look.
    command = ["git", "-C", str(directory), "-c", "core.fsmonitor=false", *arguments]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=10, env=environment, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
