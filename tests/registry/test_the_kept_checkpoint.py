"""The figures of a run are those of the checkpoint that it keeps: of one model, and not the best of several."""

from __future__ import annotations

import math
import sqlite3

import pandas as pd
import pytest
from sqlite_utils import Database

from workbench.registry.rebuild import reindex

# Accuracy is best at step 20, the loss at step 30; the same accuracy comes back at step 40, with a greater loss.
EVALUATIONS = ((10, 0.6, 0.9), (20, 0.8, 0.5), (30, 0.7, 0.4), (40, 0.8, 0.6))


def evaluated(write_run, *, said=True):
    run = write_run(train={"learning_rate": 1e-5}).trainer(
        "plan", total_steps=40, best="eval/accuracy", direction="max"
    )
    for step, accuracy, loss in EVALUATIONS:
        scalars = {"eval/accuracy": accuracy, "eval/loss": loss}
        best = {"best": step in (10, 20)} if said else {}
        run.trainer("step", step=step, epoch=1.0, tokens=5, scalars={"train/loss": loss})
        run.trainer("eval", step=step, split="validation", scalars=scalars, **best)
    return run


@pytest.mark.parametrize("said", [True, False], ids=["said by the log", "a log of before"])
def test_every_metric_is_that_of_the_best_checkpoint(write_run, ingestor, registry, said):
    evaluated(write_run, said=said)
    ingestor.poll()
    [found] = registry.runs()
    figures = {key: (summary.best, summary.step) for key, summary in found.metrics.items() if key.startswith("eval/")}
    assert figures == {"eval/accuracy": (0.8, 20), "eval/loss": (0.5, 20)}
    assert found.metrics["eval/loss"].min == 0.4
    assert found.metrics["train/loss"].best == 0.4, "of training it is the least there was"


def test_a_later_best_of_equal_values_is_believed(write_run, ingestor, registry):
    run = evaluated(write_run)
    run.trainer("eval", step=50, split="validation", scalars={"eval/accuracy": 0.8, "eval/loss": 0.3}, best=True)
    ingestor.poll()
    [found] = registry.runs()
    assert (found.metrics["eval/loss"].best, found.metrics["eval/accuracy"].step) == (0.3, 50)


def test_a_metric_without_a_value_there_has_none(write_run, ingestor, registry):
    run = evaluated(write_run)
    run.trainer("eval", step=60, split="validation", scalars={"eval/f1": 0.9}, best=False)
    ingestor.poll()
    [found] = registry.runs()
    assert math.isnan(found.metrics["eval/f1"].best_or_last)
    assert found.metrics["eval/f1"].as_json()["best"] == "NaN"


def test_what_a_resumed_run_made_anew_is_not_the_best(write_run, ingestor, registry):
    run = evaluated(write_run)
    ingestor.poll()
    run.trainer("resumed", step=10, attempt=2)
    run.trainer(
        "eval", step=20, split="validation", scalars={"eval/accuracy": 0.5, "eval/loss": 1.0}, best=False, attempt=2
    )
    ingestor.poll()
    [found] = registry.runs()
    assert (found.metrics["eval/loss"].best, found.metrics["eval/loss"].step) == (0.9, 10)


def test_runs_are_filtered_and_sorted_by_what_is_shown(write_run, ingestor, registry):
    evaluated(write_run)
    ingestor.poll()
    assert registry.count("eval/loss=0.5") == registry.count("best(eval/loss)=0.5") == 1
    assert registry.count("last(eval/loss)=0.6") == registry.count("min(eval/loss)=0.4") == 1
    assert len(registry.runs("sort:eval/loss")) == 1


def test_a_registry_of_before_learns_it(write_run, ingestor, registry, home):
    evaluated(write_run, said=False)
    ingestor.poll()
    older = sqlite3.connect(home.registry)
    for view in ("runs", "metrics", "points", "recipe_fields"):
        older.execute(f"DROP VIEW {view}")
    for table, column in (("run", "chosen"), ("summary", "chosen"), ("summary", "chosen_flag")):
        older.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    older.execute("DELETE FROM _sqlite_migrations WHERE name LIKE '0002%'")
    older.execute("PRAGMA user_version=1")
    older.commit()
    older.close()
    from workbench.registry import Registry

    with Registry.open(home) as opened:
        [found] = opened.runs()
    assert found.metrics["eval/loss"].best == 0.5
    assert not opened.notices, "it was brought up to date, not made anew"


def test_other_programs_find_views_with_names_for_numbers(write_run, ingestor, home):
    run = evaluated(write_run)
    run.trainer("step", step=41, epoch=1.0, tokens=5, scalars={"train/loss": float("nan")})
    ingestor.poll()
    database = Database(home.registry)
    assert {"runs", "metrics", "points", "recipe_fields"} == set(database.view_names())
    [row] = database["runs"].rows
    assert (row["run"], row["best_metric"], row["chosen_step"]) == (run.id, "eval/accuracy", 20)
    assert row["created"].endswith("Z")
    with sqlite3.connect(home.registry) as connection:
        metrics = pd.read_sql("SELECT metric, value, step FROM metrics ORDER BY metric", connection)
        points = pd.read_sql("SELECT * FROM points WHERE metric='train/loss' ORDER BY step", connection)
        fields = pd.read_sql("SELECT field, number FROM recipe_fields", connection).set_index("field")["number"]
    assert metrics.set_index("metric")["value"]["eval/loss"] == 0.5
    assert list(points["step"]) == [10, 20, 30, 40, 41]
    assert str(points["value"].dtype) == "float64"
    assert points["not_finite"].iloc[-1] == "NaN"
    assert points["not_finite"].isna().sum() == 4
    assert fields["train.learning_rate"] == 1e-5
    kinds = {column.name: column.type for column in database["points"].columns}
    assert (kinds["step"], kinds["value"], kinds["time"]) == ("INTEGER", "REAL", "TEXT"), "as DuckDB asks"


def test_reindexed_it_is_the_same(write_run, ingestor, home):
    evaluated(write_run)
    ingestor.poll()
    rows = [tuple(row.values()) for row in Database(home.registry)["metrics"].rows]
    reindex(home)
    assert [tuple(row.values()) for row in Database(home.registry)["metrics"].rows] == rows
