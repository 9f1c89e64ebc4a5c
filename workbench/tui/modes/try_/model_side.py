"""One model in Try: it is loaded, asked and stopped here, and its answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.contracts.answers import Answer, parse
from workbench.core.errors import WorkbenchError
from workbench.core.text import clean
from workbench.display.answers import copied
from workbench.tui.modes.try_.answer import AnswerView
from workbench.tui.modes.try_.generated import GeneratedText
from workbench.tui.modes.try_.newest import Newest
from workbench.tui.modes.try_.requests import OpenModel, Where
from workbench.tui.modes.try_.streaming import Generation
from workbench.tui.pane import Pane
from workbench.tui.widgets.drawing import Caption

_STATES = ("-answer", "-text", "-note")

# What is typed: the text, and the second one of models that take two.
Typed = tuple[str, str]


class ModelSide(Vertical):
    """`current` gives the texts as they stand now: an answer to others is dropped.

    `where` is what is or will be loaded, `model` None until it is.
    """

    DEFAULT_CSS = """
    ModelSide { width: 1fr; height: 1fr; padding: 0 1; }
    ModelSide Caption { background: $boost; margin: 0 0 1 0; }
    ModelSide > AnswerView, ModelSide > GeneratedText, ModelSide > Static { display: none; }
    ModelSide.-answer > AnswerView, ModelSide.-text > GeneratedText, ModelSide.-note > Static { display: block; }
    ModelSide > Static { height: 1fr; color: $foreground 70%; }
    ModelSide.-failed > Static { color: $text-error; }
    """

    @dataclass
    class ModelLoaded(Message):
        """The model can be asked."""

        side: ModelSide

    @dataclass
    class Running(Message):
        """A text is being generated, or no longer."""

        side: ModelSide

    @dataclass
    class TextArrived(Message):
        """More of a generated text. Comes from the thread that reads it."""

        generation: Generation
        text: str

    def __init__(self, current: Callable[[], Typed], *, id: str) -> None:
        super().__init__(id=id)
        self.where: Where | None = None
        self.model: OpenModel | None = None
        self.generation: Generation | None = None  # the one that runs
        self._written: Generation | None = None  # the one whose text is shown: its end overtakes its last pieces
        self._current = current
        self._gate: Newest[Typed] = Newest()
        self._sent: tuple[str, Mapping[str, float]] | None = None
        self._answer_to: Typed | None = None

    def compose(self) -> ComposeResult:
        yield Caption()
        yield AnswerView()
        yield GeneratedText()
        yield Static(markup=False)

    @property
    def answer(self) -> AnswerView:
        return self.query_one(AnswerView)

    @property
    def text(self) -> GeneratedText:
        return self.query_one(GeneratedText)

    @property
    def generates(self) -> bool:
        return self.model is not None and self.model.generates

    @property
    def shown(self) -> str:
        """What can be copied: the text, or the answer."""
        if self.has_class("-text"):
            return self.text.prompt + self.text.written
        if self.has_class("-answer") and self.answer.answer:
            return copied(self.answer.answer)
        return ""

    # -- the model -----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """No model belongs here any more."""
        self.stop()
        self.where = self.model = self._sent = self._answer_to = None
        self._gate.reset()

    def load(self, where: Where) -> None:
        """Load what is there, in the background."""
        self.clear()
        self.where = where
        self.query_one(Caption).show(where.title, "loading")
        self._note("Loading the model. The first one takes a few seconds; go on typing.")
        lab = self._pane.app.lab
        self._work("open", lambda: OpenModel.parse(lab.call("model.open", **where.params)), self._loaded, self._failed)

    def _loaded(self, model: OpenModel) -> None:
        self.model = model
        title = self.where.title if self.where else model.name
        self.query_one(Caption).show(title, "" if model.step is None else f"step {model.step}")
        self._wait()
        self.post_message(self.ModelLoaded(self))
        sent, self._sent = self._sent, None
        if sent and sent[0] == self._current()[0]:
            self.generate(*sent)

    def _failed(self, error: WorkbenchError) -> None:
        self._gate.reset()
        if self.model is None:
            self.query_one(Caption).show(self.where.title if self.where else "", "failed")
        self._note(error.sentence, failed=True)

    # -- answers -------------------------------------------------------------------------------------------------

    def predict(self) -> None:
        """Ask about the current texts, if this model answers."""
        typed = self._current()
        if self.model is None or self.generates:
            return
        if not all(text.strip() for text in typed[: len(self.model.fields)]):
            self._wait()
        elif self.has_class("-answer") and typed == self._answer_to:
            return
        elif self._gate.ask(typed):
            self._ask(self.model, typed)

    def _ask(self, model: OpenModel, typed: Typed) -> None:
        if not self.has_class("-answer"):
            self._note("Asking …")
        row = dict(zip(model.fields, typed, strict=False))
        lab = self._pane.app.lab
        self._work(
            "predict",
            lambda: parse(lab.call("model.predict", handle=model.handle, texts=[row])[0]),
            lambda answer: self._answered(model, typed, row, answer),
            lambda error: self._failed(error) if self.model is model else None,
        )

    def _answered(self, model: OpenModel, typed: Typed, row: dict[str, str], answer: Answer) -> None:
        """Show an answer, unless the model or what is typed is another by now."""
        if self.model is not model:
            return
        if typed == self._current():
            self._answer_to = typed
            self.answer.show(answer, row, model.labels)
            self._show("-answer")
        newer = self._gate.answered()
        if newer is not None:
            self._ask(model, newer)

    # -- text ----------------------------------------------------------------------------------------------------

    def generate(self, prompt: str, options: Mapping[str, float]) -> None:
        """Go on from the prompt, if this model writes; as soon as it is loaded, if it is not yet."""
        if self.model is None:
            self._sent = (prompt, options)
            return
        if not self.generates:
            return
        self.stop()
        self.text.begin(prompt)
        self._show("-text")
        params = {"handle": self.model.handle, "prompt": prompt, **options}
        generation = Generation(
            self._pane.app.lab, params, lambda text: self.post_message(self.TextArrived(generation, text))
        )
        self.generation = self._written = generation
        self._work(
            "generate",
            generation.read,
            lambda _: self._ended(generation),
            lambda error: self._broke(generation, error),
        )
        self.post_message(self.Running(self))

    @on(TextArrived)
    def _add_piece(self, event: TextArrived) -> None:
        event.stop()
        if self._written is event.generation and not event.generation.stopped:
            self.text.add(event.text)

    def _ended(self, generation: Generation) -> None:
        if self.generation is generation:
            self.generation = None
            self.post_message(self.Running(self))

    def _broke(self, generation: Generation, error: WorkbenchError) -> None:
        if self.generation is generation:
            self._ended(generation)
            self._failed(error)

    def stop(self) -> bool:
        """End what is being generated. Whether anything was."""
        generation, self.generation = self.generation, None
        if generation is None:
            return False
        generation.stop()
        self.post_message(self.Running(self))
        return True

    # -- what is shown -------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Nothing was asked yet."""
        if self.model is not None:
            wanted = " and ".join(f"a {name.replace('_', ' ')}" for name in self.model.fields)
            labels = f"{len(self.model.labels)} labels: " if self.model.labels else ""
            self._note("enter  lets it go on from the text" if self.generates else f"{labels}type {wanted}")

    def _note(self, sentence: str, *, failed: bool = False) -> None:
        """Words in place of an answer."""
        self.query_one(Static).update(Content(clean(sentence, newlines=True)))
        self.set_class(failed, "-failed")
        self._show("-note")

    def _show(self, state: str) -> None:
        for name in _STATES:
            self.set_class(name == state, name)

    @property
    def _pane(self) -> Pane:
        return cast("Pane", self.screen)

    def _work(
        self,
        what: str,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[WorkbenchError], None],
    ) -> None:
        self._pane.background(work, then, group=f"{what} {self.id}", failed=failed)
