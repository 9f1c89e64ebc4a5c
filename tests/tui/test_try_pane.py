"""The Try pane: a lab that answers when the test says so, real runs behind it, and once the real lab."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from workbench.contracts.answers import LabelAnswer
from workbench.contracts.events import EventWriter
from workbench.contracts.lab.model_requests import (
    ModelGenerate,
    ModelOpen,
    ModelOpenReply,
    ModelPredict,
    ModelPredictReply,
    TextPiece,
)
from workbench.core.errors import ModelError, WorkbenchError
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.display.spans import plain
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment
from workbench.tui.app import WorkbenchApp
from workbench.tui.modes.try_.composer import Composer
from workbench.tui.modes.try_.generated import generated_lines
from workbench.tui.modes.try_.model_side import ModelSide
from workbench.tui.modes.try_.newest import Newest
from workbench.tui.modes.try_.sampling_controls import KNOBS, Knobs, knob_line, set_from
from workbench.tui.selection import Passage

HOSTILE = "evil\x1b]52;c;aGk=\x07\u202e"


class FakeStream:
    """Pieces that come as they are let out."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._pieces: list[str] = []
        self._more = threading.Condition()
        self._over = False

    def let_out(self, *pieces: str, over: bool = False) -> None:
        with self._more:
            self._pieces += pieces
            self._over = over
            self._more.notify_all()

    def cancel(self) -> None:
        self.cancelled.set()
        self.let_out(over=True)

    def __iter__(self) -> Iterator[TextPiece]:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._pieces or self._over, 20)
                if not self._pieces:
                    return
                piece = self._pieces.pop(0)
            yield TextPiece(piece)


class FakeLab:
    """Models by run id: labels, or None for one that generates."""

    def __init__(self, models: dict[str, list[str] | None]) -> None:
        self.models = models
        self.asked: list[str] = []
        self.streams: list[tuple[ModelGenerate, FakeStream]] = []
        self.free = threading.Event()
        self.free.set()

    def ask(self, request: ModelOpen | ModelPredict) -> Any:
        return self.opened(request) if isinstance(request, ModelOpen) else self.predicted(request)

    def opened(self, request: ModelOpen) -> ModelOpenReply:
        run = request.value
        if request.place != "run" or run not in self.models:
            raise ModelError("there is nothing to load yet", where=run, hint="wait for its first checkpoint")
        labels = self.models[run]
        task = "text-classification" if labels else "causal-lm"
        return ModelOpenReply(run, task, tuple(labels or ()), ("text",), generates=not labels, name=run, step=120)

    def predicted(self, request: ModelPredict) -> ModelPredictReply:
        (row,) = request.rows
        text = row["text"]
        self.asked.append(text)
        assert self.free.wait(20)
        labels = self.models[request.handle] or []
        share = min(len(text), 9) / 10
        return ModelPredictReply((LabelAnswer(labels[0], dict(zip(labels, (share, 1 - share), strict=True))),))

    def stream(self, request: ModelGenerate) -> FakeStream:
        stream = FakeStream()
        self.streams.append((request, stream))
        return stream

    def close(self) -> None:
        self.free.set()
        for _, stream in self.streams:
            stream.let_out(over=True)


@pytest.fixture
def make_run(home: Home) -> Callable[..., RunDir]:
    def make(name: str, task: str = "text-classification", extra: str = "") -> RunDir:
        text = f'name = "{name}"\ntask = "{task}"\n[model]\nname = "builtin:minilm"\n'
        run = create(home, Experiment.read(text + f'[data]\nsource = "builtin:reviews"\n{extra}'))
        writer = EventWriter(run.events)
        writer.write("started", pid=1, host="here")
        writer.write("finished", state="completed", reason="", exit_code=0)
        writer.close()
        return run

    return make


@pytest.fixture
def app(home: Home) -> WorkbenchApp:
    return WorkbenchApp(home)


@pytest.fixture
def opened(until):
    async def open_pane(pilot, app: WorkbenchApp, lab: FakeLab, *runs: RunDir):
        """Try with the first run as the current one, the others marked, its models loaded."""
        app.lab = lab
        app.selection.choose(runs[0].id)
        for run in runs[1:]:
            app.selection.toggle(run.id)
        app.go("try")
        await until(
            pilot, lambda: bool(app.screen.query(ModelSide)) and app.screen.query(ModelSide).first().model is not None
        )
        return app.screen

    return open_pane


def side(app: WorkbenchApp, name: str = "left") -> ModelSide:
    return app.screen.query_one(f"#{name}", ModelSide)


