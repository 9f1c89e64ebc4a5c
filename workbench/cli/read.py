"""`ls`, `show`, `diff`, `points` and `tail`: what the registry knows, for people and for programs."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from workbench.cli import completion
from workbench.cli.context import find, home_of, registry_of
from workbench.cli.follow import follow
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, print_table, say
from workbench.contracts.coding import encoded
from workbench.contracts.events import (
    END_STATES,
    EvalEvent,
    Event,
    FinishedEvent,
    StepEvent,
    SystemEvent,
    as_json,
    read_all,
)
from workbench.contracts.lab.prediction_requests import RunComparison
from workbench.core.errors import BadInput
from workbench.core.flatten import flatten
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.core.series import format_age, format_bytes, format_duration, format_number
from workbench.display.figures import figure, headline, interval, not_clearly_better
from workbench.display.paired import sentence
from workbench.metrics import catalog
from workbench.registry import Registry, RunRow
from workbench.runs.purging import disk_bytes

Handle = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="An id, a unique prefix of one, a unique name, or last.", autocompletion=completion.runs
    ),
]

# What `show --json` tells of an evaluation beside its figures.
_EVIDENCE: Final = (
    "labels", "confusion", "per_class", "per_target", "confusions", "thresholds", "calibration", "roc", "pr",
)  # fmt: skip


def register(cli: typer.Typer) -> None:
    for command in (ls, show, diff, points, tail):
        cli.command(command.__name__, cls=Command)(command)


def ls(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="FILTER", help="As in the TUI, such as: state:running eval/f1>.9")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=10**9, help="At most so many; default: 1000.")
    ] = 1000,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those removed with rm as well.")] = False,
    disk: Annotated[bool, typer.Option("--disk", help="What each takes on the disk as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    home = home_of(context)
    with registry_of(home) as registry:
        rows = registry.runs(query, limit=limit, include_deleted=deleted)
        sizes = [disk_bytes(home.runs / row.id) for row in rows] if disk else []
        if as_json:
            marks = [{"deleted": row.deleted} if deleted else {} for row in rows]
            taken = [{"bytes": size} for size in sizes] or [{} for _ in rows]
            emit([row_json(row) | mark | size for row, mark, size in zip(rows, marks, taken, strict=True)])
        elif rows:
            _print_runs(rows, sizes)
        else:
            say("No run matches." if query else "No runs yet: `workbench demo` makes the first.")


def row_json(row: RunRow) -> dict[str, object]:
    """One run as `ls --json` gives it."""
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "task": row.task,
        "model": row.model,
        "created": row.created,
        "finished": row.finished,
        "reason": row.reason,
        "tags": list(row.tags),
        "metrics": {key: summary.as_json() for key, summary in row.metrics.items()},
    }


def _print_runs(rows: list[RunRow], sizes: list[int]) -> None:
    now = time.time()
    print_table(
        ("ID", "STATE", "NAME", "TASK", "MODEL", "LOSS", "METRIC", "AGE", *(["DISK"] if sizes else []), "TAGS"),
        [
            (
                row.id,
                f"{row.state}, deleted" if row.deleted else row.state,
                row.name,
                row.task,
                row.model,
                figure("train/loss", row.metrics["train/loss"].last) if "train/loss" in row.metrics else "–",
                headline(row) or "–",
                format_age(now - row.created),
                *([format_bytes(sizes[at])] if sizes else []),
                " ".join(row.tags),
            )
            for at, row in enumerate(rows)
        ],
        right=("LOSS", "AGE", "DISK"),
        whole=("ID", "STATE", "LOSS", "METRIC", "AGE", "DISK"),
        spare=("TASK", "MODEL", "TAGS", "LOSS", "METRIC", "AGE", "NAME"),
    )


def show(context: typer.Context, run: Handle, as_json: AsJson = False) -> None:
    """Everything about one run."""
    home = home_of(context)
    with registry_of(home) as registry:
        row = registry.find(run, include_deleted=True)
        details = _details(home, registry, row)
    if as_json:
        emit(row_json(row) | details)
    else:
        _print_details(row, details)


def _details(home: Home, registry: Registry, row: RunRow) -> dict[str, Any]:
    directory = RunDir(home.runs / row.id)
    warnings = [{"t": event.t, **event.fields()} for event in registry.events(row.id, ["warning"])]
    ends = [event for event in registry.events(row.id, ["finished"]) if isinstance(event, FinishedEvent)]
    return {
        "notes": row.notes,
        "digest": row.digest,
        "dir": str(directory.path),
        "recipe": row.recipe,
        "attempts": [attempt.as_json() for attempt in registry.attempts(row.id)],
        "warnings": warnings + _unreadable(directory),
        "traceback": next((end.traceback for end in reversed(ends) if end.traceback), None),
        **_evaluations(registry.events(row.id, ["eval"]), row.best_key),
        "files": _files(directory),
    }


def _evaluations(events: list[Event], best: str | None) -> dict[str, dict[str, Any]]:
    """What is known beside each metric, of the evaluation whose predictions are kept: of the model there is."""
    kept = {event.split: event for event in events if isinstance(event, EvalEvent) and _is_kept(event)}
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("intervals", "without_interval", "defined_only", "baselines", "unclear", "evaluations")
    }
    for event in kept.values():
        evidence = {name: value for name in _EVIDENCE if (value := getattr(event, name)) is not None}
        found["evaluations"][event.split] = {"step": event.step} | {
            name: encoded(value) for name, value in evidence.items()
        }
        if event.baselines:
            found["baselines"][event.split] = encoded(event.baselines)
        if weak := not_clearly_better(event, best):
            found["unclear"][event.split] = weak
        for key in event.scalars:
            for kind in ("intervals", "without_interval", "defined_only"):
                of_kind = found[kind]
                if (name := catalog.bare(key)) in (known := getattr(event, kind) or {}):
                    of_kind[key] = known[name]
    return found


def _is_kept(event: EvalEvent) -> bool:
    """Whether it is of the model there is, or of the one that training began with."""
    return bool(event.predictions) or event.split == "before"


def _unreadable(run: RunDir) -> list[dict[str, str | None]]:
    """A warning for each file that a run should have, or has, and that cannot be read."""
    found = []
    for path in (run.facts, *run.logs):
        try:
            path.open("rb").close()
        except OSError as error:
            if path == run.facts or not isinstance(error, FileNotFoundError):
                text = f"{path.name} cannot be read ({error.strerror or error}): what it says is missing here"
                found.append({"t": None, "code": "unreadable-file", "text": text})
    return found


def _files(run: RunDir) -> list[dict[str, object]]:
    found = [path for path in sorted(run.path.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return [{"path": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in found]


def _print_details(row: RunRow, details: dict[str, Any]) -> None:
    say(f"{row.name}  {row.id}  {row.state}{' (deleted)' if row.deleted else ''}")
    if row.reason:
        say(f"  {row.reason}")
    took = f", took {format_duration(row.finished - row.started)}" if row.finished and row.started else ""
    say(f"  {row.task}, {row.model}, {format_age(time.time() - row.created)} old{took}")
    for label, value in (("tags", " ".join(row.tags)), ("notes", row.notes), ("directory", details["dir"])):
        if value:
            say(f"  {label:<10}{value}")
    _print_metrics(row, details["intervals"])
    for sentence_ in _remarks(details["without_interval"], details["defined_only"]):
        say(f"  {sentence_}")
    for split, weak in details["unclear"].items():
        say(f"  {split}: {weak}")
    for warning in details["warnings"]:
        say(f"  warning: {warning.get('text', warning.get('code', ''))}")
    if details["traceback"]:
        say(f"\n{details['traceback']}")


def _print_metrics(row: RunRow, intervals: dict[str, tuple[float, float]]) -> None:
    metrics = [(key, summary) for key, summary in sorted(row.metrics.items()) if not key.startswith("system/")]
    if not metrics:
        return
    say()
    print_table(
        ("METRIC", "KEPT", "AT STEP", "95%", "LAST", "MIN", "MAX"),
        [
            (
                key,
                figure(key, s.best_or_last if key.startswith("eval/") else s.last),
                str(s.step if key.startswith("eval/") else s.last_step),
                interval(key, *intervals[key]) if key in intervals else "",
                *(figure(key, value) for value in (s.last, s.min, s.max)),
            )
            for key, s in metrics
        ],
        right=("KEPT", "AT STEP", "95%", "LAST", "MIN", "MAX"),
        whole=("METRIC",),
        spare=("MIN", "MAX", "LAST", "AT STEP", "95%"),
    )


def _remarks(without: Mapping[str, str], defined: Mapping[str, float]) -> list[str]:
    """Why some figures have no interval, and which would be others by the other convention."""
    reasons: dict[str, list[str]] = {}
    for key, why in without.items():
        reasons.setdefault(why, []).append(key)
    told = [f"no interval of {', '.join(keys)}: {why}" for why, keys in reasons.items()]
    others = ", ".join(f"{key} {figure(key, value)}" for key, value in defined.items())
    return [
        *told,
        *([f"without what is never predicted, or never there, which counts as 0: {others}"] if others else []),
    ]


def diff(context: typer.Context, left: Handle, right: Handle, as_json: AsJson = False) -> None:
    """What differs between two runs: recipe fields, metrics, and how they do on the same rows."""
    with registry_of(home_of(context)) as registry:
        rows = [registry.find(handle, include_deleted=True) for handle in (left, right)]
    paired = _paired(*(RunDir(home_of(context).runs / row.id) for row in rows))
    changed = _changed(flatten(rows[0].recipe), flatten(rows[1].recipe))
    metrics = _changed(*map(_figures, rows))
    if as_json:
        emit({"runs": [row.id for row in rows], "recipe": changed, "metrics": metrics, "paired": encoded(paired)})
        return
    if not changed and not metrics:
        say("No difference.")
    else:
        lines = [(field, _short(field, old), _short(field, new)) for field, (old, new) in (changed | metrics).items()]
        print_table(("FIELD", rows[0].id, rows[1].id), lines)
    for found in paired:
        say(f"{found.split}, {found.rows} rows: {sentence(found)}")


def _figures(row: RunRow) -> dict[str, float]:
    """Of evaluations what they are at the checkpoint that is kept, of training the last."""
    return {
        key: summary.best_or_last if key.startswith("eval/") else summary.last
        for key, summary in row.metrics.items()
        if not key.startswith("system/")
    }


def _paired(before: RunDir, after: RunDir) -> list[RunComparison]:
    """How the second run does on each split that both kept their predictions of; nothing where the rows differ."""
    if not (before.predictions.is_dir() and after.predictions.is_dir()):
        return []
    # pyarrow and numpy take longer to load than most of what is asked here.
    from workbench.lab import comparing

    found = []
    for split in comparing.splits(before, after):
        with contextlib.suppress(BadInput):
            found.append(comparing.compare(before, after, split))
    return found


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, list[Any]]:
    names = [*old, *(name for name in new if name not in old)]
    return {name: [old.get(name), new.get(name)] for name in names if old.get(name) != new.get(name)}


def _short(field: str, value: Any) -> str:
    if isinstance(value, float):
        return figure(field, value) if "/" in field else format_number(value)
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def points(
    context: typer.Context,
    run: Handle,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A scalar, such as train/loss.")],
    as_json: AsJson = False,
) -> None:
    """Every logged point of one scalar: step, value, time."""
    with registry_of(home_of(context)) as registry:
        row = registry.find(run, include_deleted=True)
        series = registry.scalar(row.id, key)
    if as_json:
        emit([list(point) for point in series])
        return
    for step, value, t in series:
        print(f"{step}\t{value:.10g}\t{t:.3f}")


def tail(
    context: typer.Context,
    run: Handle,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Until the run ends.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=1, help="How many events back; default: 10.")
    ] = 10,
    as_json: AsJson = False,
) -> int:
    """The last events of a run; with -f its progress until the end."""
    home, row, directory = find(context, run, include_deleted=True)
    events = sorted((event for log in directory.logs for event in read_all(log)), key=lambda event: event.t)[-lines:]
    if as_json:
        emit([_record(event) for event in events])
    else:
        for event in events:
            say(_event_line(event))
    if following and row.state not in END_STATES:
        return follow(home, directory, out=sys.stderr if as_json else sys.stdout, past=False)
    return 0


def _record(event: Event) -> dict[str, object]:
    return {"t": event.t, "attempt": event.attempt, "type": event.type, **as_json(event.fields())}


def _event_line(event: Event) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(event.t))
    if isinstance(event, (StepEvent, EvalEvent, SystemEvent)):
        step = f"{event.step}  " if isinstance(event, StepEvent) else ""
        rest = step + "  ".join(f"{k} {figure(k, v)}" for k, v in event.scalars.items())
    else:
        kept = {key: value for key, value in event.fields().items() if key != "traceback"}
        rest = json.dumps(kept, ensure_ascii=False)[:400]
    return f"{clock}  {event.type:<11}{rest}"
