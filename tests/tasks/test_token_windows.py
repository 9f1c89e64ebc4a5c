"""Long rows are cut into windows, and every word is answered for once, where it is seen best."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import BadInput
from workbench.data.tables.tags import Tagset
from workbench.metrics.entities import spans
from workbench.models import weights
from workbench.tasks.token_classification.alignment import Aligned
from workbench.tasks.token_classification.encode import Cutter, WordWindows, for_words
from workbench.tasks.token_classification.windows import cut


def numbered(lengths):
    """The word of each token, of words of so many tokens."""
    return np.repeat(np.arange(len(lengths)), lengths)


@given(st.lists(st.integers(1, 6), max_size=60), st.integers(6, 20), st.integers(0, 19))
def test_every_word_is_answered_for_once_by_the_window_that_sees_it_best(lengths, room, stride):
    words = numbered(lengths)
    windows = cut(words, room, min(stride, room - 1))
    owned = [place for window in windows for place in range(window.first, window.last)]
    assert owned == list(range(len(words)))
    for window in windows:
        assert window.start <= window.first <= window.last <= window.stop <= window.start + room
        for edge in (window.start, window.stop, window.first, window.last):
            assert edge in (0, len(words)) or words[edge] != words[edge - 1], "no word is torn"
    for word in range(len(lengths)):
        tokens = np.flatnonzero(words == word)
        contexts = [
            min(tokens[0] - window.start, window.stop - 1 - tokens[-1]) if covers(window, tokens) else -1
            for window in windows
        ]
        owner = next(at for at, window in enumerate(windows) if window.first <= tokens[0] < window.last)
        assert contexts[owner] == max(contexts)


def covers(window, tokens):
    return window.start <= tokens[0] and tokens[-1] < window.stop


def test_windows_share_what_is_asked_for_and_the_last_reaches_back():
    windows = cut(np.arange(25), room=10, stride=4)
    assert [(window.start, window.stop) for window in windows] == [(0, 10), (6, 16), (12, 22), (15, 25)]
    assert [(window.first, window.last) for window in windows] == [(0, 8), (8, 14), (14, 19), (19, 25)]


@pytest.fixture(scope="module")
def bytes_bpe():
    return weights.train_bpe(["the cat sat on the mat 我爱北京"] * 60, 330)


def test_words_are_read_as_after_a_space_where_the_text_has_spaces(bytes_bpe, tmp_path):
    def pieces(tokenizer, words):
        return tokenizer(words, is_split_into_words=True, add_special_tokens=False).tokens()

    assert pieces(for_words(bytes_bpe, spaced=True), ["the", "cat"]) == ["Ġthe", "Ġcat"]
    chinese = for_words(bytes_bpe, spaced=False)
    assert not any(piece.startswith("Ġ") for piece in pieces(chinese, ["北", "京"]))
    # A saved one may have forgotten it: whoever opens it says it again.
    chinese.save_pretrained(tmp_path)
    again = for_words(weights.open_tokenizer(tmp_path), spaced=True)
    assert pieces(again, ["the", "cat"]) == ["Ġthe", "Ġcat"]


def test_words_of_sentencepiece_likewise():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -2.0), ("▁cat", -1.0), ("cat", -3.0), ("京", -1.0)], 0))
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    inner.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")

    def pieces(words):
        return tokenizer(words, is_split_into_words=True, add_special_tokens=False).tokens()

    for_words(tokenizer, spaced=True)
    assert pieces(["cat", "京"]) == ["▁cat", "▁", "京"]
    for_words(tokenizer, spaced=False)
    assert pieces(["cat", "京"]) == ["cat", "京"]


def test_words_that_are_nothing_to_the_tokenizer_and_words_longer_than_a_window(tiny_words):
    cutter = Cutter.of(tiny_words, 8, 2)
    rows = [["the", "\u200b", "cat"], ["", "\x00"], [], ["x" * 50, "cat"]]
    pieces = cutter.cut(rows)
    assert pieces.row.tolist() == [0, 3, 3]
    first, *others = np.split(pieces.words, pieces.bounds[1:-1])
    assert first.tolist() == [-1, 0, 2, -1]
    assert [words[words >= 0].tolist() for words in others] == [[0] * 6, [1]]
    assert pieces.shortened == 1
    assert np.diff(pieces.bounds).max() == 8
    assert int(pieces.firsts.sum()) == 4


def test_a_window_needs_room(tiny_words):
    with pytest.raises(BadInput, match="cannot share 6"):
        Cutter.of(tiny_words, 8, 6)
    with pytest.raises(BadInput, match="4 tokens or more"):
        Cutter.of(tiny_words, 3, None)


@pytest.fixture(scope="module")
def tiny_words():
    """A WordPiece tokenizer that knows two words, single letters and their continuations, and cleans text as BERT."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "x", "##x", "a"]
    inner = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


_TAGS = {
    "bio": ["O", "B-A", "I-A", "B-C", "I-C"],
    "iob1": ["O", "B-A", "I-A", "B-C", "I-C"],
    "iobes": ["O", "B-A", "I-A", "E-A", "S-A", "B-C", "I-C", "E-C", "S-C"],
}


@given(st.data())
def test_no_entity_is_lost_with_the_words_that_are_not_seen(draw):
    """Every gold entity is one among the words seen, or is counted as missed."""
    scheme = draw.draw(st.sampled_from(list(_TAGS)))
    known = Tagset(_TAGS[scheme], scheme)
    word = st.tuples(st.integers(0, len(known.names) - 1), st.booleans())
    rows = draw.draw(st.lists(st.lists(word, min_size=1, max_size=7), min_size=1, max_size=4))
    seen = [np.array([at for at, (_, is_seen) in enumerate(row) if is_seen], np.int64) for row in rows]
    with_any = [at for at, places in enumerate(seen) if len(places)]
    words = np.concatenate([np.zeros(0, np.int32), *(seen[at] for at in with_any)]).astype(np.int32)
    bounds = np.cumsum([0, *(len(seen[at]) for at in with_any)])
    pieces = WordWindows(words, bounds, words, np.array(with_any, np.int32), 0)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    gold = np.array([tag for row in rows for tag, _ in row], np.int64)
    aligned = Aligned.of(pieces, gold, offsets)
    spelt = aligned.spelt(known)
    found = aligned.missed(known)
    for row, places in enumerate(seen):
        tags = [known.names[tag] for tag in spelt[offsets[row] + places]]
        found.update(kind for kind, _, _ in spans(tags, scheme))
    every = [kind for row in rows for kind, _, _ in spans([known.names[tag] for tag, _ in row], scheme)]
    assert found == Counter(every)
    assert aligned.unseen.sum() == sum(not is_seen for row in rows for _, is_seen in row)