def shares(app: WorkbenchApp, name: str = "left") -> Mapping[str, float]:
    answer = side(app, name).answer.answer
    return answer.probabilities if isinstance(answer, LabelAnswer) else {}


SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")


@SIZES
async def test_one_types_and_sees_probabilities_of_two_runs(app, make_run, size, opened, until, agrees):
    left, right = make_run("minilm-reviews"), make_run("另一次运行")
    lab = FakeLab({left.id: ["负面", "正面"], right.id: ["negative", "positive"]})
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, lab, left, right)
        await pilot.press(*"great")
        await until(pilot, lambda: shares(app) == {"负面": 0.5, "正面": 0.5})
        app.screen.query_one(Composer).load("这部电影真的很好看, isn't it?")
        await until(pilot, lambda: shares(app).get("负面") == 0.9)
        await until(pilot, lambda: shares(app, "right").get("negative") == 0.9)
        await pilot.pause()
        agrees(app, f"try-two-classifiers-{size[0]}x{size[1]}")


async def test_while_an_answer_is_out_only_the_newest_text_waits_and_stale_ones_are_dropped(
    app, make_run, opened, until
):
    run = make_run("slow")
    lab = FakeLab({run.id: ["a", "b"]})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, run)
        lab.free.clear()
        await pilot.press("x")
        await until(pilot, lambda: lab.asked == ["x"])
        for text in ("xy", "xyz", "xyzw"):
            app.screen.query_one(Composer).load(text)
            await pilot.pause(0.2)
        assert lab.asked == ["x"]
        assert not side(app).has_class("-answer")
        lab.free.set()
        await until(pilot, lambda: side(app).has_class("-answer"))
        assert lab.asked == ["x", "xyzw"]
        assert shares(app)["a"] == 0.4


async def test_fast_typing_asks_once(app, make_run, opened, until):
    run = make_run("debounced")
    lab = FakeLab({run.id: ["a", "b"]})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, run)
        await pilot.press(*"quick")
        await until(pilot, lambda: side(app).has_class("-answer"))
        assert lab.asked[-1] == "quick"
        assert len(lab.asked) < len("quick")


async def test_numbers_and_q_are_text_while_typing_and_keys_after_esc(app, make_run, opened):
    run = make_run("typed")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, FakeLab({run.id: ["a", "b"]}), run)
        await pilot.press("5", "q", "slash", "question_mark")
        assert screen.query_one(Composer).text == "5q/?"
        await pilot.press("escape", "5")
        assert app.current_mode == "metrics"
        await pilot.press("6", "escape", "i", "z")
        assert screen.query_one(Composer).text == "5q/?z"


async def test_pieces_are_kept_that_the_end_of_their_text_has_overtaken(app, make_run, opened, until):
    run = make_run("gpt2-docs", "causal-lm")
    lab = FakeLab({run.id: None})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, run)
        await pilot.press("a", "enter")
        await until(pilot, lambda: len(lab.streams) == 1)
        generation = side(app).generation
        lab.streams[0][1].let_out(over=True)
        await until(pilot, lambda: side(app).generation is None)
        side(app).post_message(ModelSide.TextArrived(generation, " last words"))
        await until(pilot, lambda: side(app).text.written == " last words")


async def test_a_language_model_streams_goes_by_its_controls_and_stops_with_esc(
    app, make_run, opened, until, agrees, shot
):
    run = make_run("gpt2-docs", "causal-lm", "[generate]\nmax_new_tokens = 32\ntemperature = 0.5\n")
    lab = FakeLab({run.id: None})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, lab, run)
        await pilot.press(*"The ", "tab", "up", "right", "down", "enter")
        await pilot.pause()
        await pilot.press("home", "ctrl+k", *"0.5", "enter")
        await pilot.press("shift+tab", "enter")
        await until(pilot, lambda: len(lab.streams) == 1)
        request, stream = lab.streams[0]
        assert (request.prompt, request.options["max_new_tokens"]) == ("The ", 32)
        assert (request.options["temperature"], request.options["top_p"]) == pytest.approx((0.6, 0.5))
        stream.let_out("import ", "语句 ", HOSTILE)
        await until(pilot, lambda: "语句" in side(app).text.written and "evil" in side(app).text.written)
        await pilot.pause()
        assert "\x1b" not in shot(app)
        agrees(app, "try-generating-80x24")
        await pilot.press("escape")
        await until(pilot, stream.cancelled.is_set)
        stream.let_out("late")
        await pilot.pause(0.1)
        assert "late" not in side(app).text.written
        assert app.current_mode == "try"
        assert screen.query_one(Composer).text == "The "


