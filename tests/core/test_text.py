"""What comes from outside cannot act on the terminal, and lines up in cells."""

import json

from hypothesis import given
from hypothesis import strategies as st

from workbench.core.text import NEAREST_ASCII, cells, clean, cut, escaped, pad

HOSTILE = "\x1b[31mred\x1b]52;c;aGk=\x07 \x9b2J \u202eevil\u202c \u200bzero \ud800 \r\n"


def test_escape_sequences_become_pictures():
    shown = clean(HOSTILE)
    assert "\x1b" not in shown
    assert "␛[31mred␛]52;c;aGk=␇" in shown
    assert not set(shown) & set("\x9b\u202e\u202c\u200b\ud800\r\n")


def test_what_takes_no_room_is_shown():
    for sign in "\xad\u2060\u2064\u180e\ufff9\ufffa\ufffb\U000e0041\U000e007f\u206f":
        assert clean(f"a{sign}b") == "a\ufffdb", hex(ord(sign))


@given(st.text(), st.sampled_from(["\x7f", "\x9b", "\u202e", "\u2060", "\ufff9", "\U000e0041", "\ud800", "\u2028"]))
def test_escaped_json_is_the_same_json_and_says_nothing_to_a_terminal(text: str, sign: str):
    value = {"text": text + sign + text, sign: [sign, "\\" + sign]}
    shown = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert clean(shown) == shown


def test_a_terminal_of_another_encoding_gets_what_is_nearest():
    assert "✓ é 中 — 3 × 2 …".encode("latin-1", NEAREST_ASCII).decode("latin-1") == "+ é ? - 3 × 2 ..."
    assert "é ≤ 中".encode("ascii", NEAREST_ASCII) == b"e < ?"


@given(st.text())
def test_nothing_that_acts_survives(text: str):
    for shown in (clean(text), clean(text, newlines=True)):
        shown.encode("utf-8")
        assert all(ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F for c in shown.replace("\n", ""))


def test_plain_and_chinese_text_is_left_alone():
    assert clean("plain, 中文 and émigré 👍") == "plain, 中文 and émigré 👍"


def test_newlines_are_kept_only_where_wanted():
    assert clean("a\nb") == "a⏎b"
    assert clean("a\nb\tc", newlines=True) == "a\nb c"


def test_width_is_counted_in_cells():
    assert cells("中文") == 4
    assert cut("中文字", 5) == "中文…"
    assert cut("中文字", 6) == "中文字"
    assert pad("中", 4) == "中  "
    assert pad("7", 3, right=True) == "  7"


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"])), st.integers(0, 40))
def test_pad_gives_exactly_the_width_asked_for(text: str, width: int):
    assert cells(pad(clean(text), width)) == width


def test_a_megabyte_is_cut_without_being_measured():
    assert cells(cut("字" * 1_000_000, 10)) == 9
