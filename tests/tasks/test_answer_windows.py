"""Questions and contexts as windows, and spans of tokens as pieces of text."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from workbench.core.errors import BadInput, ModelError
from workbench.models.weights import train_bpe
from workbench.tasks.question_answering import span_search
from workbench.tasks.question_answering.encode import ContextCutter, PairTemplate, labelled
from workbench.tasks.question_answering.evaluate import AnsweredQuestions
from workbench.tasks.question_answering.span_search import BestSpans, ChosenSpan, SpanSearch
from workbench.tasks.shared.rows import IGNORED

TEXT = "Zoë paid 7€ 😀👩‍👩‍👧 in 北京, cafe\u0301 d'été \u0915\u094d\u0937 ok. " * 3


def bytes_bpe():
    return train_bpe([TEXT], 320)


def wordpiece():
    """As BERT's: lower case, no accents, a Chinese character a word; pieces of one letter."""
    letters = sorted(set(TEXT.lower()) - {" "})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    inner = Tokenizer(models.WordPiece({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def roberta():
    """Bytes in RoBERTa's frame, with two ends between question and context."""
    tokenizer = bytes_bpe()
    end = ("<|endoftext|>", tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.RobertaProcessing(end, end)
    tokenizer.cls_token = tokenizer.sep_token = tokenizer.eos_token
    return tokenizer


TOKENIZERS = {"wordpiece": wordpiece(), "roberta": roberta(), "bytes": bytes_bpe()}


def windows(tokenizer, question, context, length=24, stride=6, segments=True):
    made, _ = ContextCutter.of(tokenizer, length, stride, segments).windows([question], [context])
    return made


@pytest.mark.parametrize("name", ["wordpiece", "roberta"])
@pytest.mark.parametrize("context", [TEXT, "ok", "in d'été ok."])
def test_windows_are_what_the_tokenizer_itself_would_cut(name, context):
    tokenizer = TOKENIZERS[name]
    made = windows(tokenizer, "paid in", context)
    theirs = tokenizer(
        ["paid in"],
        [context],
        truncation="only_second",
        max_length=24,
        stride=6,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    assert [made[row]["input_ids"].tolist() for row in range(len(made))] == theirs["input_ids"]
    assert [made[row]["token_type_ids"].tolist() for row in range(len(made))] == theirs["token_type_ids"]
    for row in range(len(made)):
        of = theirs.sequence_ids(row)
        assert (made.first[row], made.held[row]) == (of.index(1), of.count(1))
        spans = made.spans[made.begins[row] : made.begins[row] + made.held[row]]
        others = [theirs["offset_mapping"][row][at] for at in range(len(of)) if of[at] == 1]
        assert [context[a:b].strip() for a, b in spans] == [context[a:b].strip() for a, b in others]
        assert theirs["input_ids"][row][made.null[row]] == tokenizer.cls_token_id


def test_a_tokenizer_without_a_frame_gets_end_tokens_between_and_the_last_stands_for_no_answer():
    tokenizer = TOKENIZERS["bytes"]
    made = windows(tokenizer, "in", "ok", segments=False)
    end = tokenizer.eos_token_id
    assert tokenizer.decode(made[0]["input_ids"]) == "in<|endoftext|>ok<|endoftext|>"
    assert made[0]["input_ids"][made.null[0]] == end
    assert made.null[0] == made.lengths[0] - 1
    assert made.segments is None
    tokenizer = bytes_bpe()
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="no token to set between question and context"):
        PairTemplate.of(tokenizer)


@pytest.mark.parametrize(
    ("pair", "text", "null"),
    [
        ("$A <|endoftext|> $B <|endoftext|>", "in<|endoftext|>ok<|endoftext|>", -1),
        ("<|pad|> $A <|pad|> $B", "<|pad|>in<|pad|>ok", 0),
    ],
    ids=["as T5's", "as Llama's"],
)
def test_without_cls_the_first_token_of_all_stands_for_no_answer_or_the_last(pair, text, null):
    tokenizer = bytes_bpe()
    marks = [(mark, tokenizer.convert_tokens_to_ids(mark)) for mark in ("<|endoftext|>", "<|pad|>")]
    single = pair.partition(" $B")[0]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=marks
    )
    made = windows(tokenizer, "in", "ok")
    assert tokenizer.decode(made[0]["input_ids"]) == text
    assert made.null[0] == range(made.lengths[0])[null]


def test_a_slow_tokenizer_is_refused():
    with pytest.raises(ModelError, match="fast tokenizer"):
        PairTemplate.of(SimpleNamespace(is_fast=False))


def test_lengths_that_leave_no_room_are_refused():
    with pytest.raises(BadInput, match=r"data\.max_length: a window of 5 tokens .*: use 7 or more"):
        ContextCutter.of(TOKENIZERS["wordpiece"], 5, None, True)
    with pytest.raises(BadInput, match=r"data\.stride: windows of 24 tokens that share 21 do not move on"):
        ContextCutter.of(TOKENIZERS["wordpiece"], 24, 21, True)
    assert ContextCutter.of(TOKENIZERS["wordpiece"], 384, None, True).stride == 128


def test_a_long_question_is_cut_to_half_of_the_window_and_the_context_still_moves_on():
    made, cut = ContextCutter.of(TOKENIZERS["wordpiece"], 24, 20, True).windows(
        ["ok " * 40, "ok"], ["d'été " * 6, "d'été " * 6]
    )
    assert cut == [0]
    assert made.first[made.place == 0].tolist() == [12] * (made.place == 0).sum(), "10 of the question and 2 besides"
    assert made.lengths.max() == 24
    for question in (0, 1):
        there = np.flatnonzero(made.place == question)
        seen = {at for row in there for at in range(made.begins[row], made.begins[row] + made.held[row])}
        assert seen == set(range(len(made.spans))), "every token of the context, which is read once, is in a window"


def test_each_window_says_where_its_own_tokens_of_the_answer_are():
    context = "a b c d e f g h i j k l m n o p q r s t"
    tokenizer = TOKENIZERS["bytes"]
    made = windows(tokenizer, "in", context, length=18, stride=6, segments=False)
    assert len(made) > 3
    start = context.index("k")
    labels, lost = labelled(made, np.array([start]), np.array([start + 3]), np.array([True]))
    assert not lost.any()
    whole = [row for row in range(len(made)) if "k l" in tokenizer.decode(made[row]["input_ids"])]
    assert 0 < len(whole) < len(made)
    for row in range(len(made)):
        if row in whole:
            first, last = labels[row]
            assert tokenizer.decode(made[row]["input_ids"][first : last + 1]).strip() == "k l"
        else:
            assert labels[row].tolist() == [made.null[row]] * 2


def test_an_answer_longer_than_every_window_is_lost_and_points_nowhere():
    context = "ok in paid " * 8
    made = windows(TOKENIZERS["bytes"], "in", context, segments=False)
    labels, lost = labelled(made, np.array([0]), np.array([len(context)]), np.array([True]))
    assert lost.tolist() == [True]
    assert (labels == IGNORED).all()
    labels, lost = labelled(made, np.array([-1]), np.array([-1]), np.array([True]))
    assert lost.tolist() == [True], "an answer that is not in the context is nowhere"
    labels, lost = labelled(made, np.array([-1]), np.array([-1]), np.array([False]))
    assert lost.tolist() == [False], "no answer is somewhere: at its own token"
    assert (labels == made.null[:, None]).all()


def plain(text, name):
    """Without spaces, and without accents and joiners where the tokenizer takes them off: alone they have no token."""
    dropped = text.replace("\u0301", "").replace("\u200d", "")  # BERT's drops marks and format characters
    return "".join(dropped.split() if name == "wordpiece" else text.split())


@given(
    data=st.data(),
    name=st.sampled_from(sorted(TOKENIZERS)),
    context=st.text("aZoë7€😀\u200d北京e\u0301 ,.\n", max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_what_a_label_points_at_is_found_again_in_the_text(data, name, context):
    """Label → logits that are sure of it → the piece of text: the answer, or a little more where tokens are coarse."""
    start = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(start, len(context)))
    answer = context[start:end].strip()
    if not answer:
        return
    start = context.index(answer, start)
    made = windows(TOKENIZERS[name], "who", context)
    labels, lost = labelled(made, np.array([start]), np.array([start + len(answer)]), np.array([True]))
    found = sure_of(made, labels)
    (given,) = span_search.answers(made, found, [context], SEARCH)
    for begin, stop, _ in given.candidates:
        assert 0 <= begin < stop <= len(context)
        assert context[begin:stop] == context[begin:stop].strip()
    if not lost.any():
        begin, stop = given.span
        assert plain(answer, name) in plain(context[max(0, begin - 1) : stop + 1], name)
        if name == "bytes" and "\u0301" not in context and fine(context):
            assert context[begin:stop] == answer, "every character has tokens of its own"


def fine(context):
    """Whether no token of the byte-level tokenizer holds parts of two characters."""
    encoded = TOKENIZERS["bytes"](context, add_special_tokens=False, return_offsets_mapping=True)
    return all(end - start <= 1 for start, end in encoded["offset_mapping"])


SEARCH = SpanSearch(n_best=5, longest=60, threshold=None)


def sure_of(made, labels):
    width = int(made.lengths.max())
    logits = torch.zeros(2, len(made), width)
    known = torch.as_tensor(labels).clamp(min=0)
    for side in (0, 1):
        logits[side].scatter_(1, known[:, side : side + 1], 9.0)
    outputs = SimpleNamespace(start_logits=logits[0], end_logits=logits[1])
    scores, tokens = span_search.spans(outputs, torch.as_tensor(made.first), torch.as_tensor(made.held), SEARCH)
    none = np.zeros(len(made), np.float32)
    return BestSpans(np.arange(len(made)), tokens.numpy(), scores.numpy(), none, none)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_best_spans_are_those_of_trying_all(seed, n_best, longest):
    generator = torch.Generator().manual_seed(seed)
    start, end = torch.randn(2, 3, 11, generator=generator)
    first, held = [2, 4, 3], [9, 5, 0]
    outputs = SimpleNamespace(start_logits=start, end_logits=end)
    search = SpanSearch(n_best, longest, None)
    scores, tokens = span_search.spans(outputs, torch.tensor(first), torch.tensor(held), search)
    assert scores.shape == (3, n_best)
    for row in range(3):
        places = range(first[row], first[row] + held[row])
        pairs = [(a, b) for a in places for b in places if 0 <= b - a < longest]
        every = sorted((float(start[row, a] + end[row, b]) for a, b in pairs), reverse=True)[:n_best]
        there = torch.isfinite(scores[row])
        assert scores[row][there].tolist() == pytest.approx(every)
        assert {tuple(pair) for pair in tokens[row][there].tolist()} <= set(pairs)


def found(scores, null):
    """One span, of two tokens, in each of three windows of one question."""
    made = windows(TOKENIZERS["bytes"], "in", "a b c d e f g h i j k l m n", length=18, stride=6, segments=False)
    assert len(made) == 3
    tokens = np.stack([made.first, made.first + 1], axis=1)[:, None].astype(np.int32)
    none = np.zeros(3, np.float32)
    return made, BestSpans(
        np.arange(3), tokens, np.array(scores, np.float32)[:, None], np.array(null, np.float32), none
    )


def ask(made, gathered, threshold):
    (given,) = span_search.answers(made, gathered, ["a b c d e f g h i j k l m n"], SpanSearch(5, 3, threshold))
    return given


def test_no_answer_counts_as_much_as_where_it_counts_least():
    made, gathered = found([1.0, 4.0, 2.0], null=[9.0, 3.0, 9.0])
    given = ask(made, gathered, 0.0)
    assert [score for *_, score in given.candidates] == [4.0, 2.0, 1.0]
    assert given.null == 3.0
    assert given.margin == -1.0
    assert given.is_answer
    assert given.no_answer_probability == pytest.approx(1 / (1 + np.e))
    assert not ask(made, gathered, -1.5).is_answer
    assert ask(made, gathered, -1.5).span == (0, 0)
    assert ask(made, gathered, None).is_answer
    shares, none = given.shares(null=True)
    assert sum(shares) + none == pytest.approx(1)
    assert shares[0] > none > shares[1]
    shares, none = given.shares(null=False)
    assert (sum(shares), none) == (pytest.approx(1), 0)


def test_the_threshold_that_is_found_best_is_one_that_can_be_set():
    contexts, golds = ["yes", "yes", "yes", "no"], [["yes"], ["yes"], ["yes"], []]
    margins = [-2.0, 0.5, 1.5, 3.0]

    def answered(threshold):
        chosen = [
            ChosenSpan([(0, len(text), 0.0)], margin, margin <= threshold)
            for text, margin in zip(contexts, margins, strict=True)
        ]
        return AnsweredQuestions(chosen, contexts, golds, characters=False).measured(thresholds=True)["scalars"]

    usual = answered(0.0)
    assert (usual["f1"], usual["best_f1"], usual["best_f1_threshold"]) == (0.5, 1.0, 1.5)
    assert answered(usual["best_f1_threshold"])["f1"] == usual["best_f1"]


def test_the_order_in_which_windows_come_in_does_not_matter():
    made, gathered = found([1.0, 4.0, 2.0], null=[9.0, 3.0, 9.0])
    parts = [
        replace(gathered, **{name: getattr(gathered, name)[rows] for name in BestSpans.__dataclass_fields__})
        for rows in ([2], [0, 1])
    ]
    assert ask(made, BestSpans.joined(parts), 0.0) == ask(made, gathered, 0.0)


def test_a_piece_that_two_windows_hold_is_listed_once_with_its_better_score():
    made, gathered = found([1.0, 4.0, 2.0], null=[0.0] * 3)
    shared = int(made.begins[1] - made.begins[0])
    tokens = gathered.tokens.copy()
    tokens[0] += shared
    given = ask(made, replace(gathered, tokens=tokens), None)
    assert [score for *_, score in given.candidates] == [4.0, 2.0]


def test_marks_stay_on_their_letter_and_white_space_outside():
    assert span_search._tidied("cafe\u0301 now", 0, 4) == (0, 5)
    assert span_search._tidied("a  b ", 1, 5) == (3, 4)
    assert span_search._tidied("a  b", 1, 2) == (2, 2)
