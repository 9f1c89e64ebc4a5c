"""Tokenizers with more tokens than the model has embeddings: added tokens get rows, another vocabulary is refused."""

from __future__ import annotations

import json
import shutil

import pytest

from workbench.contracts import events
from workbench.core.errors import ModelError
from workbench.models import weights
from workbench.tasks.spec import predictor

SHORT = ("train.max_steps=2", "evaluate.every=never", "data.validation=none", "data.test=none")


def of_type(run, kind):
    return [event for event in events.read_all(run.events) if event.type == kind]


@pytest.fixture
def grown(tiny_bert, tmp_path):
    """The tiny BERT, whose tokenizer has learned a word that its embeddings lack."""
    place = shutil.copytree(tiny_bert, tmp_path / "model-with-more")
    tokenizer = weights.open_tokenizer(place)
    tokenizer.add_tokens(["wonderful"])
    tokenizer.save_pretrained(place)
    rows = [{"text": f"a wonderful film {place}", "label": "ab"[place % 2]} for place in range(16)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return place


def test_added_tokens_get_embeddings_and_that_is_said(runs, grown):
    run = runs.make("grown", f"model.name={grown}", "data.train=rows.jsonl", *SHORT)
    runs.train(run)
    (said,) = [event.text for event in of_type(run, "warning") if event.code == "checkpoint-changed"]
    assert said.startswith("the tokenizer has 25 tokens and the model embeddings for 24: 1 are added")
    assert json.loads((run.model / "config.json").read_text())["vocab_size"] == 25
    (answer,) = predictor("text-classification", run.model, device="cpu").predict(["wonderful"])
    assert answer.label in {"a", "b"}


def test_adapters_which_would_not_keep_them_are_refused_with_the_way_out(runs, grown):
    run = runs.make("lora", f"model.name={grown}", "data.train=rows.jsonl", "train.method=lora", *SHORT)
    with pytest.raises(ModelError, match=r'the rows have token 24, and the model knows 24: train.method = "full" adds'):
        runs.train(run)


def test_another_vocabulary_is_refused(runs, grown, tiny_bert, tmp_path):
    weights.train_bpe(["a wonderful film"], 300).save_pretrained(tmp_path / "other")
    run = runs.make(
        "bpe", f"model.name={tiny_bert}", f"model.tokenizer={tmp_path}/other", "data.train=rows.jsonl", *SHORT
    )
    with pytest.raises(ModelError, match=r"and the model knows 24: leave model\.tokenizer out"):
        runs.train(run)
