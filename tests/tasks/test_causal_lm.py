"""Plain text is packed, predicted and gone on with."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedConfig

from workbench.core.errors import ModelError
from workbench.models.locate import Located, locate
from workbench.recipe import Generate
from workbench.tasks import recipe_union, spec
from workbench.tasks import recipe_union as recipe
from workbench.tasks.causal_lm import data
from workbench.tasks.causal_lm.evaluate import NextTokenEvaluator
from workbench.tasks.causal_lm.packing import pack
from workbench.tasks.loading import splits_for
from workbench.tasks.shared import generation
from workbench.tasks.shared.token_evaluation import DecodedRows

TEXT = "the cat sat on the mat\n\nand the dog sat on the cat\n猫坐在垫子上。狗坐在猫上。\n" * 20

SCRATCH = """
name = "x"
task = "causal-lm"
[model]
architecture = "gpt2"
tokenizer = "bpe"
vocab_size = 320
config = { n_layer = 2, n_head = 2, n_embd = 16, n_positions = 32 }
[data]
train = "train.txt"
holdout = 8
block_size = 16
"""


@given(st.integers(0, 200), st.integers(2, 40), st.booleans())
def test_packing_keeps_the_order_and_loses_only_what_it_says(tokens, block, keep):
    ids = np.arange(tokens, dtype=np.int32)
    rows, left = pack(ids, block, keep_short=keep)
    joined = [token for place in range(len(rows)) for token in rows[place]["input_ids"].tolist()]
    assert joined == list(range(tokens - left))
    assert (rows.lengths[:-1] == block).all()
    assert left < block
    if keep:
        assert left <= 1
    assert (rows.lengths > 1).all()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task, splits, tokenizer, rows and a random model, as training makes them."""
    place = tmp_path_factory.mktemp("lm")
    (place / "train.txt").write_text(TEXT)
    parsed = recipe.parse(SCRATCH)
    task = spec.task_of(parsed.task)
    splits = splits_for(parsed, [place])
    tokenizer = task.tokenizer(parsed, splits, [place])
    prepared = task.prepare(parsed, splits, tokenizer, PreTrainedConfig(max_position_embeddings=32))
    torch.manual_seed(0)
    model, _ = task.model(prepared, locate(parsed.model, [place]))
    model.eval()
    model.save_pretrained(place / "model")
    tokenizer.save_pretrained(place / "model")
    return task, splits, tokenizer, prepared, model, place


def test_the_lines_of_a_file_are_one_text_again(made):
    _, _, tokenizer, prepared, _, _ = made
    lines = TEXT.removesuffix("\n").split("\n")
    rows = prepared.rows["validation"]
    text = "".join(tokenizer.decode(rows.ids, clean_up_tokenization_spaces=False))
    assert text == "\n".join(lines[-8:]) + tokenizer.eos_token
    assert prepared.counts["validation"]["bytes"] == len("\n".join(lines[-8:]).encode())
    assert prepared.counts["train"]["left_over"] < 16


def test_documents_have_the_end_token_between(tmp_path):
    import json

    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"text": f"story {n}"}) for n in range(40)))
    parsed = recipe.parse(SCRATCH.replace("train.txt", "train.jsonl"))
    task = spec.task_of(parsed.task)
    splits = splits_for(parsed, [tmp_path])
    tokenizer = task.tokenizer(parsed, splits, [tmp_path])
    rows = task.prepare(parsed, splits, tokenizer, PreTrainedConfig(max_position_embeddings=32)).rows["validation"]
    assert (rows.ids == tokenizer.eos_token_id).sum() == 8


