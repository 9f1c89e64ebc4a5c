"""What a tokenizer does not know of the rows is counted and shown, before anything is trained."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from workbench.data.report import unknown_tokens


def tokenizer(model):
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made


KINDS = {
    "WordLevel": lambda: models.WordLevel({"[UNK]": 0, "known": 1}, unk_token="[UNK]"),
    "WordPiece": lambda: models.WordPiece({"[UNK]": 0, "known": 1}, unk_token="[UNK]"),
    "Unigram": lambda: models.Unigram([("<unk>", 0.0), ("known", -1.0)], unk_id=0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_tokens_are_counted_with_what_they_stand_for(kind):
    found = unknown_tokens.of(["known 酒店 known known", "酒店"], tokenizer(KINDS[kind]()))
    assert (found.tokens, found.unknown, found.share) == (5, 2, 0.4)
    assert found.common == ("酒店",)


def test_a_tokenizer_that_knows_every_byte_has_nothing_unknown():
    assert unknown_tokens.of(["酒店"], tokenizer(models.BPE({"a": 0}, []))) is None
    assert unknown_tokens.of(["酒店"], tokenizer(models.Unigram([("a", -1.0)], byte_fallback=True))) is None


def test_texts_and_targets_are_spoken_of_apart_and_traces_not_at_all(load, write):
    write("s.jsonl", '{"source": "known known", "target": "known 酒店"}\n' * 3)
    made = load("seq2seq", train="s.jsonl", validation="s.jsonl")
    (said,) = unknown_tokens.notes(made, tokenizer(KINDS["WordLevel"]()))
    assert said.startswith("train: the tokenizer does not know 50.0 % of the target's tokens, such as '酒店'")
    write("t.jsonl", f'{{"source": "{"known " * 999}酒店", "target": "known"}}\n')
    made = load("seq2seq", train="t.jsonl", validation="t.jsonl")
    assert unknown_tokens.notes(made, tokenizer(KINDS["WordLevel"]())) == []