async def test_what_is_entered_while_the_model_loads_is_answered_when_it_has(app, make_run, until):
    run = make_run("gpt2-docs", "causal-lm")
    lab = FakeLab({run.id: None})
    loaded = threading.Event()
    ask = lab.ask

    def slow(request: ModelOpen | ModelPredict) -> Any:
        assert loaded.wait(20)
        return ask(request)

    lab.ask = slow
    async with app.run_test(size=(80, 24)) as pilot:
        app.lab = lab
        app.selection.choose(run.id)
        app.go("try")
        await until(pilot, lambda: bool(app.screen.query(ModelSide)) and side(app).where is not None)
        await pilot.press("a", "enter")
        assert not lab.streams
        loaded.set()
        await until(pilot, lambda: len(lab.streams) == 1)
        assert lab.streams[0][0].prompt == "a"


async def test_entering_again_ends_the_text_before(app, make_run, opened, until):
    run = make_run("gpt2-docs", "causal-lm")
    lab = FakeLab({run.id: None})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, run)
        await pilot.press("a", "enter")
        await until(pilot, lambda: len(lab.streams) == 1)
        await pilot.press("b", "enter")
        await until(pilot, lambda: len(lab.streams) == 2)
        await until(pilot, lab.streams[0][1].cancelled.is_set)
        lab.streams[1][1].let_out(" new", over=True)
        await until(pilot, lambda: side(app).text.written == " new")


async def test_a_run_without_a_model_says_so_in_one_sentence(app, make_run, until, shot):
    run = make_run("young")
    async with app.run_test(size=(80, 24)) as pilot:
        app.lab = FakeLab({})
        app.selection.choose(run.id)
        app.go("try")
        await until(pilot, lambda: bool(app.screen.query(ModelSide)) and side(app).has_class("-failed"))
        await pilot.pause()
        assert "there is nothing to load yet: wait for its first" in shot(app)


async def test_an_answer_that_fails_is_said_where_it_would_stand(app, make_run, opened, until, shot):
    run = make_run("broken")
    lab = FakeLab({run.id: ["a", "b"]})

    def ask(request: ModelOpen | ModelPredict) -> Any:
        if isinstance(request, ModelPredict):
            raise WorkbenchError("the lab process was killed by signal 9 and was restarted", hint="ask again")
        return FakeLab.ask(lab, request)

    lab.ask = ask
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, run)
        await pilot.press("x")
        await until(pilot, lambda: side(app).has_class("-failed"))
        assert "killed by signal 9 and was restarted: ask again" in shot(app)
        lab.ask = lambda request: FakeLab.ask(lab, request)
        await pilot.press("y")
        await until(pilot, lambda: side(app).has_class("-answer"))
        await pilot.pause()
        assert "killed by signal 9" not in shot(app)


async def test_what_was_entered_is_recalled_the_next_time(home, make_run, opened):
    run = make_run("remembering")
    for typed in ("first", "second"):
        app = WorkbenchApp(home)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(pilot, app, FakeLab({run.id: ["a", "b"]}), run)
            await pilot.press(*typed, "enter")
    app = WorkbenchApp(home)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, FakeLab({run.id: ["a", "b"]}), run)
        composer = screen.query_one(Composer)
        await pilot.press(*"draft", "up")
        assert composer.text == "second"
        await pilot.press("up")
        assert composer.text == "first"
        await pilot.press("down", "down")
        assert composer.text == "draft"


async def test_a_row_handed_over_is_asked_about_as_it_is_and_shown_harmless(app, make_run, opened, until, shot):
    run = make_run("handed")
    lab = FakeLab({run.id: ["a", "b"]})
    async with app.run_test(size=(80, 24)) as pilot:
        app.selection.hand_over(Passage(f"line one\nline {HOSTILE}"))
        await opened(pilot, app, lab, run)
        await until(pilot, lambda: bool(lab.asked))
        assert lab.asked == [f"line one\nline {HOSTILE}"]
        await pilot.pause()
        assert "\x1b" not in shot(app)
        assert "line evil␛]52" in shot(app)


async def test_what_is_pasted_is_made_harmless(app, make_run, opened):
    run = make_run("pasted")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, FakeLab({run.id: ["a", "b"]}), run)
        screen.query_one(Composer).insert(HOSTILE + "x" * 30_000)
        text = screen.query_one(Composer).text
        assert "\x1b" not in text
        assert len(text) <= 20_000


