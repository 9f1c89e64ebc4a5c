"""One label, several, numbers and pairs: each is trained from a recipe, judged, kept and asked."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from workbench.core.errors import BadInput, DataError, RecipeError
from workbench.metrics import catalog
from workbench.models.locate import locate
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.loading import splits_for

RECIPE = """
name = "tiny"
task = "text-classification"
[model]
architecture = "bert"
tokenizer = "words"
dropout = 0.0
[model.config]
num_hidden_layers = 1
hidden_size = 32
num_attention_heads = 2
intermediate_size = 64
max_position_embeddings = 32
[data]
train = "train.jsonl"
validation = "validation.jsonl"
test = "validation.jsonl"
[train]
epochs = 6
batch_size = 8
learning_rate = 1e-2
precision = "fp32"
[launch]
device = "cpu"
"""
WORDS = "idiot lousy great fine the a film book was it and but not very plot 好 坏".split()  # noqa: SIM905


@pytest.fixture
def words(tmp_path):
    """A tokenizer of words, with BERT's frame around a text and around a pair."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    made.save_pretrained(tmp_path / "words")
    return made


@pytest.fixture
def write(tmp_path):
    """Make train (240 rows) and validation (60) of `row(chance)`."""

    def make(row):
        chance = random.Random(0)
        for name, count in (("train", 240), ("validation", 60)):
            lines = [json.dumps(row(chance), ensure_ascii=False) for _ in range(count)]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))

    return make


def text(chance, *held):
    filler = [chance.choice(WORDS[4:15]) for _ in range(chance.randint(2, 8))]
    for word in held:
        filler.insert(chance.randrange(len(filler) + 1), word)
    return " ".join(filler)


def judged(run, said):
    """The last validation's scalars, without their prefix, and the test's table of rows."""
    last = [event for event in said(run, "eval") if event.split == "validation"][-1]
    table = pq.read_table(run.predictions / "test.parquet")
    return {name.removeprefix("eval/"): value for name, value in last.scalars.items()}, table


def learnt(run, said):
    losses = [event.scalars["eval/loss"] for event in said(run, "eval") if "eval/loss" in event.scalars]
    return losses[-1] < 0.7 * losses[0]


def remarks(chance):
    toxic, insult = chance.random() < 0.3, chance.random() < 0.2
    held = [WORDS[0]] * toxic + [WORDS[1]] * insult
    return {"text": text(chance, *held), "labels": ["toxic"] * toxic + ["insult"] * insult}


