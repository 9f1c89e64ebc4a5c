"""What there is to say of the rows a recipe trains on, as `workbench check` says it."""

from __future__ import annotations

from pathlib import Path

from workbench.contracts.check_report import DataReport
from workbench.contracts.events import DataEvent, read_all
from workbench.core.errors import BadInput
from workbench.core.rundir import RunDir
from workbench.display.data_report import report_lines
from workbench.tui.text_screen import Sheet


def report_sheet(title: str, data: DataReport, width: int) -> Sheet:
    """The report as a sheet for a screen of so many columns."""
    return Sheet(title, report_lines(data, max(40, width - 8)))


def of_run(path: Path) -> DataReport:
    """The report a run has left in its log. Blocks. Raises BadInput where there is none yet."""
    for event in read_all(RunDir(path).events):
        if isinstance(event, DataEvent) and event.report is not None:
            return DataReport(
                splits=event.report,
                columns=event.columns or {},
                unread=event.unread or (),
                notes=event.notes,
                ledger=event.ledger,
            )
    raise BadInput("the run has not read its rows yet", where=path.name, hint="wait until it trains")
