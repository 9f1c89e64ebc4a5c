"""Where one types: enter sends, ctrl+j breaks the line, up and down at the edges recall what was typed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from workbench.core.text import clean
from workbench.tui.modes.try_.typed_history import History
from workbench.tui.text_edits import Edit, EditResult

# A million characters block the widget for seconds.
LIMIT = 20_000


class Composer(TextArea):
    """Holds only clean text. `raw` is what stands for it where an untouched text was loaded that is not clean."""

    DEFAULT_CSS = """
    Composer { height: 4; border: none; border-left: outer $primary 40%; padding: 0 1; background: $boost; }
    Composer:focus { border: none; border-left: outer $primary; }
    """

    @dataclass
    class Sent(Message):
        """Enter was pressed."""

        composer: Composer
        text: str

    def __init__(self, history: History, **options: Any) -> None:
        super().__init__(compact=True, highlight_cursor_line=False, **options)
        self.cursor_blink = False
        self._history = history
        self._loaded = ("", "")

    @property
    def raw(self) -> str:
        """The text as it is meant: the loaded one with its odd characters, as long as it was not edited."""
        shown, raw = self._loaded
        return raw if shown and shown == self.text else self.text

    def keep(self) -> None:
        """Keep the text for later recall. Raises OSError where it cannot be written."""
        self._history.add(self.raw)

    def load(self, text: str) -> None:
        """Another text, at most 20,000 characters of it; the cursor at its end."""
        shown = clean(text[:LIMIT], newlines=True)
        self._loaded = (shown, text[:LIMIT])
        self.load_text(shown)
        self.move_cursor(self.document.end)

    def edit(self, edit: Edit) -> EditResult:
        """Whatever comes in, by key or by paste, is cleaned."""
        room = max(0, LIMIT - len(self.text))
        edit.text = clean(edit.text[:room], newlines=True)
        return super().edit(edit)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent(self, self.raw))

    def action_cursor_up(self, select: bool = False) -> None:
        older = self._history.older(self.raw) if self.cursor_at_first_line and not select else None
        if older is None:
            super().action_cursor_up(select)
        else:
            self.load(older)

    def action_cursor_down(self, select: bool = False) -> None:
        newer = self._history.newer() if self.cursor_at_last_line and not select else None
        if newer is None:
            super().action_cursor_down(select)
        else:
            self.load(newer)
