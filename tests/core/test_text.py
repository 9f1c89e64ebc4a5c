"""What comes from outside cannot act on the terminal, and lines up in cells."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.core.text import cells, clean, cut, pad

HOSTILE = "\x1b[31mred\x1b]52;c;aGk=\x07 \x9b2J \u202eevil\u202c \u200bzero \ud800 \r\n"


def test_escape_sequences_become_pictures():
    shown = clean(HOSTILE)
    assert "\x1b" not in shown
    assert "␛[31mred␛]52;c;aGk=␇" in shown
    assert not set(shown) & set("\x9b\u202e\u202c\u200b\ud800\r\n")


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
