"""What is said of a metric is said once: every question about its name is answered by the catalog."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workbench.core.errors import BadInput
from workbench.metrics import catalog
from workbench.metrics.catalog import BEST, CATALOG, KINDS, of_task


def test_no_name_stands_twice():
    names = [metric.name.lower() for metric in CATALOG]
    assert len(set(names)) == len(names)


def test_only_these_are_better_neither_way():
    assert {metric.name for metric in CATALOG if metric.direction is None} == {
        "length", "length_ratio", "best_f1_threshold",
    }  # fmt: skip
    assert {metric.direction for metric in CATALOG} == {"max", "min", None}


def test_every_kind_of_label_has_a_loss_and_a_metric_that_chooses():
    every = [kind for kinds in KINDS.values() for kind in kinds]
    assert list(BEST) == every
    for task, kinds in KINDS.items():
        for kind in kinds:
            metric, _ = catalog.chooses(task, kind=kind)
            assert {metric.name, "loss"} <= of_task(task, kind).keys() <= of_task(task).keys()
            assert metric.headline


@pytest.mark.parametrize(
    ("key", "name", "direction"),
    [
        ("eval/f1", "f1", "max"),
        ("test/rougel", "rougeL", "max"),
        ("train/loss", "loss", "min"),
        ("loss", "loss", "min"),
        ("eval/f1_PER", "f1", "max"),
        ("eval/exact_match_of_some", "exact_match", "max"),
        ("eval/german/bleu", "bleu", "max"),
        ("eval/error_rate", "error", "min"),
        ("eval/best_f1_threshold", "best_f1_threshold", None),
        ("train/learning_rate", None, None),
        ("eval/runtime", None, None),
        ("system/gpu0/memory", None, None),
        ("", None, None),
    ],
)
def test_a_key_is_read_whatever_split_or_class_it_is_of(key, name, direction):
    metric = catalog.find(key)
    assert (None if metric is None else metric.name) == name
    assert catalog.direction(key) == direction


def test_titles_are_written_as_people_write_them():
    keys = ("eval/f1", "test/bits_per_byte", "token_accuracy", "rougeLsum", "eval/f1_PER", "eval/of_mine")
    assert [catalog.title(key) for key in keys] == [
        "F1", "bits/byte", "token accuracy", "ROUGE-Lsum", "f1 PER", "of mine",
    ]  # fmt: skip


def test_what_trainer_logs_beside_metrics_is_none():
    keys = ["eval/runtime", "eval/samples_per_second", "eval/epoch", "eval/samples", "eval/f1_samples", "eval/of_mine"]
    assert [key for key in keys if catalog.is_metric(key)] == ["eval/f1_samples", "eval/of_mine"]


def test_the_order_is_one_and_what_the_catalog_does_not_know_comes_last():
    keys = ["of_mine", "ece", "loss", "f1_PER", "precision", "f1_LOC", "f1", "accuracy"]
    assert sorted(keys, key=catalog.rank) == [
        "accuracy", "f1", "f1_LOC", "f1_PER", "precision", "loss", "ece", "of_mine",
    ]  # fmt: skip
    assert catalog.headlines([*keys, "runtime"]) == ["accuracy", "f1", "precision", "loss", "of_mine"]
    assert catalog.ordered(keys, ["eval/ece", "recall"])[:3] == ["loss", "ece", "accuracy"]


def test_an_axis_has_room_for_what_its_metrics_can_be():
    assert catalog.axis(["eval/f1", "eval/accuracy"]) == (0.0, 1.0)
    assert catalog.axis(["eval/bleu"]) == (0.0, 100.0)
    assert catalog.axis(["eval/mcc", "eval/f1"]) == (-1.0, 1.0)
    assert catalog.axis(["train/loss", "eval/loss"]) == (0.0, float("inf"))
    assert catalog.axis(["train/grad_norm"]) == catalog.axis([]) == (-float("inf"), float("inf"))


def test_only_metrics_of_one_scale_share_an_axis():
    others = ["eval/chrf", "eval/rougeL", "eval/bleu", "eval/exact_match"]
    assert catalog.on_one_axis("eval/bleu", others) == ["eval/bleu", "eval/chrf"]
    assert catalog.on_one_axis("eval/rougeL", others) == ["eval/rougeL", "eval/exact_match"]
    assert catalog.on_one_axis("eval/mse", ["eval/mse", "eval/mae"]) == ["eval/mse"], "they have units of their own"


def test_the_best_value_is_finite_and_there_only_where_a_way_is_better():
    values = [0.5, float("nan"), 0.75, float("inf")]
    assert catalog.best_value("eval/f1", values) == 0.75
    assert catalog.best_value("eval/loss", values) == 0.5
    assert catalog.best_value("eval/length", values) is None
    assert catalog.best_value("eval/f1", [float("nan")]) is None


def test_what_a_recipe_names_is_found_or_the_nearest_is_told():
    assert catalog.asked_for("seq2seq", "eval/bleu").name == "bleu"
    with pytest.raises(BadInput, match=r"^evaluate.best: seq2seq has no metric 'blue' \(did you mean 'bleu'\?\)"):
        catalog.chooses("seq2seq", "blue")
    with pytest.raises(BadInput, match="neither more nor less length ratio is better"):
        catalog.chooses("seq2seq", "length_ratio")
    metric, direction = catalog.chooses("seq2seq", "length_ratio", "min")
    assert (metric.name, direction) == ("length_ratio", "min")


def test_asking_the_catalog_loads_nothing_heavy():
    heavy = ("numpy", "torch", "sklearn", "evaluate", "datasets", "pydantic", "pyarrow", "textual")
    code = f"import sys, workbench.metrics.catalog; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("task", "name", "meant"),
    [
        ("text-classification", "auc", "roc_auc"),
        ("text-classification", "eval_loss", "loss"),
        ("text-classification", "f1_score", "f1"),
        ("text-classification", "acc", "accuracy"),
        ("text-classification", "macro_f1", "f1_macro"),
        ("text-classification", "macro-f1", "f1_macro"),
        ("text-classification", "eval_f1_macro", "f1_macro"),
        ("text-classification", "average_precision", "pr_auc"),
        ("text-classification", "mean_squared_error", "mse"),
        ("token-classification", "overall_f1", "f1"),
        ("token-classification", "eval_accuracy", "token_accuracy"),
        ("question-answering", "em", "exact_match"),
        ("seq2seq", "rouge_l", "rougeL"),
        ("seq2seq", "sacrebleu", "bleu"),
        ("causal-lm", "ppl", "perplexity"),
        ("causal-lm", "validation_loss", "loss"),
        ("masked-lm", "perplexity", "pseudo_perplexity"),
        ("text-classification", "acuracy", "accuracy"),
    ],
)
def test_a_usual_name_of_a_metric_leads_to_the_one_here(task, name, meant):
    with pytest.raises(BadInput, match=rf"\(did you mean '{meant}'\?\)"):
        catalog.asked_for(task, name)


def test_every_usual_name_is_of_a_metric_there_is():
    assert {metric.name for metric in catalog.CATALOG} >= set(catalog._ALSO)