async def test_another_model_can_be_chosen_by_hand_and_nothing_beside_it(app, make_run, opened, until, shot):
    one, two = make_run("one"), make_run("two")
    for run in (one, two):
        run.model.mkdir()
        (run.model / "config.json").write_text("{}", "utf-8")
    lab = FakeLab({one.id: ["a", "b"], two.id: ["c", "d"]})
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, lab, one, two)
        await until(pilot, lambda: side(app, "right").model is not None)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: len(app.screen_stack) == 2 and "nothing" in shot(app))
        assert "minilm (base)" not in shot(app), "it has no head: to open it would fail"
        await pilot.press("enter")
        await pilot.pause()
        assert not app.screen.has_class("-two")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await until(pilot, lambda: "↑ ↓ choose" in shot(app) and "│  two" in shot(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: side(app).model is not None and side(app).model.handle == two.id)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press(*"one", "enter")
        await until(pilot, lambda: side(app).model is not None and side(app).model.handle == one.id)


async def test_a_run_that_finishes_while_one_types_does_not_take_the_place_of_the_model(app, make_run, until):
    first = make_run("first")
    lab = FakeLab({first.id: ["a", "b"]})
    async with app.run_test(size=(80, 24)) as pilot:
        app.lab = lab
        app.go("try")
        await until(pilot, lambda: bool(app.screen.query(ModelSide)) and side(app).model is not None)
        lab.models[make_run("second").id] = ["c", "d"]
        await until(pilot, lambda: app.status.total == 2)
        await pilot.pause(0.3)
        assert side(app).model.handle == first.id


async def test_with_no_run_the_next_key_is_named(app, until, shot):
    async with app.run_test(size=(80, 24)) as pilot:
        app.go("try")
        await until(pilot, lambda: app.screen.has_class("-empty"))
        await pilot.pause()
        assert "No model yet" in shot(app)
        await pilot.press("1")
        assert app.current_mode == "runs"


async def test_the_real_lab_loads_a_model_and_answers(app, home, make_run, until):
    run = make_run("real")
    _tiny_classifier(run.model)
    async with app.run_test(size=(80, 24)) as pilot:
        app.selection.choose(run.id)
        app.go("try")
        for _ in range(3000):
            await pilot.pause(0.02)
            if app.screen.query(ModelSide) and side(app).model is not None:
                break
        await pilot.press(*"good")
        await until(pilot, lambda: side(app).has_class("-answer"))
        assert set(shares(app)) == {"负面", "正面"}


def _tiny_classifier(directory: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(directory)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(vocab_size=3, max_position_embeddings=16, id2label={0: "负面", 1: "正面"}, **small)
    BertForSequenceClassification(config).save_pretrained(directory)


def test_a_question_out_lets_only_the_newest_wait():
    gate: Newest[str] = Newest()
    assert gate.ask("a")
    assert not gate.ask("b")
    assert not gate.ask("c")
    assert gate.answered() == "c"
    assert not gate.ask("c"), "it is out"
    assert gate.answered() is None
    assert gate.ask("d")
    gate.reset()
    assert gate.ask("e"), "after a reset nothing is out"


def test_knobs_stop_at_their_ends_and_follow_the_recipe():
    temperature = KNOBS[0]
    assert temperature.turned(-99).value == 0.0
    assert temperature.turned(99).value == 2.0
    assert temperature.turned(1).text == "0.90"
    assert [knob.value for knob in set_from(KNOBS, {"max_new_tokens": 7, "prompts": []})] == [0.8, 0.95, 7, 0]


@pytest.mark.parametrize("text", ["", "hot", "3", "-1", "nan"])
def test_a_typed_value_out_of_range_is_one_sentence(text):
    with pytest.raises(WorkbenchError, match="temperature is a number from 0 to 2"):
        KNOBS[0].parse(text)


def test_the_control_under_the_cursor_is_in_brackets():
    assert plain([knob_line(KNOBS, 1)])[0] == " temperature  0.80  top-p [0.95] length  64  seed  0"


def test_generated_text_is_folded_with_its_prompt_and_told_apart_from_it():
    lines = generated_lines("The import", " statement\nis 导入语句", 12)
    assert plain(lines) == ["The import", "statement", "is 导入语句"]
    assert [span.style for span in lines[0]] == ["muted"]
    assert [span.style for span in lines[1]] == [""]
    assert Knobs().values["top_p"] == 0.95


def test_a_recipe_says_which_second_text_its_model_wants_before_it_is_loaded(home, make_run):
    from workbench.registry import Ingestor, Registry
    from workbench.tui.modes.try_.requests import TryRequest

    answers, texts = make_run("answers", "question-answering"), make_run("texts")
    with Registry.open(home) as registry:
        Ingestor(home).poll(wait=True)
        assert TryRequest(answers.id).read(registry).run.second == "context"
        assert TryRequest(texts.id).read(registry).run.second == ""
