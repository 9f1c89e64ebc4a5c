"""What a run was made from: the code's commit, the versions installed, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
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
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    return {"commit": commit.strip(), "dirty": bool(changes and changes.strip()) if changes is not None else None}


def _git(directory: Path, *arguments: str) -> str | None:
    filters = _run_git(directory, _HARMLESS, "config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.") or ""
    return _run_git(directory, _HARMLESS | dict.fromkeys(filter(None, filters.split("\0")), ""), *arguments)


# A repository's own config and attributes can name programs to run: none is, for a look.
_HARMLESS: Final = {
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
}


def _run_git(directory: Path, config: Mapping[str, str], *arguments: str) -> str | None:
    # It may take no locks and fetch nothing, and what the environment says of other repositories is not for it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment["GIT_CONFIG_COUNT"] = str(len(config))
    for number, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, encoding="utf-8", errors="replace",
            timeout=10, env=environment, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
