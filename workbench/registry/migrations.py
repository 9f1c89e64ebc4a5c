"""The registry's tables, and how an older registry becomes today's.

    run ─┬─ document   recipe as JSON, notes: what a filter never scans
         ├─ log        how far each of the run's logs has been read, and what was unreadable in it
         ├─ attempt    one launch: when it began, how it ended, by whose word
         ├─ tag        one row a tag
         ├─ field      one row a recipe field, for filters
         ├─ event      everything in the logs that is no point
         ├─ summary    first, last, min, max and count of a series: the run list reads no history
         ├─ spark      a series in at most 32 means
         ├─ point      every logged number
         └─ pyramid    min and max of every 16, 256, 4096 … points
    key                names of series and recipe fields
    search             FTS5 (trigrams, so that Chinese is found too) over name, notes and tags

A run's `chosen` is the step of the checkpoint it keeps, and a summary's the value there; `chosen_flag` is NULL where
nothing chooses. For other programs there are views, which the README describes: `runs`, `metrics`, `points` and
`recipe_fields`.

A value that is NaN or infinite is NULL with a flag (1 NaN, 2 Infinity, 3 -Infinity): SQLite has no such numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import BadInput

if TYPE_CHECKING:
    from workbench.registry.database import Connection

VERSION: Final = 2
"""What `PRAGMA user_version` says in an up-to-date registry: the number of migrations."""

_FIRST: Final = """
CREATE TABLE clock (change INTEGER NOT NULL);
INSERT INTO clock VALUES (0);
CREATE TABLE key (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE run (
  pk INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, deleted INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL,
  created REAL NOT NULL, started REAL, finished REAL, updated REAL, name TEXT NOT NULL, task TEXT NOT NULL,
  model TEXT NOT NULL, data TEXT NOT NULL, tags TEXT NOT NULL, digest TEXT NOT NULL, step INTEGER,
  total_steps INTEGER, epoch REAL, attempt INTEGER NOT NULL DEFAULT 0, host TEXT NOT NULL, reason TEXT NOT NULL,
  best_key TEXT, best_direction INTEGER, facts INTEGER NOT NULL, change INTEGER NOT NULL
);
CREATE INDEX run_created ON run (deleted, created, id);
CREATE INDEX run_state ON run (deleted, state, created, id);
CREATE INDEX run_change ON run (change);
CREATE INDEX run_name ON run (name);
CREATE TABLE document (
  run INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE, recipe TEXT NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE log (
  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, log INTEGER NOT NULL, offset INTEGER NOT NULL DEFAULT 0,
  unreadable INTEGER NOT NULL DEFAULT 0, t REAL, attempt INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run, log)
) WITHOUT ROWID;
CREATE TABLE attempt (
  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, number INTEGER NOT NULL, queued REAL, started REAL,
  seen REAL, host TEXT, pid INTEGER, resume_step INTEGER, stopping REAL,
  trainer_state TEXT, trainer_reason TEXT, trainer_finished REAL, trainer_exit_code INTEGER,
  state TEXT, reason TEXT, finished REAL, exit_code INTEGER, signal TEXT, PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE tag (
  tag TEXT NOT NULL COLLATE NOCASE, run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, PRIMARY KEY (tag, run)
) WITHOUT ROWID;
CREATE INDEX tag_run ON tag (run);
CREATE TABLE field (
  key INTEGER NOT NULL, run INTEGER NOT NULL, number REAL, text TEXT NOT NULL, PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, type TEXT NOT NULL,
  log INTEGER NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL, step INTEGER, t REAL NOT NULL,
  superseded INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
);
CREATE INDEX event_type ON event (run, type, log, seq);
CREATE TABLE summary (
  key INTEGER NOT NULL, run INTEGER NOT NULL, count INTEGER NOT NULL, odd INTEGER NOT NULL,
  first REAL, first_flag INTEGER NOT NULL, last REAL, last_flag INTEGER NOT NULL, last_step INTEGER NOT NULL,
  min REAL, min_step INTEGER, max REAL, max_step INTEGER, direction INTEGER NOT NULL, PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE INDEX summary_run ON summary (run);
CREATE TABLE spark (
  run INTEGER NOT NULL, key INTEGER NOT NULL, width INTEGER NOT NULL, partial INTEGER NOT NULL,
  sums BLOB NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE point (
  run INTEGER NOT NULL, key INTEGER NOT NULL, step INTEGER NOT NULL, value REAL, flag INTEGER NOT NULL,
  t REAL NOT NULL, attempt INTEGER NOT NULL, PRIMARY KEY (run, key, step)
) WITHOUT ROWID;
CREATE INDEX point_odd ON point (run, key, step) WHERE flag <> 0;
CREATE TABLE pyramid (
  run INTEGER NOT NULL, key INTEGER NOT NULL, level INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  odd INTEGER NOT NULL, min_step INTEGER, min REAL, min_t REAL, max_step INTEGER, max REAL, max_t REAL,
  PRIMARY KEY (run, key, level, first)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE search USING fts5 (name, notes, tags, tokenize = 'trigram');
"""


_SECOND: Final = """
ALTER TABLE run ADD COLUMN chosen INTEGER;
ALTER TABLE summary ADD COLUMN chosen REAL;
ALTER TABLE summary ADD COLUMN chosen_flag INTEGER;
UPDATE run SET chosen=(
  SELECT CASE direction WHEN 1 THEN max_step WHEN -1 THEN min_step END
  FROM summary JOIN key ON key.id=summary.key WHERE key.name=run.best_key AND summary.run=run.pk
);
UPDATE summary SET
  chosen=(SELECT value FROM point p JOIN run r ON r.pk=p.run
    WHERE p.run=summary.run AND p.key=summary.key AND p.step=r.chosen),
  chosen_flag=coalesce((SELECT flag FROM point p JOIN run r ON r.pk=p.run
    WHERE p.run=summary.run AND p.key=summary.key AND p.step=r.chosen), 1)
WHERE key IN (SELECT id FROM key WHERE name LIKE 'eval/%')
  AND run IN (SELECT pk FROM run WHERE chosen IS NOT NULL);
CREATE VIEW runs AS SELECT
  id AS run, name, state, task, model, data, tags, notes, reason, deleted,
  CAST(strftime('%Y-%m-%dT%H:%M:%SZ', created, 'unixepoch') AS TEXT) AS created,
  CAST(strftime('%Y-%m-%dT%H:%M:%SZ', started, 'unixepoch') AS TEXT) AS started,
  CAST(strftime('%Y-%m-%dT%H:%M:%SZ', finished, 'unixepoch') AS TEXT) AS finished,
  step, total_steps, epoch, attempt AS attempts, host, best_key AS best_metric, chosen AS chosen_step, digest, recipe
FROM run JOIN document ON document.run=run.pk;
CREATE VIEW metrics AS SELECT
  run.id AS run, key.name AS metric,
  CAST(CASE WHEN summary.chosen_flag IS NULL THEN last ELSE summary.chosen END AS REAL) AS value,
  CAST(CASE WHEN summary.chosen_flag IS NULL THEN last_step ELSE run.chosen END AS INTEGER) AS step,
  first, last, min, min_step, max, max_step, count, odd AS not_finite
FROM summary JOIN run ON run.pk=summary.run JOIN key ON key.id=summary.key;
CREATE VIEW points AS SELECT
  run.id AS run, key.name AS metric, point.step AS step, value,
  CAST(CASE flag WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' END AS TEXT) AS not_finite,
  CAST(strftime('%Y-%m-%dT%H:%M:%fZ', t, 'unixepoch') AS TEXT) AS time, point.attempt AS attempt
FROM point JOIN run ON run.pk=point.run JOIN key ON key.id=point.key;
CREATE VIEW recipe_fields AS SELECT run.id AS run, key.name AS field, text AS value, number
FROM field JOIN run ON run.pk=field.run JOIN key ON key.id=field.key;
"""


def version(connection: Connection) -> int:
    """How many migrations this database has seen. Raises DatabaseError where the file is damaged."""
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(connection: Connection, where: str) -> None:
    """Raises BadInput when a newer workbench has written this registry."""
    if (found := version(connection)) > VERSION:
        raise BadInput(
            f"this registry is of version {found}, made by a newer workbench (this one knows {VERSION})",
            where=where,
            hint="update workbench, or choose another home with --home",
        )


def migrate(connection: Connection) -> None:
    """Bring the tables up to date: sqlite-utils applies what is missing, each step whole or not at all."""
    # Loading sqlite_utils takes longer than the first frame may: only a registry that is behind pays for it.
    from sqlite_utils import Database, Migrations

    migrations = Migrations("workbench.registry")

    @migrations(name="0001-first")
    def first(db: Any) -> None:
        for statement in _statements(_FIRST):
            db.execute(statement)

    @migrations(name="0002-chosen-and-views")
    def second(db: Any) -> None:
        for statement in _statements(_SECOND):
            db.execute(statement)

    migrations.apply(Database(connection))
    connection.execute(f"PRAGMA user_version={VERSION}")


def create_in_memory(connection: Connection) -> None:
    """The same tables in a database that nobody will ever migrate."""
    connection.executescript(_FIRST + _SECOND)


def _statements(script: str) -> list[str]:
    return [statement for part in script.split(";\n") if (statement := part.strip())]
