"""The Tokens pane: what a tokenizer, or two of them, does to a text."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import TextArea

from workbench.contracts.lab.token_requests import TokensEncode, TokensEncodeReply
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.text import clean
from workbench.tui.bindings import TOKENS, textual_bindings
from workbench.tui.modals import Pick, Prompt
from workbench.tui.modes.tokens.token_detail import TokenDetail
from workbench.tui.modes.tokens.token_side import TokenizerSide
from workbench.tui.modes.tokens.token_view import FORMS, TokenView
from workbench.tui.offers import Offer, has_model, run_offers
from workbench.tui.pane import Pane
from workbench.tui.selection import Passage

DEFAULT = "builtin:minilm"
LENGTHS = (8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768)
_TYPING = 0.12  # seconds without a key before the text is encoded
_PATIENCE = 0.2  # seconds before a wait is said
_EDITABLE = 20_000  # characters: a larger text would stall the editor


class TokensPane(Pane):
    """A text, at most two tokenizers, and a cursor over their tokens."""

    MODE = "tokens"
    BINDINGS = textual_bindings(TOKENS)
    DEFAULT_CSS = """
    TokensPane #typing { display: none; height: 5; border: none; background: $boost; padding: 0 1; }
    TokensPane.-typing #typing { display: block; }
    TokensPane #side1 { display: none; }
    TokensPane.-beside #side1 { display: block; }
    TokensPane.-beside.-wide #side1 { border-left: solid $panel; }
    TokensPane #sides { layout: vertical; }
    TokensPane.-wide #sides { layout: horizontal; }
    """
    AUTO_FOCUS = "#tokens0"

    def __init__(self) -> None:
        super().__init__()
        self.passage: Passage | None = None
        self._names: list[str | None] = [None, None]
        self._limit: int | None = None
        self._pending: Timer | None = None
        self._waiting: set[int] = set()

    def compose_body(self) -> ComposeResult:
        typing = TextArea("", id="typing", soft_wrap=True, show_line_numbers=False, tab_behavior="focus")
        typing.cursor_blink = False
        yield typing
        with Horizontal(id="sides"):
            yield TokenizerSide(0)
            yield TokenizerSide(1)
        yield TokenDetail(id="detail")

    def on_mount(self) -> None:
        self._show_emptiness()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 110, "-wide")

    # -- what is shown -------------------------------------------------------------------------------------------

    def on_passage_changed(self, passage: Passage | None) -> None:
        if passage is None:
            return
        self._stop_typing()
        self._limit = passage.max_length
        self._names[0] = passage.tokenizer or (self._names[0] if self.app.selection.run is None else None)
        self._take(passage)

    def on_run_changed(self, run: str | None) -> None:
        if run is not None:
            self._names[0] = None
            self._encode()

    def _take(self, passage: Passage | None) -> None:
        self.passage = passage
        self._show_emptiness()
        self._encode()

    def _show_emptiness(self) -> None:
        passage = self.passage
        if passage is None and not self.has_class("-typing"):
            self.say_empty("No text in hand", "3  choose a row in Data", "i  type one")
        else:
            self.say_empty(None)
        label = [f"label {passage.label}"] if passage and passage.label else []
        predicted = [f"predicted {passage.prediction}"] if passage and passage.prediction else []
        if passage is not None:
            self.crumbs(passage.source or "typed", *label, *predicted)
            self.crumbs_right(f"{len(passage.text) + len(passage.pair or ''):,} characters")

    def _encode(self) -> None:
        """Ask for the tokens of every side that is open."""
        self._pending = None
        passage = self.passage
        if passage is None:
            return
        for number in range(2 if self.has_class("-beside") else 1):
            self._encode_side(passage, number)

    def _encode_side(self, passage: Passage, number: int) -> None:
        run = self.app.selection.run
        name = self._names[number] or (DEFAULT if run is None else None)
        request = TokensEncode(passage.text, passage.pair, name, None if name else run, self._limit, passage.targets)
        side = self.query_one(f"#side{number}", TokenizerSide)
        sources = (passage.text,) if passage.pair is None else (passage.text, passage.pair)

        def show(reply: TokensEncodeReply) -> None:
            self._waiting.discard(number)
            side.show(reply, sources)
            self._show_detail()

        def fail(error: WorkbenchError) -> None:
            self._waiting.discard(number)
            side.fail(error)
            self._show_detail()

        self._waiting.add(number)
        self.set_timer(_PATIENCE, lambda: side.wait() if number in self._waiting else None)
        lab = self.app.lab
        self.background(lambda: lab.ask(request), show, group=f"encode{number}", failed=fail)

    def _show_detail(self) -> None:
        view = self._view()
        token = view.tokens[view.cursor] if view.tokens else None
        self.query_one(TokenDetail).show(token, view.cursor, len(view.tokens))
        self.refresh_footer()

    def _view(self) -> TokenView:
        focused = self.focused
        return focused if isinstance(focused, TokenView) else self.query_one("#tokens0", TokenView)

    @on(TokenView.Moved)
    def _moved(self, event: TokenView.Moved) -> None:
        self._show_detail()
        self._align(event.view)

    def _align(self, moved: TokenView) -> None:
        """Put the other side's cursor on the token at the same place of the text."""
        if not self.has_class("-beside") or not moved.tokens:
            return
        here = moved.tokens[moved.cursor]
        other = self.query_one("#tokens1" if moved.id == "tokens0" else "#tokens0", TokenView)
        if here.sequence is None:
            return
        same = (n for n, token in enumerate(other.tokens) if token.sequence == here.sequence and token.end > here.start)
        other.point(next(same, other.cursor))

    # -- keys ----------------------------------------------------------------------------------------------------

    def why_not(self, id: str) -> str | None:
        if self.passage is None and id in {"tokens.longer", "tokens.shorter", "tokens.limit", "tokens.beside"}:
            return "There is no text in hand: i types one"
        if id == "pane.edit" and self._too_long():
            return f"The text is too long to edit here ({len(self.passage.text) if self.passage else 0:,} characters)"
        return None

    def _too_long(self) -> bool:
        return self.passage is not None and len(self.passage.text) > _EDITABLE

    def step_back(self) -> bool:
        if self.has_class("-typing"):
            self._stop_typing()
            return True
        if self.has_class("-beside"):
            self.action_beside()
            return True
        return False

    def action_write(self) -> None:
        """Type a text, beginning with the one in hand."""
        text = "" if self.passage is None or self._too_long() else self.passage.text
        self.add_class("-typing")
        self._show_emptiness()
        area = self.query_one(TextArea)
        with self.prevent(TextArea.Changed):
            area.load_text(clean(text, newlines=True))
        area.move_cursor(area.document.end)
        self.set_focus(area)

    def _stop_typing(self) -> None:
        self.remove_class("-typing")
        self.set_focus(self.query_one("#tokens0"))
        self._show_emptiness()

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        if self._pending is not None:
            self._pending.stop()
        text = event.text_area.text
        self._pending = self.set_timer(_TYPING, lambda: self._take(Passage(text)))

    def action_edit(self) -> None:
        """The text in $EDITOR."""
        descriptor, name = tempfile.mkstemp(prefix="workbench-", suffix=".txt")
        path = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(self.passage.text if self.passage else "")
        before = path.read_bytes()
        if self.app.edit_file(path) and (after := path.read_bytes()) != before:
            self._take(Passage(after.decode("utf-8", "replace").removesuffix("\n")))
        path.unlink(missing_ok=True)

    def action_copy(self) -> None:
        view = self._view()
        self.app.copy(" ".join(str(token.id) for token in view.tokens if not token.cut))

    def action_tokenizer(self) -> None:
        self._ask_tokenizer(0 if self._view().id == "tokens0" else 1)

    def action_beside(self) -> None:
        if self.has_class("-beside"):
            self.remove_class("-beside")
            self.set_focus(self.query_one("#tokens0"))
        else:
            self._ask_tokenizer(1)

    def _ask_tokenizer(self, number: int) -> None:
        def chosen(answer: str | None) -> None:
            self._names[number] = (answer or "").strip() or None
            if number == 1:
                self.add_class("-beside")
            self._encode()

        title, home = "Tokenizer: a directory, a run's id, a hub id or builtin:minilm", self.app.home

        def look() -> list[Offer]:
            runs = run_offers(home, lambda run, _: has_model(run))
            return [Offer("the run's own", ""), *runs, Offer(DEFAULT, DEFAULT)]

        self.app.ask_user(Pick(title, look, value=self._names[number] or ""), chosen)

    def action_form(self) -> None:
        """The next way to lay the tokens out."""
        form = FORMS[(FORMS.index(self.query_one("#tokens0", TokenView).form) + 1) % len(FORMS)]
        for view in self.query(TokenView):
            view.change_form(form)

    def action_longer(self) -> None:
        self._change_limit(next((length for length in LENGTHS if length > self._current_limit()), LENGTHS[-1]))

    def action_shorter(self) -> None:
        self._change_limit(max((length for length in LENGTHS if length < self._current_limit()), default=LENGTHS[0]))

    def _current_limit(self) -> int:
        """The limit that is on; without one, as many tokens as there are."""
        reply = self.query_one("#side0", TokenizerSide).reply
        if self._limit:
            return self._limit
        return (reply.max_length or reply.total) if reply else 128

    def action_limit(self) -> None:
        title = "Maximum length in tokens; 0 for none, empty for the model's own"
        self.app.ask_user(Prompt(title, value=str(self._limit or ""), check=_length, instead=True), self._limit_written)

    def _limit_written(self, answer: str | None) -> None:
        self._change_limit(_length(answer or ""))

    def _change_limit(self, limit: int | None) -> None:
        self._limit = limit
        self._encode()

    def action_next(self) -> None:
        if self.has_class("-beside"):
            self.set_focus(self.query_one("#tokens1" if self._view().id == "tokens0" else "#tokens0"))
            self._show_detail()


def _length(answer: str) -> int | None:
    """The number written, or None for nothing. Raises BadInput."""
    text = answer.strip().replace(",", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) > 10_000_000:
        raise BadInput(f"{clean(text[:40])} is no number of tokens", hint="write one such as 128")
    return int(text)
