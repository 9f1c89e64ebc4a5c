"""The data report as it is read: of every split its rows, labels and oddities, and the length ledger."""

from __future__ import annotations

from typing import Final

from workbench.contracts.check_report import DataReport, Measurement
from workbench.contracts.events.data_event import LengthLedger, SplitReport
from workbench.core.text import clean, cut, pad
from workbench.display.spans import Line, Span

_LABELS: Final = 12
_FIELDS: Final = {"max_length": "tokens of a text", "max_target_length": "tokens of a target"}


def report_lines(data: DataReport, width: int) -> list[Line]:
    """The report in lines of at most `width` cells."""
    entities = bool(data.columns.get("tags"))
    lines = [line for split, facts in data.splits.items() for line in _split(split, facts, width, entities)]
    columns = ", ".join(f"{clean(role)}: {clean(name)}" for role, name in data.columns.items() if name)
    if columns:
        lines.append((Span("columns    ", "head"), Span(cut(columns, width - 11))))
    if data.unread:
        listed = ", ".join(clean(name) or "(no name)" for name in data.unread)
        lines.append((Span("not read   ", "muted"), Span(cut(listed, width - 11), "muted")))
    for field, ledger in (data.ledger or {}).items():
        lines += [(), *_ledger(field, ledger)]
    said = [(Span("warning  ", "warn"), Span(clean(warning))) for warning in data.warnings]
    said += [(Span("note  ", "head"), Span(clean(note))) for note in data.notes]
    return [*lines, *([()] if said else []), *said]


def _split(name: str, facts: SplitReport, width: int, entities: bool) -> list[Line]:
    """Shares of labels are of the rows, of which each may have several; those of entities are of all entities."""
    characters = facts.characters
    dropped = f", {facts.dropped:,} dropped" if facts.dropped else ""
    lengths = f"   characters median {characters.median:,}, longest {characters.max:,}"
    lines: list[Line] = [(Span(pad(clean(name), 11), "head"), Span(f"{facts.rows:>9,} rows{dropped}{lengths}"))]
    labels = facts.labels or {}
    total = sum(labels.values()) if entities else facts.rows
    for label, count in list(labels.items())[:_LABELS] if total else ():
        share = count / total
        bar = "█" * max(1 if count else 0, round(share * max(8, width - 52)))
        lines.append((Span(f"  {pad(clean(label), 20)}{count:>9,} {share:7.1%}  "), Span(bar, "bar")))
    if len(labels) > _LABELS:
        lines.append((Span(f"  and {len(labels) - _LABELS} more labels", "muted"),))
    return lines


def _ledger(field: str, ledger: LengthLedger) -> list[Line]:
    sampled = f", of {ledger.sampled:,} of {ledger.rows:,} rows" if ledger.sampled < ledger.rows else ""
    about = f"{_FIELDS.get(field, field)}: median {ledger.median:,}, p95 {ledger.p95:,}, longest {ledger.max:,}"
    lines: list[Line] = [(Span("lengths    ", "head"), Span(about + sampled))]
    windowed = any(entry.windows is not None for entry in ledger.entries)
    heads = ("in windows", "a row takes", "labels lost") if windowed else ("rows cut", "tokens lost", "labels lost")
    lines.append((Span(f"  {field:<17}{_cells(*heads, 'padding', 'time')}", "head"),))
    for entry in ledger.entries:
        chosen = entry.max_length == ledger.chosen
        golds = "–" if entry.golds_lost is None else _share(entry.golds_lost)
        taken = _share(entry.tokens_lost) if entry.windows is None else f"{entry.windows:.2f}"
        cells = _cells(_share(entry.rows_cut), taken, golds, _share(entry.padding), f"{entry.time:.2f}×")
        text = f"{'▸' if chosen else ' '} {entry.max_length:<17,}{cells}"
        lines.append((Span(text, "best" if chosen else ""),))
    return lines


def _cells(first: str, second: str, third: str, fourth: str, fifth: str) -> str:
    return f"{first:>10}{second:>13}{third:>13}{fourth:>9}{fifth:>8}"


def _share(value: float) -> str:
    """A share in percent, with a digit where it is small: what is not quite nothing is not shown as nothing."""
    if 0 < value < 0.001:
        return "< 0.1 %"
    return f"{100 * value:.1f} %"


def measured_lines(measured: Measurement) -> list[Line]:
    """What `workbench check --measure` found."""
    batch, disk = measured.batch, measured.disk
    rows: list[tuple[str, str]] = [
        ("longest batch", f"{batch.rows} rows of {batch.tokens:,} tokens on {measured.device}"),
        (
            "a step",
            f"{measured.step_seconds:.3f} s of the longest, {measured.typical_seconds:.3f} s of the usual",
        ),
        ("memory", f"{measured.peak_memory / 1e9:.2f} GB at its peak"),
    ]
    if measured.evaluation_seconds is not None:
        rows.append(("evaluation", f"{measured.evaluation_seconds:.3f} s for the longest batch"))
    rows += [
        ("a save", f"{measured.save_seconds:.2f} s, {measured.save_bytes / 1e6:,.1f} MB"),
        ("training", f"about {_duration(measured.eta_seconds)} for {measured.steps:,} steps"),
        ("disk", f"{disk.needed / 1e9:.2f} GB needed, {disk.free / 1e9:,.1f} GB free"),
    ]
    return [(Span(pad(name, 15), "head"), Span(text)) for name, text in rows]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
