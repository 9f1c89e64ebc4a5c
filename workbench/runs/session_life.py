"""Whether a run outlives the session that it is started from, and how it is made to.

systemd-logind with KillUserProcesses=yes (logind.conf(5)) ends all that is in a session's scope when the user leaves,
new session or not; what stands in a scope of the user's own manager stays, for as long as that manager does (linger).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SESSION_SCOPE: Final = re.compile(r"/session-[^/]+\.scope(?:/|$)", re.MULTILINE)
_SCOPE: Final = ("--user", "--scope", "--quiet", "--collect", "--")


@dataclass(frozen=True, slots=True)
class SessionLife:
    """`ends` says with what a run would end that is started here, empty where with nothing; `hint` what to do.

    `scope` goes before the supervisor's command, so that it stands outside of the session. `whole_machine` is set
    where what ends it is all that the user has here (a container), so that there is no need to say it with every run.
    """

    ends: str = ""
    hint: str = ""
    scope: tuple[str, ...] = ()
    whole_machine: bool = False


def here(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> SessionLife:
    """What becomes of a run that is started from this process. `root` stands in for `/`."""
    if job := environ.get("SLURM_JOB_ID"):
        return SessionLife(
            f"with Slurm job {job}, which it is started in", "ask by sbatch for a job as long as the run"
        )
    in_session = _SESSION_SCOPE.search(_text(root / "proc/self/cgroup"))
    if in_session and _logind("show-session", "KillUserProcesses") == "yes":
        return _in_session(environ)
    marks = (root / ".dockerenv", root / "run/.containerenv")
    if any(mark.exists() for mark in marks) or "KUBERNETES_SERVICE_HOST" in environ:
        return SessionLife("with this container", "keep the container, and the home on a volume", whole_machine=True)
    return SessionLife()


def _in_session(environ: Mapping[str, str]) -> SessionLife:
    """The login manager ends all processes of a session with it."""
    scope = (shutil.which("systemd-run", path=environ.get("PATH")) or "", *_SCOPE)
    if not scope[0] or _said([*scope, "true"]) is None:
        return SessionLife("with this login session (KillUserProcesses=yes)", "start it where `systemctl --user` works")
    if _logind("show-user", "Linger", str(os.getuid())) == "yes":
        return SessionLife(scope=scope)
    return SessionLife("with your last login session", "`loginctl enable-linger` keeps what is yours running", scope)


def _logind(verb: str, name: str, *about: str) -> str:
    """A property of the login manager, or of what it knows; empty where it cannot be asked."""
    return _said(["loginctl", verb, *about, f"--property={name}", "--value"]) or ""


def _said(command: Sequence[str]) -> str | None:
    """What a command prints; None where it is not there or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, stdin=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
