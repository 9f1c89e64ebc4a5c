"""Names of series and recipe fields, each once in the database, by number everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.registry.database import Connection


class Keys:
    """Numbers of names, remembered. After a transaction that failed, `forget` what it may have made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}

    def id(self, name: str) -> int:
        """The number of `name`, given to it now if it had none."""
        found = self._ids.get(name)
        if found is None:
            self._connection.execute("INSERT OR IGNORE INTO key (name) VALUES (?)", (name,))
            row = self._connection.execute("SELECT id FROM key WHERE name=?", (name,)).fetchone()
            found = self._ids[name] = int(row[0])
        return found

    def forget(self) -> None:
        self._ids.clear()
