"""The Metrics pane over real runs: their logs ingested, their predictions read by the real lab."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.contracts.events import EventWriter
from workbench.core.home import Home
from workbench.core.rundir import RunDir
from workbench.metrics.confusion import Confusion
from workbench.runs.create import create
from workbench.tasks.experiment import Experiment
from workbench.tui.app import WorkbenchApp
from workbench.tui.modes.metrics.confusion_matrix import ConfusionMatrix
from workbench.tui.modes.metrics.curve_view import CurveView
from workbench.tui.modes.metrics.metric_table import MetricTable
from workbench.tui.modes.metrics.prediction_rows import PredictionRows

HOSTILE = "evil\x1b]52;c;aGk=\x07\u202e"


def recipe(name: str, task: str) -> str:
    return f'name = "{name}"\ntask = "{task}"\n[model]\nname = "builtin:minilm"\n[data]\nsource = "builtin:reviews"\n'


def eval_fields(step: int, labels: list[str], counts: list[list[int]], loss: float, split: str = "validation") -> dict:
    matrix = Confusion.parse(labels, counts)
    prefix = "test" if split == "test" else "eval"
    return {
        "step": step,
        "epoch": step / 50,
        "split": split,
        "scalars": {f"{prefix}/accuracy": matrix.accuracy, f"{prefix}/loss": loss, f"{prefix}/runtime": 1.5},
        "labels": labels,
        "confusion": counts,
        "predictions": f"predictions/{split}.parquet",
    }


def write_predictions(run: RunDir, split: str, labels: list[str], counts: list[list[int]]) -> None:
    rows = [
        {
            "label": labels[i],
            "prediction": labels[j],
            "loss": 0.2 + n / 7 + (i != j),
            "text": f"{labels[i]} 第{n}条 {HOSTILE}",
        }
        for i, line in enumerate(counts)
        for j, count in enumerate(line)
        for n in range(count)
    ]
    run.predictions.mkdir(exist_ok=True)
    table = pa.Table.from_pylist([{"row": n, "probabilities": [0.1, 0.9], **row} for n, row in enumerate(rows)])
    pq.write_table(table, run.predictions / f"{split}.parquet")


def curve_fields(labels: list[str]) -> dict:
    """As a trainer keeps them, of rows that are told apart well but not wholly."""
    pr = [[0.0, 1.0, None], [0.4, 1.0, 0.9], [0.7, 0.9, 0.6], [0.9, 0.8, 0.5], [1.0, 0.6, 0.2]]
    roc = [[0.0, 0.0, None], [0.0, 0.4, 0.9], [0.1, 0.7, 0.6], [0.2, 0.9, 0.5], [0.6, 1.0, 0.2], [1.0, 1.0, 0.1]]
    sure = ((0.4, 0.5), (0.6, 0.5), (0.95, 0.9))
    return {
        "roc": [{"label": label, "points": roc} for label in labels],
        "pr": [{"label": label, "points": pr} for label in labels],
        "calibration": [{"low": 0, "high": 1, "rows": 9, "confidence": a, "accuracy": b} for a, b in sure],
        "intervals": {"accuracy": [0.71, 0.93]},
    }


MakeRun = Callable[..., RunDir]


@pytest.fixture
def make_run(home: Home) -> MakeRun:
    """A finished classifier, evaluated twice on validation and, where wanted, once on test."""

    def make(
        name: str,
        counts: list[list[int]],
        labels: list[str],
        *,
        loss: float = 0.41,
        test: bool = False,
        kept: dict | None = None,
    ) -> RunDir:
        run = create(home, Experiment.read(recipe(name, "text-classification")))
        writer = EventWriter(run.events)
        writer.write("started", pid=1, host="here")
        writer.write("eval", **eval_fields(50, labels, counts, loss + 0.1))
        writer.write("eval", **eval_fields(100, labels, counts, loss) | (kept or {}))
        write_predictions(run, "validation", labels, counts)
        if test:
            writer.write("eval", **eval_fields(100, labels, [list(r) for r in zip(*counts, strict=True)], loss, "test"))
        writer.write("finished", state="completed", reason="", exit_code=0)
        writer.close()
        return run

    return make


@pytest.fixture
def app(home: Home) -> WorkbenchApp:
    return WorkbenchApp(home)


@pytest.fixture
def opened(until):
    async def open_pane(pilot, app: WorkbenchApp, run: RunDir | None = None):
        if run is not None:
            app.selection.choose(run.id)
        app.go("metrics")
        await until(pilot, lambda: bool(app.screen.query(MetricTable)) and bool(app.screen.query_one(MetricTable).rows))
        return app.screen

    return open_pane


SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")


@SIZES
async def test_a_judged_run_is_shown_with_its_matrix_and_classes(app, make_run, size, opened, agrees):
    make_run("other-run", [[70, 10], [20, 60]], ["负面", "正面"], loss=math.nan)
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["负面", "正面"], test=True)
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app, run)
        await pilot.pause()
        agrees(app, f"metrics-two-classes-{size[0]}x{size[1]}")


@SIZES
async def test_many_classes_are_scrolled_with_the_cursor(app, make_run, size, opened, agrees):
    labels = [f"library-{i:02}" for i in range(24)]
    counts = [[(i * 7 + j * 3) % 11 if i != j else 40 + i for j in range(24)] for i in range(24)]
    run = make_run("docstrings", counts, labels)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, app, run)
        screen.query_one(ConfusionMatrix).focus()
        await pilot.press("G", *["right"] * 30)
        matrix = screen.query_one(ConfusionMatrix)
        assert matrix.cursor == (23, 23)
        await pilot.pause()
        agrees(app, f"metrics-many-classes-{size[0]}x{size[1]}")


@SIZES
async def test_a_cell_opens_its_rows_worst_first_and_a_row_opens_in_tokens(
    app, make_run, size, opened, until, agrees, shot
):
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["负面", "正面"])
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "enter")
        rows = screen.query_one(PredictionRows)
        await until(pilot, lambda: rows.shown.whole == 12)
        assert [row.loss for row in rows.rows] == sorted((row.loss for row in rows.rows), reverse=True)
        await pilot.press("j")
        await pilot.pause()
        text = shot(app)
        assert "\x1b" not in text
        assert "\u202e" not in text
        agrees(app, f"metrics-rows-{size[0]}x{size[1]}")
        await pilot.press("enter")
        passage = app.selection.passage
        assert app.current_mode == "tokens"
        assert (passage.label, passage.prediction, passage.tokenizer) == ("正面", "负面", run.id)
        assert passage.text.endswith(HOSTILE), "what is handed over is the row itself, not its picture"
        assert passage.source.startswith("minilm-reviews/validation row ")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_curves_are_drawn_and_a_threshold_is_moved_along_them(app, make_run, size, opened, until, comes_to, shot):
    labels = ["负面", "正面"]
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], labels, kept=curve_fields(["正面"]))
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, app, run)
        assert "accuracy 0.8688 [0.710, 0.930]" in shot(app)
        assert screen.query_one(CurveView).display == (size[1] > 40), "a tall screen has the room from the start"
        await pilot.press("C", "right")
        view = screen.query_one(CurveView)
        await until(pilot, lambda: view.here.threshold == 0.6)
        assert (view.here.precision, view.here.recall, view.here.alarms) == (0.9, 0.7, 0.1)
        await comes_to(pilot, f"metrics-curves-{size[0]}x{size[1]}")
        await pilot.press("escape")
        assert screen.query_one(ConfusionMatrix).display
        assert app.current_mode == "metrics"


async def test_up_and_down_go_from_class_to_class(app, make_run, opened, until):
    labels = ["坏", "好", "odd"]
    run = make_run("three", [[5, 1, 0], [1, 5, 0], [0, 1, 5]], labels, kept=curve_fields(labels))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("C", "down", "j", "j")
        assert screen.query_one(CurveView).here.label == "odd"
        await pilot.press("up")
        assert screen.query_one(CurveView).here.label == "好"


async def test_a_run_without_probabilities_says_why_it_has_no_curves(app, make_run, opened):
    run = make_run("old", [[5, 0], [0, 5]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("C")
        assert screen.state.panel == "evaluation"
        assert "ROC" in app.toasts[0].message


async def test_runs_that_share_only_the_loss_are_not_compared(app, home, make_run, opened):
    other = create(home, Experiment.read(recipe("stars", "text-classification")))
    writer = EventWriter(other.events)
    writer.write("eval", step=5, epoch=1.0, split="validation", scalars={"eval/loss": 0.1, "eval/mse": 0.1})
    writer.close()
    run = make_run("classifier", [[8, 2], [0, 10]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        assert [row.name for row in screen.query_one(MetricTable).rows] == ["classifier"]


async def test_of_several_labels_rows_are_counted_and_not_labels(app, home, opened, shot):
    run = create(home, Experiment.read(recipe("topics", "text-classification")))
    writer = EventWriter(run.events)
    classes = [
        {"label": name, "support": 40, "precision": 0.9, "recall": 0.8, "specificity": None, "f1": 0.85}
        for name in ("金融", "sport")
    ]
    scalars = {"eval/loss": 0.1, "eval/f1": 0.85}
    confusions = [[[18, 2], [4, 36]], [[18, 2], [4, 36]]]
    writer.write(
        "eval", step=5, epoch=1.0, split="validation", scalars=scalars, per_class=classes, confusions=confusions
    )
    writer.close()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        assert "60 rows" in shot(app)
        assert not screen.query_one(ConfusionMatrix).display


async def test_a_row_opens_in_try_and_esc_closes_the_rows(app, make_run, opened, until):
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("p")
        assert app.current_mode == "metrics", "without a row there is nothing to try"
        await pilot.press("tab", "enter")
        await until(pilot, lambda: bool(screen.query_one(PredictionRows).rows))
        await pilot.press("escape")
        assert screen.state.panel == "evaluation"
        assert app.current_mode == "metrics"
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.query_one(PredictionRows).rows))
        await pilot.press("p")
        assert app.current_mode == "try"
        assert app.selection.passage.label == "good"


async def test_the_worst_rows_of_answers_say_both_answers_and_open_in_try_as_question_and_context(
    app, home, opened, until, comes_to
):
    run = create(home, Experiment.read(recipe("answers", "question-answering")))
    writer = EventWriter(run.events)
    for step in range(1, 13):
        scalars = {"eval/loss": 3 / step, "eval/f1": step / 20, "eval/exact_match": step / 30}
        kept = {"predictions": "predictions/validation.parquet"} if step == 4 else {}
        writer.write("eval", step=step, epoch=step / 2, split="validation", scalars=scalars, **kept)
    writer.close()
    run.predictions.mkdir()
    asked = [("谁旅行了？", "Ada 去了上海。", "Ada", "上海"), ("Where to?", "Ada went to Rome.", "Rome", "Rome")]
    rows = [
        {"row": n, "label": label, "prediction": called, "loss": 2.0 - n, "text": f"{question}\n{context}"}
        for n, (question, context, label, called) in enumerate(asked)
    ]
    pq.write_table(pa.Table.from_pylist(rows), run.predictions / "validation.parquet")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await comes_to(pilot, "metrics-answers-80x24")
        await pilot.press("W")
        await until(pilot, lambda: bool(screen.query_one(PredictionRows).rows))
        await comes_to(pilot, "metrics-answers-rows-80x24")
        await pilot.press("p")
        assert (app.selection.passage.text, app.selection.passage.pair) == ("谁旅行了？", "Ada 去了上海。")
        second = app.screen.query_one("#second")
        await until(pilot, lambda: second.text == "Ada 去了上海。")


async def test_more_rows_are_loaded_as_the_cursor_goes_down(app, make_run, opened, until):
    run = make_run("big", [[5, 0], [180, 5]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "enter")
        rows = screen.query_one(PredictionRows)
        await until(pilot, lambda: len(rows.rows) == 50)
        for loaded in (100, 150, 180):
            await pilot.press("G")
            await until(pilot, lambda loaded=loaded: len(rows.rows) == loaded)
        assert len({row.row for row in rows.rows}) == 180


async def test_a_cell_without_rows_does_not_open(app, make_run, opened):
    run = make_run("sure", [[5, 0], [0, 5]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "right", "enter")
        await pilot.pause()
        assert screen.state.panel == "evaluation"


async def test_predictions_that_are_gone_are_said_and_the_matrix_stays(app, make_run, opened, until):
    run = make_run("gone", [[5, 2], [1, 5]], ["bad", "good"])
    (run.predictions / "validation.parquet").unlink()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: app.toasts)
        assert "no predictions of the validation split" in app.toasts[0].message
        assert screen.state.panel == "evaluation"


async def test_the_next_split_shows_its_own_matrix(app, make_run, opened, until, shot):
    run = make_run("two-splits", [[71, 9], [12, 68]], ["bad", "good"], test=True)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        assert screen.query_one(ConfusionMatrix).matrix.counts[0][1] == 9
        await pilot.press("S")
        await until(pilot, lambda: screen.query_one(ConfusionMatrix).matrix.counts[0][1] == 12)
        assert screen.query_one(MetricTable).shown.metrics[0].key == "test/accuracy"
        assert "runtime" not in shot(app)


async def test_enter_on_a_run_makes_it_the_current_one_and_differences_follow(app, make_run, opened, until, shot):
    make_run("first", [[8, 2], [0, 10]], ["bad", "good"])
    second = make_run("second", [[10, 0], [0, 10]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, second)
        table = screen.query_one(MetricTable)
        assert [row.name for row in table.rows] == ["second", "first"]
        assert "-0.1000" in shot(app)
        await pilot.press("j", "enter")
        await until(pilot, lambda: table.rows[0].name == "first")
        await pilot.pause()
        assert "+0.1000" in shot(app)


async def test_a_run_judged_while_one_reads_joins_the_table_and_not_the_matrix(app, make_run, opened, until):
    make_run("first", [[8, 2], [0, 10]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        make_run("second", [[10, 0], [0, 10]], ["bad", "good"])
        table = screen.query_one(MetricTable)
        await until(pilot, lambda: len(table.rows) == 2)
        assert table.rows[0].name == "first"
        assert screen.query_one(ConfusionMatrix).matrix.counts[0][1] == 2


async def test_marked_runs_are_what_is_compared(app, make_run, opened, until):
    runs = [make_run(name, [[8, 2], [0, 10]], ["bad", "good"]) for name in ("a", "b", "c")]
    async with app.run_test(size=(80, 24)) as pilot:
        app.selection.toggle(runs[0].id)
        screen = await opened(pilot, app, runs[1])
        table = screen.query_one(MetricTable)
        assert [(row.name, row.marked) for row in table.rows] == [("b", False), ("a", True)]
        await pilot.press("space")
        await until(pilot, lambda: table.rows[0].marked)
        assert app.selection.marks == (runs[0].id, runs[1].id)


async def test_a_language_model_shows_its_scores_and_samples(app, home, tmp_path, opened, agrees, shot):
    run = create(
        home, Experiment.read(recipe("gpt2-docs", "text-classification").replace("text-classification", "causal-lm"))
    )
    writer = EventWriter(run.events)
    for step, loss in ((100, 5.25), (200, 4.5)):
        scalars = {"eval/loss": loss, "eval/perplexity": math.exp(loss), "eval/token_accuracy": step / 1000}
        writer.write("eval", step=step, epoch=step / 100, split="validation", scalars=scalars)
    writer.write("sample", step=200, prompt="The import", text=" statement 导入语句\nis " + HOSTILE)
    writer.write("finished", state="completed", reason="", exit_code=0)
    writer.close()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, run)
        await pilot.pause()
        text = shot(app)
        assert "\x1b" not in text
        agrees(app, "metrics-language-80x24")
    assert "90.0171" in text


async def test_runs_of_another_task_are_not_compared_unless_marked(app, home, make_run, opened, until):
    run = make_run("classifier", [[8, 2], [0, 10]], ["bad", "good"])
    other = create(home, Experiment.read(recipe("writer", "causal-lm")))
    writer = EventWriter(other.events)
    writer.write("eval", step=5, epoch=1.0, split="validation", scalars={"eval/loss": 5.0, "eval/perplexity": 148.4})
    writer.close()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        table = screen.query_one(MetricTable)
        assert [row.name for row in table.rows] == ["classifier"]
        app.selection.toggle(other.id)
        await until(pilot, lambda: len(table.rows) == 2)
        assert [column.key for column in table.shown.metrics] == ["eval/accuracy", "eval/loss", "eval/perplexity"]


async def test_a_run_that_is_not_evaluated_yet_says_where_to_look(app, home, make_run, opened, shot):
    make_run("judged", [[8, 2], [0, 10]], ["bad", "good"])
    run = create(home, Experiment.read(recipe("young", "text-classification")))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, run)
        await pilot.pause()
        assert "young (created) has not been evaluated yet: 2 shows it as it trains" in shot(app)


async def test_with_no_run_at_all_the_next_key_is_named(app, until, shot):
    async with app.run_test(size=(80, 24)) as pilot:
        app.go("metrics")
        await until(pilot, lambda: app.screen.has_class("-empty"))
        await pilot.pause()
        assert "No run has been evaluated yet" in shot(app)
        assert "n  there starts one from a recipe" in shot(app)


async def test_a_run_that_is_judged_while_one_looks_appears(app, home, opened, until):
    run = create(home, Experiment.read(recipe("live", "text-classification")))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        assert not screen.query_one(ConfusionMatrix).display
        writer = EventWriter(run.events)
        writer.write("eval", **eval_fields(10, ["bad", "good"], [[3, 1], [1, 3]], 0.5))
        writer.close()
        await until(pilot, lambda: screen.query_one(ConfusionMatrix).display)
        assert screen.query_one(ConfusionMatrix).matrix.total == 8


@pytest.mark.parametrize("size", [(20, 6), (40, 12)])
async def test_a_tiny_terminal_shows_what_fits(app, make_run, size, opened, until, shot):
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["负面", "正面"])
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: bool(screen.query_one(PredictionRows).rows))
        await pilot.press("G", "escape", "tab", "down", "G")
        assert all(len(line) <= size[0] for line in shot(app).splitlines())


async def test_y_copies_the_row_or_the_drawing_that_has_the_focus(app, make_run, opened, until):
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["bad", "good"])
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("tab", "y")
        await until(pilot, lambda: "true \\ pred." in app.clipboard)
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.query_one(PredictionRows).rows))
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard.startswith("good 第11条 evil␛"))


async def test_w_opens_every_row_of_the_split_the_worst_first(app, make_run, opened, until, shot):
    run = make_run("minilm-reviews", [[71, 9], [12, 68]], ["bad", "good"])
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, app, run)
        await pilot.press("W")
        await until(pilot, lambda: screen.query_one(PredictionRows).rows)
        rows = screen.query_one(PredictionRows)
        assert rows.shown.whole == 160
        losses = [row.loss for row in rows.rows]
        assert losses == sorted(losses, reverse=True)
        assert "worst first" in shot(app)
        assert "good → bad" in shot(app) or "bad → good" in shot(app) or "bad → bad" in shot(app)
        await pilot.press("escape")
        assert screen.state.panel == "evaluation"


async def test_a_marked_run_is_compared_on_the_same_rows(app, make_run, opened, until, shot):
    before = make_run("before", [[60, 20], [20, 60]], ["bad", "good"])
    after = make_run("after", [[60, 20], [20, 60]], ["bad", "good"])
    path = after.predictions / "validation.parquet"
    table = pq.read_table(path)
    called = table.column("prediction").to_pylist()
    truth = table.column("label").to_pylist()
    called[60:80] = truth[60:80]  # the first twenty mistakes are corrected
    called[:3] = ["good"] * 3
    pq.write_table(table.set_column(table.column_names.index("prediction"), "prediction", pa.array(called)), path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, app, after)
        app.selection.toggle(before.id)
        await until(pilot, lambda: screen.query_one("#paired").display and "against before" in shot(app))
        assert "fixed 20, broke 3, McNemar p < 0.001 · accuracy +0.1062 [" in shot(app)
        app.selection.toggle(before.id)
        await until(pilot, lambda: not screen.query_one("#paired").display)


async def test_runs_judged_on_other_rows_are_said_not_to_compare(app, make_run, opened, until, shot):
    before = make_run("before", [[3, 1], [1, 3]], ["bad", "good"])
    after = make_run("after", [[60, 20], [20, 60]], ["bad", "good"])
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(pilot, app, after)
        app.selection.toggle(before.id)
        await until(pilot, lambda: "not evaluated on the same rows of validation" in shot(app))
