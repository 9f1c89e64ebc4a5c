"""The command line. `main` is where the process begins.

Opening the TUI is the common case and must be quick, so it is decided here, before Typer is imported.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

from workbench.core.errors import WorkbenchError

_HOME = "--home"
_COMPLETES = "_WORKBENCH_COMPLETE"  # set by the shell that asks how a word may go on


def main(argv: list[str] | None = None) -> None:
    """Run `workbench`. Exits 0 when done, 1 when the run or action failed, 2 on bad input."""
    _stand_on_open_streams()
    _write_in_any_encoding()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _refuse_undecodable(arguments)
        arguments, home = _take_home(arguments)
        status = _open_tui(arguments, home) if _wants_tui(arguments) else _run_command(arguments, home)
        sys.stdout.flush()
    except WorkbenchError as error:
        status = _refuse(error, arguments)
    except BrokenPipeError:
        # The reader (head, say) has gone: that is no failure.
        _write_no_more()
        status = 0
    except OSError as error:
        hint = "make room or choose another place"
        failed = WorkbenchError(str(error.strerror or error), where=str(error.filename or ""), hint=hint)
        status = _refuse(failed, arguments)
        _write_no_more()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _refuse(error: WorkbenchError, arguments: list[str]) -> int:
    """Say an error, to programs on standard output too, unless that already holds a part of an answer."""
    print(f"workbench: {_safe(error.sentence)}", file=sys.stderr)
    if "--json" in arguments and not error.answered:
        from workbench.cli import refusals
        from workbench.cli.output import emit

        with contextlib.suppress(OSError):
            emit(refusals.record(error))
            sys.stdout.flush()
    return error.exit_code


def _stand_on_open_streams() -> None:
    """Open what the shell closed (`workbench ls >&-`), so that no file of ours becomes standard output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r", encoding="utf-8"))


def _write_in_any_encoding() -> None:
    """Where the locale's encoding is not UTF-8, what it lacks is written by what is nearest, and nothing fails."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("_", "-") != "utf-8":
            from workbench.core.text import NEAREST_ASCII

            stream.reconfigure(errors=NEAREST_ASCII)


def _write_no_more() -> None:
    """Python flushes standard output at exit: let that go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse_undecodable(arguments: list[str]) -> None:
    """An argument that is not text in the terminal's encoding can be neither stored nor looked up."""
    for word in arguments:
        try:
            word.encode("utf-8")
        except UnicodeEncodeError:
            raise _bad(f"{os.fsencode(word)[:40]!r} is not UTF-8", "write it in UTF-8") from None


def _safe(sentence: str) -> str:
    from workbench.core.text import clean

    return clean(sentence, newlines=True)


def _take_home(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Lift `--home DIR` out of the arguments, wherever it stands before a bare `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept: list[str] = []
    home: Path | None = None
    words = iter(arguments[:end])
    for word in words:
        if word == _HOME:
            home = Path(_value_of_home(next(words, "")))
        elif word.startswith(f"{_HOME}="):
            home = Path(_value_of_home(word.partition("=")[2]))
        else:
            kept.append(word)
    return kept + arguments[end:], home


def _value_of_home(value: str) -> str:
    if not value:
        raise _bad("--home wants a directory", "write --home DIR")
    return value


def _bad(what: str, hint: str) -> WorkbenchError:
    from workbench.core.errors import BadInput

    return BadInput(what, hint=hint)


def _wants_tui(arguments: list[str]) -> bool:
    return all(word == "--slow-link" for word in arguments) and _COMPLETES not in os.environ


def _open_tui(arguments: list[str], home: Path | None) -> int:
    from workbench.core.home import Home
    from workbench.core.text import can_redraw

    if not (can_redraw(sys.stdin) and can_redraw(sys.stdout)):
        dumb = f" (TERM={os.environ['TERM']})" if sys.stdin.isatty() and sys.stdout.isatty() else ""
        raise _bad(f"there is no terminal to draw on{dumb}", "use `workbench ls`, or see `workbench --help`")
    from workbench.tui.app import run_tui

    return run_tui(Home.resolve(home), slow_link="--slow-link" in arguments)


def _run_command(arguments: list[str], home: Path | None) -> int:
    from workbench.cli.root import run

    return run(arguments, home)
