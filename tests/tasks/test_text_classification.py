"""Texts become tokens and back to labels, and what is lost on the way is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.answers import CutText
from workbench.core.errors import WorkbenchError
from workbench.models.weights import train_bpe
from workbench.recipe import Generate
from workbench.tasks import interface, spec
from workbench.tasks import recipe_union as recipe
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.encoding import alone, encode
from workbench.tasks.shared.rows import Padding, TokenRows
from workbench.tasks.shared.text_pairs import cuts


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["the film was good, the book was bad", "这部电影很好看，那本书不好"] * 5, 400)


def test_texts_that_are_cut_are_counted(tokenizer):
    rows, cut = encode(tokenizer, ["good", "the film was good " * 50, "这部电影" * 30], 12)
    assert cut == 2
    assert [len(row) for row in rows][1:] == [12, 12]
    assert rows[0] == tokenizer("good")["input_ids"]
    assert encode(tokenizer, [], 12) == ([], 0)


@pytest.mark.parametrize("many", [False, True])
def test_a_text_that_just_fits_is_not_cut(tokenizer, many):
    text = "the film was good, the book was bad"
    (tokens,) = tokenizer([text])["input_ids"]
    for room, cut in ((len(tokens) + 1, 0), (len(tokens), 0), (len(tokens) - 1, 1)):
        (found,) = alone(tokenizer, room, many=many).read([text])
        assert (found.cut, found.ids.tolist()) == (cut, tokens[:room])
        said = CutText(room, len(tokens)) if cut else None
        assert cuts(tokenizer, [[text]], [{"input_ids": found.ids}], room) == [said]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_text_comes_back_from_its_tokens(texts):
    tokenizer = _shared()
    rows, cut = encode(tokenizer, texts, 10_000)
    assert cut == 0
    assert [tokenizer.decode(row, clean_up_tokenization_spaces=False) for row in rows] == texts


def _shared(made=[]):  # noqa: B006  # hypothesis takes no fixtures of a narrower scope
    if not made:
        made.append(train_bpe(["some text"], 300))
    return made[0]


@given(st.lists(st.lists(st.integers(5, 99), min_size=1, max_size=9), min_size=1, max_size=8))
def test_rows_come_back_from_the_flat_array_and_batches_pad_what_is_short(rows):
    packed = TokenRows.pack(rows, labels=np.arange(len(rows)))
    assert [packed[place]["input_ids"].tolist() for place in range(len(packed))] == rows
    assert packed.lengths.tolist() == [len(row) for row in rows]
    for side in ("right", "left"):
        batch = Padding(0, side)([packed[place] for place in range(len(packed))])
        mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
        assert batch["input_ids"].shape == mask.shape == (len(rows), max(map(len, rows)))
        assert ("attention_mask" in batch) == bool((mask == 0).any())
        for place, row in enumerate(rows):
            assert batch["input_ids"][place][mask[place] == 1].tolist() == row
            assert batch["input_ids"][place].sum() == sum(row)
        assert batch["labels"].tolist() == list(range(len(rows)))


def test_a_fixed_width_and_a_multiple_are_kept():
    packed = TokenRows.pack([[1, 2, 3]])
    assert Padding(0, to=10)([packed[0]])["input_ids"].shape == (1, 10)
    assert Padding(0, multiple=8)([packed[0]])["input_ids"].shape == (1, 8)
    own = Padding(0, own_labels=True, to=5)([packed[0]])
    assert own["labels"].tolist() == [[-100, 2, 3, -100, -100]], "nothing predicts the first token"


def test_the_digest_knows_every_token_and_label():
    one = TokenRows.pack([[1, 2], [3]], labels=np.array([0, 1]))
    assert one.digest() == TokenRows.pack([[1, 2], [3]], labels=np.array([0, 1])).digest()
    for other in (
        TokenRows.pack([[1], [2, 3]], labels=np.array([0, 1])),
        TokenRows.pack([[1, 2], [3]], labels=np.array([1, 1])),
    ):
        assert one.digest() != other.digest()


SCRATCH = """
name = "x"
task = "text-classification"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 400
dropout = 0.25
config.hidden_size = 16
config.num_hidden_layers = 1
config.num_attention_heads = 2
config.intermediate_size = 16
config.max_position_embeddings = 40
[data]
train = "FILE"
holdout = 2
"""


@pytest.fixture
def chinese(tmp_path):
    file = tmp_path / "train.jsonl"
    rows = [{"text": text, "label": label} for text, label in [("房间很好", "好评"), ("太差了", "差评")] * 4]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return recipe.parse(SCRATCH.replace("FILE", str(file)))


def test_a_model_from_scratch_in_chinese_is_saved_opened_and_asked(chinese, tmp_path):
    from workbench.models.locate import locate

    task = spec.task_of(chinese.task)
    assert isinstance(task, interface.Task)
    splits = splits_for(chinese, [tmp_path])
    tokenizer = task.tokenizer(chinese, splits, [tmp_path])
    located = locate(chinese.model, [tmp_path])
    config = task.config(chinese, located, tokenizer)
    prepared = task.prepare(chinese, splits, tokenizer, config)
    assert prepared.labels == ["好评", "差评"]
    assert prepared.max_length == 40
    model, new = task.model(prepared, located)
    assert new == ["*"]
    assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == 0.25
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")

    opened = spec.predictor("text-classification", tmp_path / "model")
    assert isinstance(opened, interface.Predictor)
    assert opened.labels == ["好评", "差评"]
    answers = opened.predict(["房间很好", "x" * 5000, ""], top_k=1)
    assert all(len(answer.probabilities) == 1 for answer in answers)
    (both,) = opened.predict(["太差了"])
    assert sum(both.probabilities.values()) == pytest.approx(1)
    assert next(iter(both.probabilities)) == both.label == max(both.probabilities, key=both.probabilities.get)
    # Alone or among others, an answer is the same.
    assert opened.predict(["房间很好 " * 9, "太差了"])[1].probabilities == pytest.approx(both.probabilities, abs=1e-6)
    with pytest.raises(WorkbenchError, match="generates no text"):
        opened.generate("房间", Generate())
