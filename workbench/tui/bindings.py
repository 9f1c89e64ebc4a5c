"""The one table of keys. Bindings, footer, help screen, palette and README are all made from it.

A row's `id` is what a user writes in `settings.toml` to give the action other keys:

    [keys]
    "runs.stop" = "x"

The last part of an id names the action: `runs.stop` runs `action_stop` on the pane. The same letter means the same
everywhere: add a row to your pane's section only for what `PANE` does not already say.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from textual.binding import Binding, BindingType

MODES: Final = ("runs", "live", "data", "tokens", "metrics", "try")
TITLES: Final = {
    "runs": "Runs",
    "live": "Live",
    "data": "Data",
    "tokens": "Tokens",
    "metrics": "Metrics",
    "try": "Try",
}


class Key(NamedTuple):
    """One action: the keys that run it, a word for the footer, a sentence for help and palette."""

    id: str
    keys: str
    label: str
    help: str
    footer: bool = True
    palette: bool = True

    @property
    def action(self) -> str:
        """The method it runs: `runs.stop` → `action_stop`."""
        return self.id.rsplit(".", 1)[-1]

    @property
    def shown(self) -> str:
        """The keys as a person reads them: `↑ k`."""
        return " ".join(display(key) for key in self.keys.split(","))

    @property
    def first(self) -> str:
        """The key that the footer shows."""
        return display(self.keys.split(",")[0])


MODE_KEYS: Final = tuple(
    Key(f"mode.{mode}", str(number), TITLES[mode], text, footer=False)
    for number, (mode, text) in enumerate(
        {
            "runs": "Every run: find, start, stop, tag, compare",
            "live": "One run as it trains: charts, progress, console",
            "data": "The rows of a recipe, a run or a file",
            "tokens": "What the tokenizer really does to a text",
            "metrics": "Runs by metrics, confusion, per-class figures",
            "try": "Type and see what the model answers",
        }.items(),
        start=1,
    )
)

APP: Final = (
    Key("app.help", "question_mark", "help", "Every key of this pane"),
    Key("app.palette", "ctrl+p", "palette", "Find any action by its name", footer=False, palette=False),
    Key("app.theme", "f2", "theme", "Choose the colours; kept for the next time", footer=False),
    Key("app.undo", "z", "undo", "Take back the last thing that can be", footer=False),
    Key("app.suspend", "ctrl+z", "suspend", "Back to the shell; `fg` returns", footer=False),
    Key("app.quit", "q", "quit", "Leave; runs go on without you", footer=False),
)

MOVE: Final = (
    Key("move.up", "up,k", "up", "One up", footer=False, palette=False),
    Key("move.down", "down,j", "down", "One down", footer=False, palette=False),
    Key("move.left", "left,h", "left", "One to the left", footer=False, palette=False),
    Key("move.right", "right,l", "right", "One to the right", footer=False, palette=False),
    Key("move.page_up", "pageup,ctrl+b", "page up", "A screenful up", footer=False, palette=False),
    Key("move.page_down", "pagedown,ctrl+f", "page down", "A screenful down", footer=False, palette=False),
    Key("move.top", "g,home", "top", "To the beginning", footer=False, palette=False),
    Key("move.bottom", "G,end", "bottom", "To the end", footer=False, palette=False),
)

PANE: Final = (
    Key("pane.open", "enter", "open", "Open what the cursor is on"),
    Key("pane.mark", "space", "mark", "Mark or unmark what the cursor is on"),
    Key("pane.filter", "slash", "filter", "Show only what matches"),
    Key("pane.edit", "e", "edit", "Edit in $EDITOR"),
    Key("pane.copy", "y", "copy", "Copy to the clipboard, over SSH too (OSC 52)", footer=False),
    Key("pane.back", "escape", "back", "One step back", footer=False),
)

RUNS: Final = (
    Key("runs.new", "n", "new", "Start a run from a recipe"),
    Key("runs.stop", "s", "stop", "Stop the run at the end of its step, with a checkpoint"),
    Key("runs.resume", "r", "resume", "Go on from the newest checkpoint"),
    Key("runs.clone", "c", "clone", "Start the same again with a change"),
    Key("runs.tag", "t", "tag", "Add a tag; -tag takes it away"),
    Key("runs.note", "N", "note", "Write a note on the run"),
    Key("runs.delete", "d", "delete", "Delete the run; z brings it back"),
    Key("runs.unmark", "u", "unmark all", "Take every mark away", footer=False),
)

LIVE: Final = (
    Key("live.log", "L", "log y", "Logarithmic y, of what is above zero"),
    Key("live.smooth", "w", "smooth", "Next smoothing: the raw line stays behind it"),
    Key("live.axis", "x", "x axis", "x by step, epoch, time or tokens"),
    Key("live.zoom_in", "plus,equals_sign", "zoom", "Half as much, around the newest or the middle"),
    Key("live.zoom_out", "minus", "zoom out", "Twice as much", footer=False),
    Key("live.zoom_all", "0", "all", "The whole series", footer=False),
    Key("live.enlarge", "f", "one chart", "One chart as large as the screen, then the next: speed, load, memory too"),
    Key("live.read", "v", "values", "Read the values at a step; ← → move it", footer=False),
    Key("live.output", "o", "console", "The console, as large as the screen", footer=False),
    Key("live.stop", "s", "stop", "Stop the run at the end of its step, with a checkpoint"),
    Key("live.resume", "r", "resume", "Go on from the newest checkpoint", footer=False),
)

DATA: Final = (
    Key("data.source", "o", "open", "Open a file, a directory, a recipe, a run, a hub id or builtin:reviews"),
    Key("data.split", "s", "split", "The next split"),
    Key("data.label", "b", "by label", "Only the rows with one label"),
    Key("data.report", "r", "report", "What there is to say of the rows: labels, repeats, odd texts, lengths"),
    Key("data.tokens", "T", "tokens", "See the row as tokens", footer=False),
    Key("data.next", "tab", "next part", "From the rows to the whole row and back", footer=False, palette=False),
)

TOKENS: Final = (
    Key("tokens.write", "i", "type", "Type a text; esc when done"),
    Key("tokens.tokenizer", "t", "tokenizer", "Another tokenizer: a directory, a run, a hub id, builtin:minilm"),
    Key("tokens.beside", "b", "beside", "A second tokenizer beside the first; again to close it"),
    Key("tokens.form", "v", "view", "As boxes with ids, as the text, as a list"),
    Key("tokens.longer", "plus,equals_sign", "longer", "A longer maximum length"),
    Key("tokens.shorter", "minus", "shorter", "A shorter maximum length"),
    Key("tokens.limit", "m", "max length", "Write the maximum length in tokens; 0 is none", footer=False),
    Key("tokens.next", "tab", "next part", "From one tokenizer to the other", footer=False, palette=False),
)

METRICS: Final = (
    Key("metrics.split", "s", "split", "The next split that was evaluated"),
    Key("metrics.worst", "w", "worst rows", "Every row of the split, the worst first", footer=False),
    Key("metrics.curves", "c", "curves", "ROC, precision by recall, calibration; ← → move the threshold"),
    Key("metrics.predict", "p", "try", "Try the model on the row under the cursor"),
    Key("metrics.values", "b", "best/last", "Each run's best numbers, or its last"),
    Key("metrics.next", "tab", "next part", "From the runs to the matrix to its rows", palette=False),
)

# In Try one types: what must work meanwhile is on ctrl.
TRY: Final = (
    Key("try.model", "ctrl+o", "model", "Choose the model: a run, a checkpoint, a directory"),
    Key("try.beside", "ctrl+t", "beside", "Another model beside it: a marked run, the base model, any"),
    Key("try.next", "tab", "controls", "From the text to temperature, top-p, length, and the answers", palette=False),
    Key("try.newline", "ctrl+j", "new line", "A line feed in the text", footer=False, palette=False),
    Key("try.reload", "ctrl+r", "reload", "Load the newest weights again", footer=False),
    Key("try.write", "i", "type", "Back to the text", footer=False),
)

NEW_RUN: Final = (
    Key("new.open", "enter", "launch", "Check the recipe, then start it", palette=False),
    Key("new.check", "c", "check", "Read model and data and tell all there is to know", palette=False),
    Key("new.edit", "e", "edit a copy", "Edit a copy of the recipe in $EDITOR", palette=False),
    Key("new.set", "s", "set a field", "Change one field: train.epochs=1", palette=False),
    Key("new.back", "escape", "back", "Back to the runs", palette=False),
)

PANES: Final[Mapping[str, tuple[Key, ...]]] = {
    "runs": RUNS,
    "live": LIVE,
    "data": DATA,
    "tokens": TOKENS,
    "metrics": METRICS,
    "try": TRY,
}

_WORDS: Final = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "slash": "/", "question_mark": "?", "escape": "esc",
    "plus": "+", "minus": "-", "equals_sign": "=", "pageup": "pgup", "pagedown": "pgdn", "comma": ",",
    "full_stop": ".", "left_square_bracket": "[", "right_square_bracket": "]", "less_than_sign": "<",
    "greater_than_sign": ">",
}  # fmt: skip


def display(key: str) -> str:
    """A key's name as a person reads it: `slash` → `/`, `ctrl+p` → `^p`."""
    key = key.strip()
    return _WORDS.get(key, key).replace("ctrl+", "^")


