"""Text is masked, foreseen, and resumed to the same bits."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import PreTrainedConfig

from workbench.core.errors import BadInput, ModelError
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.loading import splits_for
from workbench.tasks.masked_lm.masking import Masking
from workbench.tasks.shared.rows import IGNORED, Padding, TokenRows

SCRATCH = """
name = "x"
task = "masked-lm"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 400
[model.config]
num_hidden_layers = 2
hidden_size = 32
num_attention_heads = 2
intermediate_size = 64
max_position_embeddings = 32
[data]
train = "train.jsonl"
holdout = 40
block_size = 16
[train]
epochs = 8
batch_size = 8
learning_rate = 5e-3
[launch]
device = "cpu"
"""
ANIMALS = {"cat": "meows", "dog": "barks", "cow": "moos", "owl": "hoots", "猫": "喵喵", "狗": "汪汪"}


@pytest.fixture
def sentences(tmp_path):
    """What an animal says follows from the animal."""
    chance = random.Random(0)
    names = [chance.choice(list(ANIMALS)) for _ in range(240)]
    rows = [{"text": f"the {name} {ANIMALS[name]} and the {name} {ANIMALS[name]}"} for name in names]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def opened(place, *overrides):
    parsed = recipe.parse(SCRATCH, overrides=list(overrides))
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    tokenizer = task.tokenizer(parsed, splits, [place])
    return (
        task,
        splits,
        tokenizer,
        task.prepare(parsed, splits, tokenizer, PreTrainedConfig(max_position_embeddings=32)),
    )


def test_no_token_is_lost_between_the_blocks(tmp_path):
    text = "the quick brown 猫 jumps over 😀 the lazy dog " * 9
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"text": text}) for _ in range(60)))
    _, _, tokenizer, prepared = opened(tmp_path)
    rows = prepared.rows["validation"]
    first = np.flatnonzero(rows.source == rows.source[0])
    together = [token for place in first for token in rows[place]["input_ids"].tolist()]
    assert tokenizer.decode(together, clean_up_tokenization_spaces=False) == text
    assert rows.lengths.max() == 16
    assert prepared.counts["validation"]["blocks"] == len(rows) > 40


def test_lines_of_a_file_are_one_document_in_blocks(tmp_path):
    lines = [f"line {number} of the text" for number in range(1200)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    _, _, tokenizer, prepared = opened(tmp_path, "data.train=train.txt")
    rows = prepared.rows["train"]
    assert (rows.lengths[:-1] == 16).all()
    assert tokenizer.decode(rows.ids) == "\n".join(lines[:-40])
    words = rows.tags
    assert (np.diff(words[words != IGNORED]) >= 0).all(), "pieces encoded apart count their words on"


def masking(probability=0.15, whole_words=False):
    return Masking(Padding(0), mask_id=1, vocabulary=500, probability=probability, whole_words=whole_words)


def rows_of(lengths, pieces):
    ids = [np.arange(10, 10 + length, dtype=np.int32) for length in lengths]
    words = [np.arange(length) // pieces for length in lengths]
    for word in words:
        word[0] = word[-1] = IGNORED
    return TokenRows.pack(ids, tags=np.concatenate(words))


def test_the_chosen_are_masked_replaced_or_left_in_the_shares_of_bert():
    torch.manual_seed(0)
    rows = rows_of([200] * 400, pieces=1)
    batch = masking()([rows[place] for place in range(400)])
    truth = torch.stack([torch.as_tensor(rows[place]["input_ids"]).long() for place in range(400)])
    chosen = batch["labels"] != IGNORED
    assert chosen.float().mean().item() == pytest.approx(0.15 * 198 / 200, abs=0.005)
    assert not chosen[:, [0, -1]].any()
    assert torch.equal(batch["labels"][chosen], truth[chosen])
    assert torch.equal(batch["input_ids"][~chosen], truth[~chosen])
    seen = batch["input_ids"][chosen]
    assert (seen == 1).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (seen == truth[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)


def test_of_whole_words_all_pieces_are_chosen_or_none():
    torch.manual_seed(1)
    rows = rows_of([90, 61], pieces=3)
    for _ in range(20):
        labels = masking(0.3, whole_words=True)([rows[0], rows[1]])["labels"]
        for place, length in ((0, 90), (1, 61)):
            words, picked = rows[place]["tags"], (labels[place, :length] != IGNORED).numpy()
            for word in np.unique(words[words != IGNORED]):
                assert len(set(picked[words == word])) == 1
        assert (labels[1, 61:] == IGNORED).all()


def test_a_short_row_always_has_something_to_foresee():
    torch.manual_seed(2)
    rows = rows_of([3, 4, 3], pieces=1)
    for whole_words in (False, True):
        labels = masking(0.01, whole_words)([rows[place] for place in range(3)])["labels"]
        assert ((labels != IGNORED).sum(1) >= 1).all()


def test_it_learns_and_fills_the_mask_it_is_asked_about(sentences, trained, said):
    run = trained(SCRATCH, "train.whole_words=true", "train.epochs=20")
    first, *_, last = (event.scalars for event in said(run, "eval"))
    assert last["eval/loss"] < first["eval/loss"] * 0.6
    # Two of seven words are "the": whoever always says so is right in a third of the cases.
    assert last["eval/masked_accuracy"] > 0.8
    assert last["eval/pseudo_perplexity"] == pytest.approx(np.exp(last["eval/loss"]))
    filler = spec.predictor("masked-lm", run.model)
    (answer,) = filler.predict(["the dog barks and the dog [MASK]"], top_k=3)
    (fills,) = answer.fills
    assert len(fills) == 3
    assert fills[0].score >= fills[1].score >= fills[2].score > 0
    rows = pq.read_table(run.predictions / "validation.parquet").to_pylist()
    gold, called = ([row[side].split(" · ") for row in rows] for side in ("label", "prediction"))
    right = [[one == other for one, other in zip(*pair, strict=True)] for pair in zip(gold, called, strict=True)]
    assert sum(map(sum, right)) / sum(map(len, right)) == pytest.approx(last["eval/masked_accuracy"])
    assert [row["score"] for row in rows] == pytest.approx([np.mean(marks) for marks in right])
    assert all(word in row["text"] for row, words in zip(rows, gold, strict=True) for word in words)


def test_a_resumed_run_draws_the_same_masks(sentences, trained):
    def digest(run):
        return hashlib.sha256((run.model / "model.safetensors").read_bytes()).hexdigest()

    short = ("train.epochs=2", "model.dropout=0.1")
    whole = trained(SCRATCH, *short, name="whole")
    trained(SCRATCH, *short, name="cut", stop_at=7)
    trained(SCRATCH, *short, name="cut", stop_at=33)
    assert digest(trained(SCRATCH, name="cut")) == digest(whole)


def test_what_cannot_be_masked_or_filled_is_refused(sentences, trained, tmp_path):
    run = trained(SCRATCH, "train.max_steps=1")
    filler = spec.predictor("masked-lm", run.model)
    with pytest.raises(BadInput, match=r"no mask: put \[MASK\]"):
        filler.predict(["the cat meows"])
    with pytest.raises(BadInput, match="tokens: give at most 32"):
        filler.predict(["[MASK] " * 41])
    with pytest.raises(BadInput, match="64 tokens are more than the model's 32 positions"):
        opened(tmp_path, "data.block_size=64")


def test_a_tokenizer_without_a_mask_is_refused(sentences, tmp_path):
    from workbench.models.weights import train_bpe

    train_bpe(["the cat meows"], 300).save_pretrained(tmp_path / "gpt")
    parsed = recipe.parse(
        'name="x"\ntask="masked-lm"\n[model]\nname="gpt"\ntokenizer="gpt"\n[data]\ntrain="train.jsonl"\n'
    )
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [tmp_path])
    with pytest.raises(ModelError, match="no mask token"):
        task.tokenizer(parsed, splits, [tmp_path])
