"""The registry as the rest of workbench sees it: one object that answers, and corrects its file when it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from workbench.contracts.events import Event
from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.registry import pyramid, query, selects
from workbench.registry.database import NONSENSE, Connection, DatabaseError, is_damage
from workbench.registry.opening import identity, open_for_reading, open_for_writing, open_in_memory, repair, unusable
from workbench.registry.snapshots import Attempt, RunRow, SeriesView, Summary

T = TypeVar("T")


class Registry:
    """An open registry. One for each thread; answers are frozen and may cross threads.

    `notices` holds what was repaired, in sentences for the user. A damaged file is set aside and rebuilt from the
    logs, when it is opened or whenever it is found out.
    """

    def __init__(self, home: Home, connection: Connection, *, readonly: bool, notices: list[str]) -> None:
        self._home, self._connection, self._readonly = home, connection, readonly
        self._identity = identity(home)
        self.notices = notices
        self._trusted = False

    @classmethod
    def open(cls, home: Home, *, readonly: bool = False) -> Registry:
        """The registry of `home`, made where there is none; with `readonly` nothing is written and none is empty.

        Raises BadInput where the home cannot be used, or where a newer workbench has written it.
        """
        notices: list[str] = []
        connection = open_for_reading(home) if readonly else open_for_writing(home, notices)
        return cls(home, connection, readonly=readonly, notices=notices)

    @classmethod
    def look(cls, home: Home, why: str = "") -> Registry:
        """The registry of a home that is not to be written, in memory; an `Ingestor` over it reads what is new.

        `why` is told as a notice. Where there is no home yet, there are no runs in it.
        """
        return cls(home, open_in_memory(home), readonly=True, notices=[why] if why else [])

    @property
    def in_memory(self) -> Connection | None:
        """Where an ingestor is to put what is new of a home that is not written; else None."""
        return self._connection if self._readonly else None

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()

    def runs(
        self, filter: str = "", *, limit: int | None = None, offset: int = 0, include_deleted: bool = False
    ) -> list[RunRow]:
        """Runs that `filter` leaves, newest first unless it says `sort:`. Raises QueryError."""
        wanted = query.parse(filter)
        return self._ask(
            lambda c: selects.page(
                c, query.bound(wanted, c), limit=limit, offset=offset, include_deleted=include_deleted
            )
        )

    def count(self, filter: str = "", *, include_deleted: bool = False) -> int:
        """How many runs `filter` leaves. Raises QueryError."""
        wanted = query.parse(filter)
        return self._ask(lambda c: selects.count(c, query.bound(wanted, c), include_deleted=include_deleted))

    def find(self, handle: str, *, include_deleted: bool = False) -> RunRow:
        """The run with that id, unique prefix of an id, or unique name; "last" is the newest.

        Raises UnknownRun, AmbiguousRun.
        """
        return self._ask(lambda c: selects.find(c, handle, include_deleted=include_deleted))

    def keys(self, run_id: str) -> list[str]:
        """The series a run has logged, sorted."""
        return self._ask(lambda c: selects.keys(c, run_id))

    def summaries(self, run_ids: Sequence[str]) -> dict[str, dict[str, Summary]]:
        """Each series of each run in a line. Runs that are not known are left out."""
        return self._ask(lambda c: selects.summaries(c, run_ids))

    def points(self, run_id: str, key: str, *, since: int | None = None) -> list[tuple[int, float, float]]:
        """Every logged point with a step greater than `since`: (step, value, seconds since 1970), NaN restored."""
        return self._ask(lambda c: selects.points(c, run_id, key, since))

    def scalar(self, run_id: str, key: str) -> list[tuple[int, float, float]]:
        """All points of a key that the run has. Raises BadInput, which names those there are, for one it has not."""
        if key not in (known := self.keys(run_id)):
            raise BadInput(f"no scalar {key!r} in {run_id}", hint=f"it has {', '.join(known) or 'none yet'}")
        return self.points(run_id, key)

    def view(self, run_id: str, key: str, *, lo: int | None = None, hi: int | None = None, columns: int) -> SeriesView:
        """A series from step `lo` to `hi`, both included, as a chart of `columns` columns draws it."""
        return self._ask(lambda c: pyramid.view(c, selects.series(c, run_id, key), lo, hi, columns))

    def sparkline(self, run_ids: Sequence[str], key: str = "train/loss", width: int = 12) -> dict[str, list[float]]:
        """A series of each run in at most `width` means of its finite values; no history is read."""
        return self._ask(lambda c: selects.sparklines(c, run_ids, key, width))

    def events(
        self, run_id: str, types: Sequence[str], *, superseded: bool = False, newest: int | None = None
    ) -> list[Event]:
        """Events that are no points, oldest first: all, or the `newest` so many.

        Those a resumed run has made anew only with `superseded`.

        Lines that could not be read appear as a `warning` with the code "unreadable-lines".
        """
        return self._ask(lambda c: selects.events(c, run_id, types, superseded=superseded, newest=newest))

    def attempts(self, run_id: str) -> list[Attempt]:
        """Every launch of a run, the first first."""
        return self._ask(lambda c: selects.attempts(c, run_id))

    def _ask(self, question: Callable[[Connection], T]) -> T:
        if not self._readonly and identity(self._home) != self._identity:
            self._reopen()
        try:
            return question(self._connection)
        except (DatabaseError, *NONSENSE) as error:
            # What makes no sense in a registry that has just been rebuilt is no damage to it.
            if self._trusted and not isinstance(error, DatabaseError):
                raise
            if not is_damage(error):
                raise unusable(self._home, error) from error
            if self._readonly:
                raise BadInput(
                    f"the registry is damaged ({error})",
                    where=str(self._home.registry),
                    hint="`workbench reindex` rebuilds it from the logs",
                ) from error
        self._connection.close()
        self.notices.append(repair(self._home, self._identity))
        self._trusted = True
        self._reopen()
        return question(self._connection)

    def _reopen(self) -> None:
        self._connection.close()
        self._connection = open_for_writing(self._home, self.notices)
        self._identity = identity(self._home)
