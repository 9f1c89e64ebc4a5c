"""Which value of a series is the best is what the catalog of metrics says, unless the run says otherwise."""

from __future__ import annotations

from workbench.metrics.catalog import CATALOG, best_value

VALUES = (0.5, 0.75, 0.25)


def test_the_best_of_every_metric_is_that_of_the_catalog(write_run, ingestor, registry):
    run = write_run()
    for step, value in enumerate(VALUES, 1):
        run.trainer("eval", step=step, split="test", scalars={f"test/{metric.name}": value for metric in CATALOG})
    ingestor.poll()
    [found] = registry.runs()
    for metric in CATALOG:
        summary = found.metrics[f"test/{metric.name}"]
        assert summary.best == best_value(metric.name, VALUES), metric.name
        assert summary.best_or_last == (0.25 if metric.direction is None else summary.best)


def test_a_run_that_says_its_own_direction_is_believed(write_run, ingestor, registry):
    run = write_run().trainer("plan", total_steps=3, best="eval/length", direction="min")
    for step, value in enumerate(VALUES, 1):
        run.trainer("eval", step=step, split="validation", scalars={"eval/length": value, "eval/length_ratio": value})
    ingestor.poll()
    [found] = registry.runs()
    assert (found.metrics["eval/length"].best, found.metrics["eval/length"].step) == (0.25, 3)
    ratio = found.metrics["eval/length_ratio"]
    assert (ratio.best, ratio.step) == (0.25, 3), "of the same checkpoint, though no way of it is better"