class Group(NamedTuple):
    """Rows of the help screen under one heading."""

    title: str
    rows: tuple[Key, ...]


class Table:
    """The table with a user's own keys laid over it.

    `notices` are sentences about remaps that could not be used as they are written.
    """

    def __init__(self, remaps: Mapping[str, str] | None = None) -> None:
        self.remaps = dict(remaps or {})
        self.notices: list[str] = []
        self._rows = {row.id: self._remapped(row) for row in every_row()}
        self._check()

    def _remapped(self, row: Key) -> Key:
        return row._replace(keys=self.remaps[row.id]) if row.id in self.remaps else row

    def _check(self) -> None:
        for name in self.remaps.keys() - self._rows.keys():
            near = difflib.get_close_matches(name, self._rows, n=1)
            mend = f": did you mean {near[0]}?" if near else ": see ? for the names"
            self.notices.append(f"settings.toml: no action is called {name}{mend}")
        for mode in MODES:
            for key, ids in self.clashes(mode).items():
                self.notices.append(f"settings.toml: {display(key)} in {TITLES[mode]} means {' and '.join(ids)}")

    def __getitem__(self, id: str) -> Key:
        return self._rows[id]

    def groups(self, mode: str) -> list[Group]:
        """What the help screen lists for a mode: its own keys first."""
        sections = [(TITLES[mode], PANES[mode]), ("In every pane", PANE), ("Moving", MOVE)]
        sections += [("Modes", MODE_KEYS), ("Everywhere", APP)]
        return [Group(title, tuple(self._rows[row.id] for row in rows)) for title, rows in sections if rows]

    def clashes(self, mode: str) -> dict[str, list[str]]:
        """Keys that mean more than one thing while `mode` is on screen."""
        meant: dict[str, list[str]] = {}
        for group in self.groups(mode):
            for row in group.rows:
                for key in row.keys.split(","):
                    meant.setdefault(key.strip(), []).append(row.id)
        return {key: ids for key, ids in meant.items() if len(ids) > 1}


