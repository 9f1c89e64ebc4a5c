"""Going on from a run's own model: with its labels in another order, as ids, and with numbers on another scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.contracts import events
from workbench.tasks import recipe_union

STILL = ("train.max_steps=1", "train.learning_rate=1e-9", "train.batch_size=8")


def of_type(run, kind):
    return [event for event in events.read_all(run.events) if event.type == kind]


def result_of(run) -> dict[str, float]:
    """Of the chosen weights on the test rows."""
    return {key.removeprefix("test/"): value for key, value in of_type(run, "eval")[-1].scalars.items()}


def rows_of(runs) -> list[dict]:
    train = Path(recipe_union.parse(runs.text).data.train)
    return [json.loads(line) for line in train.read_text().splitlines()]


def written(file: Path, rows: list[dict]) -> str:
    file.write_text("\n".join(map(json.dumps, rows)))
    return file.name


@pytest.fixture
def trained(runs):
    run = runs.make("first", "train.epochs=6", "train.learning_rate=1e-2")
    runs.train(run)
    return run


@pytest.mark.parametrize("method", ["full", "lora"])
def test_labels_in_another_order_change_nothing_and_are_said(runs, trained, method):
    run = runs.make(
        method, f"model.name={trained.model}", 'data.labels=["positive","negative"]', f"train.method={method}", *STILL
    )
    runs.train(run)
    assert result_of(run)["accuracy"] == result_of(trained)["accuracy"] > 0.6
    (said,) = [event.text for event in of_type(run, "warning") if event.code == "checkpoint-changed"]
    assert "in another order (negative, positive)" in said
    assert of_type(run, "plan")[0].new_weights == ()


def test_other_names_begin_with_a_new_head_which_is_listed_and_said(runs, trained, tmp_path):
    renamed = [row | {"label": {"positive": "good", "negative": "bad"}[row["label"]]} for row in rows_of(runs)]
    file = written(tmp_path / "renamed.jsonl", renamed)
    data = (f"data.train={file}", f"data.validation={file}", "data.test=none")
    run = runs.make("other", f"model.name={trained.model}", *data, *STILL)
    runs.train(run)
    assert set(of_type(run, "plan")[0].new_weights) == {"classifier.weight", "classifier.bias"}
    assert "the head is new" in of_type(run, "warning")[0].text


def test_numbers_go_on_from_where_they_were_on_another_scale(runs, tmp_path):
    priced = [{"text": row["text"], "price": 1000 * len(row["text"].split())} for row in rows_of(runs)]
    all_rows, few = written(tmp_path / "all.jsonl", priced), written(tmp_path / "few.jsonl", priced[:12])
    data = (f"data.validation={all_rows}", f"data.test={all_rows}", "data.label=price", "data.problem=regression")
    first = runs.make("first", f"data.train={all_rows}", *data, "evaluate.best=mse")
    runs.train(first)
    again = runs.make("again", f"data.train={few}", *data, f"model.name={first.model}", "evaluate.best=mse", *STILL)
    runs.train(again)
    assert result_of(again)["mse"] == pytest.approx(result_of(first)["mse"], rel=1e-3)
    kept = json.loads((again.model / "config.json").read_text())
    assert not {"target_mean", "target_std"} & kept.keys()