def test_the_evaluator_finds_the_loss_that_the_model_finds(made):
    task, _, tokenizer, prepared, model, _ = made
    rows, collate = prepared.rows["validation"], task.collator(prepared, model)
    evaluator = NextTokenEvaluator(bytes_per_token=3.0)
    nll = tokens = 0.0
    for place in range(len(rows)):
        batch = collate([rows[place]])
        with torch.no_grad():
            outputs = model(**batch)
        evaluator.add(np.array([place]), batch, outputs)
        predicted = len(rows[place]["input_ids"]) - 1
        nll, tokens = nll + float(outputs.loss) * predicted, tokens + predicted
    scalars = evaluator.result([evaluator.part()]).scalars
    assert scalars["loss"] == pytest.approx(nll / tokens, rel=1e-5)
    assert scalars["perplexity"] == pytest.approx(math.exp(nll / tokens), rel=1e-4)
    assert scalars["bits_per_byte"] == pytest.approx(nll / tokens / math.log(2) / 3)
    # In parts, out of order, and with padding in the batch, it is the same.
    halves = [NextTokenEvaluator(bytes_per_token=3.0, texts=DecodedRows(rows, tokenizer)) for _ in range(2)]
    for half, places in zip(halves, (range(2, len(rows)), [1, 0]), strict=True):
        batch = collate([rows[place] for place in places])
        with torch.no_grad():
            half.add(np.array(places), batch, model(**batch))
    again = halves[0].result([half.part() for half in halves])
    assert again.scalars["loss"] == pytest.approx(scalars["loss"], rel=1e-5)
    table = again.predictions().to_pylist()
    assert [row["row"] for row in table] == list(range(len(rows)))
    for place, row in enumerate(table):
        ids = rows[place]["input_ids"]
        with torch.no_grad():
            likeliest = model(input_ids=torch.as_tensor(ids[None])).logits[0, :-1].argmax(-1)
        assert row["text"] == tokenizer.decode(ids, skip_special_tokens=True)
        assert row["label"] == tokenizer.decode(ids[1:], skip_special_tokens=True)
        assert row["prediction"] == tokenizer.decode(likeliest, skip_special_tokens=True)
        assert row["score"] == pytest.approx((likeliest.numpy() == ids[1:]).mean())
        assert row["tokens"] == len(ids) - 1


def test_without_temperature_it_is_the_greedy_text_of_transformers(made):
    _, _, tokenizer, _, model, _ = made
    prompt = tokenizer("the cat")["input_ids"]
    ours = list(generation.tokens(model, prompt, Generate(max_new_tokens=12, temperature=0), 32))
    theirs = model.generate(
        torch.tensor([prompt]), max_new_tokens=12, min_new_tokens=12, do_sample=False, pad_token_id=0
    )
    assert ours == theirs[0, len(prompt) :].tolist()


def test_the_same_seed_writes_the_same_and_leaves_the_training_undisturbed(made):
    *_, place = made
    opened = spec.predictor("causal-lm", place / "model")
    before = torch.get_rng_state()
    texts = [
        "".join(opened.generate("the cat", Generate(max_new_tokens=30, temperature=1.0, seed=seed)))
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert torch.equal(before, torch.get_rng_state())


def test_it_writes_beyond_its_positions_and_can_be_stopped_at_any_piece(made):
    *_, place = made
    opened = spec.predictor("causal-lm", place / "model")
    stream = opened.generate("", Generate(max_new_tokens=200, temperature=1.0, top_k=20))
    assert len(list(islice(stream, 3))) == 3
    stream.close()
    assert list(stream) == []


def test_characters_of_several_tokens_come_whole(made):
    _, _, tokenizer, *_ = made
    text = "猫 naïve 😀 ok" * 5
    pieces = generation.TextPieces(tokenizer)
    shown = [pieces.add(token) for token in tokenizer(text)["input_ids"]]
    assert "".join(shown) + pieces.rest() == text
    assert all("\ufffd" not in piece for piece in shown)


@given(st.integers(0, 2**31), st.floats(0.01, 1), st.integers(0, 30), st.floats(0.1, 3))
def test_what_is_sampled_is_in_the_nucleus(seed, top_p, top_k, temperature):
    logits = torch.randn(25, generator=torch.Generator().manual_seed(seed)) * 3
    options = Generate(temperature=temperature, top_p=top_p, top_k=top_k)
    token = generation.choose(logits, options, torch.Generator().manual_seed(seed))
    shares = (logits / temperature).softmax(-1)
    if 0 < top_k < 25:
        kept = shares.topk(top_k)
        assert token in kept.indices.tolist()
        shares = torch.zeros(25).scatter(0, kept.indices, kept.values / kept.values.sum())
    likelier = shares[shares > shares[token]].sum()
    assert likelier < top_p + 1e-6


def test_a_model_that_sees_both_ways_is_refused_by_the_task_itself(tmp_path):
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path)
    wanted = recipe_union.stored(
        {"name": "x", "task": "causal-lm", "model": {"name": str(tmp_path)}, "data": {"train": "a.txt"}}
    )
    with pytest.raises(ModelError, match="bert reads a text both ways, and would see what it is to predict"):
        data.config(wanted, Located(str(tmp_path), None, "local", "x", "bert"), None)
