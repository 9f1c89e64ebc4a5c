"""The one table of keys. Bindings, footer, help screen, palette and README are all made from it.

A row's `id` is what a user writes in `settings.toml` to give the action other keys:

    [keys]
    "runs.stop" = "x"

The last part of an id names the action: `runs.stop` runs `action_stop` on the pane. A key means the same in every pane:
add a row to your pane's section only for what `PANE` does not already say, on a key that no other pane uses otherwise.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from textual.binding import Binding, BindingType


class Shortcut(NamedTuple):
    """One action: the keys that run it, a word for the footer, a sentence for help and palette.

    `intent` is what the key means where panes have different actions for it: in every pane a key has one meaning.
    """

    id: str
    keys: str
    label: str
    help: str
    footer: bool = True
    palette: bool = True
    intent: str = ""

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


APP: Final = (
    Shortcut("app.help", "question_mark", "help", "Show every key of this pane"),
    Shortcut("app.palette", "ctrl+p", "palette", "Find any action by name", footer=False, palette=False),
    Shortcut("app.theme", "f2", "theme", "Choose a colour theme", footer=False),
    Shortcut("app.undo", "z", "undo", "Undo", footer=False),
    Shortcut("app.suspend", "ctrl+z", "suspend", "Suspend to the shell; `fg` returns", footer=False),
    Shortcut("app.quit", "q", "quit", "Quit; runs keep going", footer=False),
)

MOVE: Final = (
    Shortcut("move.up", "up,k", "up", "Move up", footer=False, palette=False),
    Shortcut("move.down", "down,j", "down", "Move down", footer=False, palette=False),
    Shortcut("move.left", "left,h", "left", "Move left", footer=False, palette=False),
    Shortcut("move.right", "right,l", "right", "Move right", footer=False, palette=False),
    Shortcut("move.page_up", "pageup,ctrl+b", "page up", "Page up", footer=False, palette=False),
    Shortcut("move.page_down", "pagedown,ctrl+f", "page down", "Page down", footer=False, palette=False),
    Shortcut("move.top", "g,home", "top", "Go to the start", footer=False, palette=False),
    Shortcut("move.bottom", "G,end", "bottom", "Go to the end", footer=False, palette=False),
)

PANE: Final = (
    Shortcut("pane.open", "enter", "open", "Open the item under the cursor"),
    Shortcut("pane.mark", "space", "mark", "Mark or unmark the item under the cursor"),
    Shortcut("pane.filter", "slash", "filter", "Filter"),
    Shortcut("pane.edit", "e", "edit", "Edit in $EDITOR"),
    Shortcut("pane.copy", "y", "copy", "Copy to the clipboard, over SSH too (OSC 52)", footer=False),
    Shortcut("pane.back", "escape", "back", "Go back one step", footer=False),
)

RUNS: Final = (
    Shortcut("runs.new", "n", "new", "Start a run from a recipe"),
    Shortcut("runs.stop", "s", "stop", "Stop the run at the end of its step, with a checkpoint"),
    Shortcut("runs.resume", "r", "resume", "Resume from the newest checkpoint"),
    Shortcut("runs.clone", "c", "clone", "Start a copy of the run with changes"),
    Shortcut("runs.tag", "t", "tag", "Add a tag; -tag removes it"),
    Shortcut("runs.note", "N", "note", "Edit the run's note"),
    Shortcut("runs.delete", "d", "delete", "Delete the run; z restores it"),
    Shortcut("runs.unmark", "u", "unmark all", "Unmark every run", footer=False),
)

LIVE: Final = (
    Shortcut("live.log", "L", "log y", "Switch the y axis between linear and logarithmic"),
    Shortcut("live.smooth", "w", "smooth", "Change the smoothing; the raw line stays behind it"),
    Shortcut("live.axis", "x", "x axis", "Change the x axis: step, epoch, time or tokens"),
    Shortcut("live.zoom_in", "plus,equals_sign", "zoom", "Zoom in", intent="more"),
    Shortcut("live.zoom_out", "minus", "zoom out", "Zoom out", footer=False, intent="less"),
    Shortcut("live.zoom_all", "0", "all", "Show the whole series", footer=False),
    Shortcut("live.enlarge", "f", "one chart", "Show one chart full screen, then the next: speed, load and memory too"),
    Shortcut("live.read", "v", "values", "Read the values at a step; ← → move it", footer=False, intent="view"),
    Shortcut("live.output", "O", "console", "Show the console full screen", footer=False),
    Shortcut("live.stop", "s", "stop", "Stop the run at the end of its step, with a checkpoint"),
    Shortcut("live.resume", "r", "resume", "Resume from the newest checkpoint", footer=False),
)

DATA: Final = (
    Shortcut(
        "data.source",
        "o",
        "open",
        "Open a file, a directory, a recipe, a run, a hub id or builtin:reviews",
        intent="load",
    ),
    Shortcut("data.split", "S", "split", "Show the next split"),
    Shortcut("data.label", "B", "by label", "Show only the rows with one label"),
    Shortcut("data.report", "R", "report", "Show the data report: labels, duplicates, odd texts, lengths"),
    Shortcut("data.tokens", "T", "tokens", "Show the row's tokens", footer=False),
    Shortcut("data.next", "tab", "next part", "Switch between the table and the row", footer=False, palette=False),
)

TOKENS: Final = (
    Shortcut("tokens.write", "i", "type", "Type a text; esc when done"),
    Shortcut(
        "tokens.tokenizer",
        "o",
        "tokenizer",
        "Load another tokenizer: a directory, a run, a hub id or builtin:minilm",
        intent="load",
    ),
    Shortcut("tokens.beside", "b", "beside", "Compare with a second tokenizer; again to close it"),
    Shortcut("tokens.form", "v", "view", "Change the view: boxes with ids, text, list", intent="view"),
    Shortcut("tokens.longer", "plus,equals_sign", "longer", "Increase the maximum length", intent="more"),
    Shortcut("tokens.shorter", "minus", "shorter", "Decrease the maximum length", intent="less"),
    Shortcut("tokens.limit", "m", "max length", "Set the maximum length in tokens; 0 for none", footer=False),
    Shortcut("tokens.next", "tab", "next part", "Switch to the other tokenizer", footer=False, palette=False),
)

METRICS: Final = (
    Shortcut("metrics.split", "S", "split", "Show the next split"),
    Shortcut("metrics.worst", "W", "worst rows", "Show the rows of the split, highest loss first", footer=False),
    Shortcut("metrics.curves", "C", "curves", "Show ROC, precision–recall and calibration; ← → move the threshold"),
    Shortcut("metrics.predict", "p", "try", "Try the model on the row under the cursor"),
    Shortcut("metrics.values", "v", "best/last", "Switch between each run's best values and its last", intent="view"),
    Shortcut("metrics.next", "tab", "next part", "Switch between runs, matrix and rows", palette=False),
)

# In Try one types: what must work meanwhile is on ctrl.
TRY: Final = (
    Shortcut("try.model", "ctrl+o", "model", "Load a model: a run, a checkpoint, a directory"),
    Shortcut("try.beside", "ctrl+t", "beside", "Compare with another model: a marked run, the base model, any"),
    Shortcut("try.next", "tab", "controls", "Switch between text, generation settings and answers", palette=False),
    Shortcut("try.newline", "ctrl+j", "new line", "Insert a line break", footer=False, palette=False),
    Shortcut("try.reload", "ctrl+r", "reload", "Reload the newest weights", footer=False),
    Shortcut("try.write", "i", "type", "Go back to the text", footer=False),
)

NEW_RUN: Final = (
    Shortcut("new.open", "enter", "launch", "Check the recipe, then start the run", palette=False),
    Shortcut("new.check", "ctrl+k", "check", "Check model and data, and show the data report", palette=False),
    Shortcut("new.edit", "ctrl+e", "edit a copy", "Edit a copy of the recipe in $EDITOR", palette=False),
    Shortcut("new.set", "ctrl+s", "set a field", "Change fields: train.epochs=1", palette=False),
    Shortcut("new.back", "escape", "back", "Clear what was typed, then go back to Runs", palette=False),
)


class Mode(NamedTuple):
    """A mode: its name in ids, its title, what it is for, its pane in `modes/` as `folder:class`, its own keys."""

    name: str
    title: str
    help: str
    screen: str
    keys: tuple[Shortcut, ...]


MODES: Final[Mapping[str, Mode]] = {
    mode.name: mode
    for mode in (
        Mode("runs", "Runs", "Find, start, stop, tag and compare runs", "runs:RunsPane", RUNS),
        Mode("live", "Live", "Watch a run as it trains: charts, progress, console", "live:LivePane", LIVE),
        Mode("data", "Data", "Browse the rows of a recipe, a run or a file", "data:DataPane", DATA),
        Mode("tokens", "Tokens", "See what the tokenizer does to a text", "tokens:TokensPane", TOKENS),
        Mode(
            "metrics", "Metrics", "Compare runs by metric; confusion matrix, figures per class, curves",
            "metrics:MetricsPane", METRICS,
        ),
        Mode("try", "Try", "Type a text and see what the model answers", "try_:TryPane", TRY),
    )
}  # fmt: skip

MODE_KEYS: Final = tuple(
    Shortcut(f"mode.{mode.name}", str(number), mode.title, mode.help, footer=False)
    for number, mode in enumerate(MODES.values(), start=1)
)

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


class ShortcutGroup(NamedTuple):
    """Rows of the help screen under one heading."""

    title: str
    rows: tuple[Shortcut, ...]


class Table:
    """The table with a user's own keys laid over it.

    `notices` are sentences about remaps that could not be used as they are written.
    """

    def __init__(self, remaps: Mapping[str, str] | None = None) -> None:
        self.remaps = dict(remaps or {})
        self.notices: list[str] = []
        self._rows = {row.id: self._remapped(row) for row in every_row()}
        self._check()

    def _remapped(self, row: Shortcut) -> Shortcut:
        return row._replace(keys=self.remaps[row.id]) if row.id in self.remaps else row

    def _check(self) -> None:
        for name in self.remaps.keys() - self._rows.keys():
            near = difflib.get_close_matches(name, self._rows, n=1)
            hint = f": did you mean {near[0]}?" if near else ": see ? for the names"
            self.notices.append(f"settings.toml: unknown action {name}{hint}")
        for mode in MODES:
            for key, ids in self.clashes(mode).items():
                self.notices.append(f"settings.toml: {display(key)} in {MODES[mode].title} means {' and '.join(ids)}")

    def __getitem__(self, id: str) -> Shortcut:
        return self._rows[id]

    def groups(self, mode: str) -> list[ShortcutGroup]:
        """What the help screen lists for a mode: its own keys first."""
        sections = [(MODES[mode].title, MODES[mode].keys), ("In every pane", PANE), ("Moving", MOVE)]
        sections += [("Modes", MODE_KEYS), ("Everywhere", APP)]
        return [ShortcutGroup(title, tuple(self._rows[row.id] for row in rows)) for title, rows in sections if rows]

    def clashes(self, mode: str) -> dict[str, list[str]]:
        """Keys that mean more than one thing while `mode` is on screen."""
        meant: dict[str, list[str]] = {}
        for group in self.groups(mode):
            for row in group.rows:
                for key in row.keys.split(","):
                    meant.setdefault(key.strip(), []).append(row.id)
        return {key: ids for key, ids in meant.items() if len(ids) > 1}


def every_row() -> Iterator[Shortcut]:
    """Every row of the table."""
    for rows in (MODE_KEYS, APP, MOVE, PANE, *(mode.keys for mode in MODES.values()), NEW_RUN):
        yield from rows


def textual_bindings(rows: Iterable[Shortcut]) -> list[BindingType]:
    """Rows as Textual wants them. Every one runs through `action_key`, which can say why it will not."""
    return [
        Binding(
            row.keys,
            f"key('{row.id}')",
            row.label,
            show=row.footer,
            tooltip=row.help,
            id=row.id,
            priority=row.id == "app.palette" or row.id.startswith("new."),  # in New run one types
        )
        for row in rows
    ]


def markdown() -> str:
    """The table for the README: a heading and a list of keys for each part."""
    sections = [("Everywhere", (*MODE_KEYS, *APP)), ("In every pane", PANE), ("Moving", MOVE)]
    sections += [(mode.title, mode.keys) for mode in MODES.values() if mode.keys] + [("New run", NEW_RUN)]
    lines: list[str] = []
    for title, rows in sections:
        lines += [f"### {title}", "", "| keys | does | name in settings.toml |", "|---|---|---|"]
        lines += [f"| {_code(row)} | {row.help} | `{row.id}` |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _code(row: Shortcut) -> str:
    return " ".join(f"`{display(key)}`" for key in row.keys.split(","))