def test_several_labels_are_learnt_with_their_own_thresholds(words, write, trained, said):
    write(remarks)
    run = trained(RECIPE, "evaluate.thresholds=best", "train.class_weights=balanced", "train.gradient_accumulation=2")
    scalars, table = judged(run, said)
    assert learnt(run, said)
    assert scalars["f1"] > 0.8
    counts = said(run, "data")[0].splits["validation"]
    assert counts.rest["unlabelled"] > 20
    assert any(note.startswith("class weights: insult") for note in said(run, "data")[0].notes)
    assert said(run, "plan")[0].best == "eval/f1"

    config = json.loads((run.model / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    asked = spec.predictor("text-classification", run.model, device="cpu")
    answers = asked.predict(table["text"].to_pylist())
    for answer, prediction, shares in zip(
        answers, table["prediction"].to_pylist(), table["probabilities"].to_pylist(), strict=True
    ):
        assert set(answer.labels) == set(prediction.replace("(none)", "").split(", ")) - {""}
        assert [answer.probabilities[name] for name in asked.labels] == pytest.approx(shares, abs=1e-5)
        assert set(answer.labels) == {
            name
            for name, threshold in zip(asked.labels, config["thresholds"], strict=True)
            if answer.probabilities[name] >= threshold
        }
    assert table["label"].to_pylist()[:3] == [
        ", ".join(sorted(row["labels"])) or "(none)" for row in rows_of(run, "validation")[:3]
    ]
    scores = np.asarray(table["score"])
    right = np.array(table["label"].to_pylist()) == np.array(table["prediction"].to_pylist())
    assert (scores[right] == 1).all()
    assert (scores[~right] < 1).all()


def rows_of(run, name):
    return [json.loads(line) for line in (run.path.parent.parent / f"{name}.jsonl").read_text().splitlines()]


def test_thresholds_that_were_best_for_the_best_weights_are_kept_with_them(words, write, trained, said):
    write(remarks)
    # So high a rate at the end that the first epochs are better than the last.
    run = trained(RECIPE, "evaluate.thresholds=best", "train.learning_rate=0.1", "train.epochs=3")
    kept = {}
    for checkpoint in run.checkpoints.glob("*/config.json"):
        kept[json.loads((checkpoint.parent / "workbench.json").read_text())["step"]] = json.loads(
            checkpoint.read_text()
        )["thresholds"]
    step = json.loads((run.model / "workbench.json").read_text())["step"]
    assert json.loads((run.model / "config.json").read_text())["thresholds"] == kept[step]
    test = said(run, "eval")[-1]
    assert (test.split, test.thresholds) == ("test", tuple(kept[step]))


def test_columns_of_flags_are_labels_with_given_thresholds(words, write, trained, said):
    def row(chance):
        held = remarks(chance)
        return {"text": held["text"], "toxic": int("toxic" in held["labels"]), "insult": "insult" in held["labels"]}

    write(row)
    run = trained(
        RECIPE, 'data.label=["toxic", "insult"]', "evaluate.thresholds=[0.3, 0.6]", "train.loss=focal", "train.epochs=5"
    )
    assert judged(run, said)[0]["f1"] > 0.7
    config = json.loads((run.model / "config.json").read_text())
    assert config["thresholds"] == [0.3, 0.6]
    assert list(config["id2label"].values()) == ["toxic", "insult"]


def test_numbers_far_from_zero_are_learnt_and_told_in_their_own_units(words, write, trained, said):
    def row(chance):
        good, bad = chance.randint(0, 3), chance.randint(0, 3)
        return {
            "text": text(chance, *["great"] * good, *["lousy"] * bad),
            "price": 250_000.5 + 10_000 * (good - bad),
            "rating": 0.1 * good,
        }

    write(row)
    run = trained(RECIPE, 'data.label=["price", "rating"]', "train.epochs=8", "train.gradient_accumulation=2")
    scalars, table = judged(run, said)
    assert learnt(run, said)
    assert scalars["r2"] > 0.6
    assert said(run, "plan")[0].best == "eval/mse"
    assert said(run, "data")[0].splits["train"].targets["price"]["mean"] == pytest.approx(250_000, rel=0.1)
    assert table["label"][0].as_py().startswith(str(rows_of(run, "validation")[0]["price"]))

    asked = spec.predictor("text-classification", run.model, device="cpu")
    assert asked.labels == ["price", "rating"]
    answers = [answer.values for answer in asked.predict(table["text"].to_pylist())]
    for answer, values, prediction in zip(
        answers, table["values"].to_pylist(), table["prediction"].to_pylist(), strict=True
    ):
        assert [answer["price"], answer["rating"]] == pytest.approx(values, rel=1e-4, abs=1e-4)
        assert [float(value) for value in prediction.split(", ")] == pytest.approx(values, rel=1e-4, abs=1e-4)
    assert json.loads((run.model / "config.json").read_text())["problem_type"] == "regression"


def which(chance):
    """Which of two texts holds the good word: their words alone do not tell."""
    first = chance.random() < 0.5
    one, other = text(chance, "great" if first else "lousy"), text(chance, "lousy" if first else "great")
    return {"sentence1": one, "sentence2": other, "label": first}


def test_pairs_are_learnt_and_asked_for_by_both_fields(words, write, trained, said):
    write(which)
    run = trained(RECIPE, "train.label_smoothing=0.1", "train.class_weights={true = 2.0}", "train.epochs=8")
    scalars, table = judged(run, said)
    assert scalars["accuracy"] > 0.9
    assert "pairs of texts: sentence1 and sentence2" in said(run, "data")[0].notes
    asked = spec.predictor("text-classification", run.model, device="cpu")
    assert (asked.fields, asked.labels) == (("text", "text_pair"), ["false", "true"])
    rows = [{"text": row["sentence1"], "text_pair": row["sentence2"]} for row in rows_of(run, "validation")]
    assert [answer.label for answer in asked.predict(rows)] == table["prediction"].to_pylist()
    swapped = [{"text": row["text_pair"], "text_pair": row["text"]} for row in rows]
    assert [answer.label for answer in asked.predict(swapped)] != table["prediction"].to_pylist()
    with pytest.raises(BadInput, match="a row lacks its text_pair: give text and text_pair"):
        asked.predict(["the film was great"])
    assert pq.read_table(run.predictions / "validation.parquet")["text"][0].as_py().count("\n") == 1


def prepared(place, *overrides):
    parsed = recipe.parse(RECIPE, overrides=list(overrides))
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    tokenizer = task.tokenizer(parsed, splits, [place])
    config = task.config(parsed, locate(parsed.model, [place]), tokenizer)
    return task.prepare(parsed, splits, tokenizer, config)


def test_a_pair_is_cut_at_the_end_of_the_longer_text_and_carries_segments(words, tmp_path):
    rows = [("the film", "was great"), ("the film was very great and fine", "it"), ("好", "坏 坏 坏 坏 坏 坏")]
    (tmp_path / "train.jsonl").write_text(
        "\n".join(json.dumps({"a": one, "b": other, "label": place % 2}) for place, (one, other) in enumerate(rows))
    )
    shutil.copy(tmp_path / "train.jsonl", tmp_path / "validation.jsonl")
    ready = prepared(tmp_path, "data.text=a", "data.text_pair=b", "data.max_length=7", "data.label=label")
    train = ready.rows["train"]
    told = [words.decode(train[place]["input_ids"]) for place in range(3)]
    assert told == [
        "[CLS] the film [SEP] was great [SEP]",
        "[CLS] the film was [SEP] it [SEP]",
        "[CLS] 好 [SEP] 坏 坏 坏 [SEP]",
    ]
    assert train[1]["token_type_ids"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert ready.counts["train"]["truncated"] == 2
    one, other = zip(*rows, strict=True)
    reference = words(list(one), list(other), truncation="longest_first", max_length=7, return_token_type_ids=True)
    assert [train[place]["input_ids"].tolist() for place in range(3)] == reference["input_ids"]
    assert [train[place]["token_type_ids"].tolist() for place in range(3)] == reference["token_type_ids"]
    with pytest.raises(BadInput, match="4 tokens leave no room beside the 3 special ones: use 5 or more"):
        prepared(tmp_path, "data.text=a", "data.text_pair=b", "data.max_length=4", "data.label=label")
    # The first text of a pair by itself, for whoever names it alone.
    alone = prepared(tmp_path, "data.text=a", "data.label=label")
    assert words.decode(alone.rows["train"][1]["input_ids"]) == "[CLS] the film was very great and fine [SEP]"


def test_a_tokenizer_that_puts_nothing_between_two_texts_is_told(words, write, tmp_path):
    write(which)
    assert any("puts nothing between" in note for note in prepared(tmp_path, "model.tokenizer=bpe").notes)
    assert not any("puts nothing between" in note for note in prepared(tmp_path).notes)


@pytest.mark.parametrize(
    ("overrides", "kind", "said"),
    [
        (['data.label=["x", "y"]', "evaluate.thresholds=[0.5]"], RecipeError, "thresholds: 1 for 2 labels"),
        (["data.label=label", "evaluate.thresholds=best"], RecipeError, "predicts no labels by threshold"),
        (["data.label=label", "train.class_weights={yse = 2}"], RecipeError, "no class 'yse' (did you mean 'yes'?)"),
        (["data.label=price", "train.loss=focal"], RecipeError, "a regression learns by squared error"),
        (["data.label=price", "data.problem=multi-label"], DataError, "neither 0 nor 1"),
        (["data.label=same"], DataError, "'same' is 0.5 in every row of train"),
    ],
)
def test_choices_that_the_rows_do_not_allow_are_refused(words, write, tmp_path, overrides, kind, said):
    def row(chance):
        return {
            "text": text(chance),
            "x": 1,
            "y": chance.randrange(2),
            "label": chance.choice(["yes", "no"]),
            "price": 0.5 + chance.randrange(9),
            "same": 0.5,
        }

    write(row)
    with pytest.raises(kind) as caught:
        prepared(tmp_path, *overrides)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("row", "overrides", "said"),
    [
        ({"label": 0.5}, ["evaluate.best=accuracy"], "evaluate.best: regression has no metric 'accuracy'"),
        ({"label": "a"}, ["evaluate.best=mse"], "evaluate.best: single-label has no metric 'mse'"),
        ({"label": []}, ["evaluate.metrics=['r2']"], "evaluate.metrics: multi-label has no metric 'r2'"),
    ],
)
def test_a_metric_of_another_kind_of_label_is_refused_before_training(words, write, trained, row, overrides, said):
    other = {"label": {0.5: 1.5, "a": "b"}.get(row["label"], ["c"]) if row["label"] != [] else ["c"]}
    write(lambda chance: {"text": text(chance)} | (row if chance.random() < 0.5 else other))
    with pytest.raises(BadInput) as caught:
        trained(RECIPE, *overrides)
    assert said in str(caught.value)


def test_a_model_from_elsewhere_is_asked_by_what_its_config_says(words, tmp_path):
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    for name, config, key in (
        ("one", {"num_labels": 3}, "label"),
        ("several", {"num_labels": 3, "problem_type": "multi_label_classification"}, "labels"),
        ("number", {"num_labels": 1}, "values"),
    ):
        torch.manual_seed(0)
        BertForSequenceClassification(BertConfig(vocab_size=30, **sizes, **config)).save_pretrained(tmp_path / name)
        words.save_pretrained(tmp_path / name)
        (answer,) = spec.predictor("text-classification", tmp_path / name, device="cpu").predict(["the film"])
        assert hasattr(answer, key)


def test_each_kind_of_label_has_the_metrics_that_the_table_says():
    from workbench.metrics.classification import SingleLabel
    from workbench.metrics.multilabel import MultiLabel
    from workbench.metrics.regression import Regression

    shares, ids = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
    found = {
        "single-label": SingleLabel(["a", "b"]).compute(predictions=ids, references=ids, probabilities=shares),
        "multi-label": MultiLabel(["a", "b"]).compute(probabilities=shares, references=np.eye(2)[ids]),
        "regression": Regression(["a", "b"]).compute(predictions=shares, references=np.eye(2)[ids]),
    }
    for problem, result in found.items():
        names = {"loss", *result["scalars"], *result["undefined"]}
        table = set(catalog.of_task("text-classification", problem))
        assert table - {"ece"} <= names <= table, problem
        assert catalog.BEST[problem] in names