def every_row() -> Iterator[Key]:
    """Every row of the table."""
    for rows in (MODE_KEYS, APP, MOVE, PANE, *PANES.values(), NEW_RUN):
        yield from rows


def textual_bindings(rows: Iterable[Key]) -> list[BindingType]:
    """Rows as Textual wants them. Every one runs through `action_key`, which can say why it will not."""
    return [
        Binding(
            row.keys,
            f"key('{row.id}')",
            row.label,
            show=row.footer,
            tooltip=row.help,
            id=row.id,
            priority=row.id == "app.palette",
        )
        for row in rows
    ]


def markdown() -> str:
    """The table for the README: a heading and a list of keys for each part."""
    sections = [("Everywhere", (*MODE_KEYS, *APP)), ("In every pane", PANE), ("Moving", MOVE)]
    sections += [(TITLES[mode], PANES[mode]) for mode in MODES if PANES[mode]] + [("New run", NEW_RUN)]
    lines: list[str] = []
    for title, rows in sections:
        lines += [f"### {title}", "", "| keys | does | name in settings.toml |", "|---|---|---|"]
        lines += [f"| {_code(row)} | {row.help} | `{row.id}` |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _code(row: Key) -> str:
    return " ".join(f"`{display(key)}`" for key in row.keys.split(","))
