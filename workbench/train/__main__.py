"""`python -m workbench.train RUN_DIR`: one rank of a run, from its directory to its end.

Exit codes: 0 completed or stopped, 1 an exception, 2 bad input, 3 diverged; `finished` in the log says which.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

from workbench.contracts.events import EndState, FinishedEvent, read_all
from workbench.contracts.run_environment import attempt_given
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.rundir import RunDir, hold_lock
from workbench.train import device_faults
from workbench.train.run_log import Journal, LogJournal, SilentJournal
from workbench.train.stopping import StopRequest

_ENVIRONMENT: Final = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
}


class _LastingStream(io.TextIOWrapper):
    """The console, which lies on the disk that may be full: what it does not take is left unsaid."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _last_on_a_full_disk() -> None:
    """A warning of any library that cannot be printed must not end the training."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            lasting = _LastingStream(
                io.FileIO(os.dup(stream.fileno()), "w"), "utf-8", "backslashreplace", write_through=True
            )
            setattr(sys, name, lasting)


def main(arguments: list[str]) -> int:
    _last_on_a_full_disk()
    if len(arguments) != 1:
        print("usage: python -m workbench.train RUN_DIR", file=sys.stderr)
        return 2
    run = RunDir(Path(arguments[0]).absolute())
    if not run.facts.is_file():
        print(f"{run.path}: no run is there: it has no run.json", file=sys.stderr)
        return 2
    os.umask(0o077)
    stop = StopRequest(run.stop_request)
    stop.listen()
    if int(os.environ.get("RANK", "0")):
        return _train(run, SilentJournal(), stop, attempt=_attempt(run))
    lock = hold_lock(run.trainer_lock)
    if lock is None:
        print(f"{run.path}: another trainer works on this run", file=sys.stderr)
        return 2
    attempt = _attempt(run)
    journal = LogJournal(run.events, attempt=attempt)
    try:
        return _train(run, journal, stop, attempt=attempt)
    finally:
        journal.close()
        os.close(lock)


def _attempt(run: RunDir) -> int:
    """The supervisor's count, else one more than the log has seen."""
    seen = max((event.attempt for event in read_all(run.events)), default=0)
    return attempt_given() or seen + 1


def _train(run: RunDir, journal: Journal, stop: StopRequest, *, attempt: int) -> int:
    """Train, and write `finished` whatever happens. Returns the exit code."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Collecting garbage among all that torch and transformers import takes a quarter of the time to the first step.
    gc.disable()
    try:
        from workbench.train.session import Session

        ended = Session(run, journal, stop, attempt=attempt).run()
        journal.write(
            FinishedEvent(
                state=ended.state, reason=ended.reason, exit_code=0, signal=None, peak_memory=ended.peak_memory
            )
        )
        return 0
    except WorkbenchError as error:
        print(error.sentence, file=sys.stderr, flush=True)
        state: EndState = "diverged" if error.exit_code == 3 else "failed"
        trace = None if isinstance(error, BadInput) else traceback.format_exc()
        journal.write(
            FinishedEvent(state=state, reason=error.sentence, exit_code=error.exit_code, signal=None, traceback=trace)
        )
        return error.exit_code
    except BaseException as error:  # noqa: BLE001  # the edge of the process: recorded, then it ends
        text = traceback.format_exc()
        print(text, file=sys.stderr, flush=True)
        reason = device_faults.sentence(text) or f"{type(error).__name__}: {error}".split("\n")[0][:500]
        journal.write(FinishedEvent(state="failed", reason=reason, exit_code=1, signal=None, traceback=text))
        return 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of torch and of data loaders must not hold up, or change, how a run ends.
    os._exit(code)
