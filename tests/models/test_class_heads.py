"""A checkpoint's head under the labels of a recipe: its rows follow the names of the classes, or it is made anew."""

from __future__ import annotations

import pytest

from workbench.models.class_heads import HeadRows, head_rows, output_of, settle
from workbench.tasks.spec import spec_of

HEAD = spec_of("text-classification").head
OWN = ("negative", "neutral", "positive")


BERT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
SIDES = {f"{side}_{name}": 1 for side in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")}
SMALL = {
    "bert": BERT,
    "roberta": BERT,
    "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2},
    "xlnet": {"d_model": 8, "n_layer": 1, "n_head": 2, "d_inner": 8},
    "bart": SIDES | {"d_model": 8},
}


def config(names=OWN, built="BertForSequenceClassification"):
    return {"architectures": [built], "id2label": {str(place): name for place, name in enumerate(names)}}


def test_the_same_names_in_the_same_order_are_kept_without_a_word():
    assert head_rows(config(), list(OWN), HEAD) == HeadRows((0, 1, 2))
    assert head_rows(config(["NEGATIVE", "Neutral ", "positive"]), list(OWN), HEAD) == HeadRows((0, 1, 2))
    assert head_rows({"label2id": {"b": 1, "a": 0}}, ["a", "b"], HEAD) == HeadRows((0, 1))


def test_the_same_names_in_another_order_are_put_into_it_and_said():
    found = head_rows(config(), ["positive", "negative", "neutral"], HEAD)
    assert found.order == (2, 0, 1)
    assert "another order (negative, neutral, positive)" in found.said
    assert head_rows(config(["POSITIVE", "NEGATIVE"]), ["negative", "positive"], HEAD).order == (1, 0)
    assert head_rows(config(["10", "2", "1"]), ["1", "2", "10"], HEAD).order == (2, 1, 0)


def test_classes_without_names_are_ids():
    assert head_rows({}, ["0", "1"], HEAD) == HeadRows((0, 1))
    assert head_rows(config(["LABEL_0", "LABEL_1", "LABEL_2"]), ["2", "1", "0"], HEAD).order == (2, 1, 0)


@pytest.mark.parametrize(
    ("own", "labels", "hint"),
    [
        (OWN, ["good", "fair", "bad"], None),
        (OWN, ["negative", "neutral", "mixed"], None),
        (OWN, ["0", "1", "2"], "data.labels, in the order of the ids"),
        (("LABEL_0", "LABEL_1"), ["negative", "positive"], 'model.config.id2label = {0 = "…", 1 = "…"}'),
        (OWN, ["negative", "positive"], None),
        (("a", "a", "b"), ["a", "b", "c"], None),
    ],
)
def test_other_names_have_a_new_head_and_are_told_how_to_keep_it(own, labels, hint):
    found = head_rows(config(own), labels, HEAD)
    assert found.order is None
    assert found.said.startswith("the head is new: that of the checkpoint tells ")
    assert (hint or "") in found.said
    assert ("To keep it" in found.said) is (hint is not None)


def test_a_head_for_another_task_is_no_head_for_this_one():
    assert head_rows(config(built="BertForTokenClassification"), list(OWN), HEAD) == HeadRows(None)
    assert head_rows(config(built="BertModel"), list(OWN), HEAD) == HeadRows(None)


def test_a_recipe_says_what_the_rows_of_a_head_without_names_mean():
    unnamed = config(["LABEL_0", "LABEL_1"]) | {"id2label": {"0": "negative", "1": "positive"}}
    assert head_rows(unnamed, ["positive", "negative"], HEAD).order == (1, 0)


@pytest.mark.parametrize("family", list(SMALL))
def test_logits_follow_their_class(family):
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    made = AutoConfig.for_model(family, **SMALL[family], vocab_size=40, num_labels=3, pad_token_id=1, eos_token_id=2)
    model = AutoModelForSequenceClassification.from_config(made).eval()
    ids = torch.tensor([[0, 7, 8, 9, 2]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        assert settle(model, HeadRows((2, 0, 1)), 3, []) == []
        assert torch.equal(model(input_ids=ids).logits, before[:, [2, 0, 1]])
        new = settle(model, HeadRows(None), 3, ["pooler"])
        assert not torch.allclose(model(input_ids=ids).logits, before[:, [2, 0, 1]])
    name, _ = output_of(model, 3)
    assert {f"{name}.weight", "pooler"} <= set(new)


def test_a_head_that_is_new_already_is_left_alone():
    assert settle(None, HeadRows((1, 0)), 2, ["*"]) == ["*"]  # type: ignore[arg-type]  # nothing is asked of it
