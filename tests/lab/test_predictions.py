"""Pages of predictions, read from real parquet files."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.contracts.lab.prediction_requests import PredictionsCompare, PredictionsPage, PredictionsPageReply
from workbench.core.errors import BadInput, WorkbenchError
from workbench.core.home import Home
from workbench.lab.prediction_service import TEXT_LIMIT, PredictionService

ROWS = [
    (0, "bad", "good", [0.2, 0.8], 1.6, "好看极了，才怪"),
    (1, "good", "good", [0.1, 0.9], 0.1, "fine"),
    (2, "bad", "good", [0.01, 0.99], 4.6, "oh, great"),
    (7, "bad", "bad", [0.7, 0.3], 0.36, "dull"),
    (9, "bad", "good", [math.nan, math.nan], math.nan, "the loss was no number"),
]


def write(path: Path, rows: list[tuple], group: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["row", "label", "prediction", "probabilities", "loss", "text"]
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    pq.write_table(table, path, row_group_size=group)


@pytest.fixture
def service(tmp_path: Path) -> PredictionService:
    home = Home(tmp_path).ensure()
    write(home.runs / "r1" / "predictions" / "validation.parquet", ROWS)
    return PredictionService(home)


def test_a_cell_of_the_matrix_gives_its_rows_worst_first(service: PredictionService) -> None:
    page = service.page(PredictionsPage("r1", "validation", label="bad", prediction="good"))
    assert page.total == 3
    assert [row.row for row in page.rows] == [9, 2, 0], "a loss that is no number is the worst"
    assert page.rows[1].text == "oh, great"
    assert page.rows[1].probability == pytest.approx(0.99)


def test_pages_follow_each_other_without_gap_or_repeat(service: PredictionService) -> None:
    pages = [
        service.page(PredictionsPage("r1", "validation", sort="row", offset=at, limit=2)).rows for at in range(0, 6, 2)
    ]
    assert [[row.row for row in page] for page in pages] == [[0, 1], [2, 7], [9]]


def test_past_the_end_there_is_an_empty_page_that_knows_the_total(service: PredictionService) -> None:
    assert service.page(PredictionsPage("r1", "validation", offset=50)) == PredictionsPageReply(5, ())


def test_a_cell_nobody_is_in_is_empty(service: PredictionService) -> None:
    assert service.page(PredictionsPage("r1", "validation", label="good", prediction="bad")) == PredictionsPageReply(
        0, ()
    )


def test_best_first_is_the_other_way_round(service: PredictionService) -> None:
    assert [row.row for row in service.page(PredictionsPage("r1", "validation", sort="-loss")).rows] == [1, 7, 0, 2, 9]


def test_a_file_written_anew_is_read_anew(service: PredictionService, tmp_path: Path) -> None:
    assert service.page(PredictionsPage("r1", "validation")).total == 5
    write(tmp_path / "runs" / "r1" / "predictions" / "validation.parquet", ROWS[:2])
    assert service.page(PredictionsPage("r1", "validation")).total == 2


def test_a_run_may_be_named_by_its_directory(service: PredictionService, tmp_path: Path) -> None:
    assert service.page(PredictionsPage(str(tmp_path / "runs" / "r1"), "validation")).total == 5


def test_a_split_without_predictions_says_when_there_will_be_some(service: PredictionService) -> None:
    with pytest.raises(BadInput, match="r1: no predictions of the test split: they are written when"):
        service.page(PredictionsPage("r1", "test"))


def test_a_split_name_cannot_leave_the_run(service: PredictionService, tmp_path: Path) -> None:
    write(tmp_path / "secret.parquet", ROWS)
    with pytest.raises(BadInput, match="no predictions"):
        service.page(PredictionsPage("r1", "../../../secret"))


def test_a_torn_file_is_one_sentence(service: PredictionService, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "r1" / "predictions" / "validation.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WorkbenchError, match="cannot be read"):
        service.page(PredictionsPage("r1", "validation"))


def test_a_parquet_file_of_something_else_is_refused(service: PredictionService, tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1]}), tmp_path / "runs" / "r1" / "predictions" / "odd.parquet")
    with pytest.raises(BadInput, match="no column 'label'"):
        service.page(PredictionsPage("r1", "odd"))


def test_a_very_long_text_is_sent_in_part(service: PredictionService, tmp_path: Path) -> None:
    rows = [(0, "bad", "bad", [1.0], 0.0, "x" * (TEXT_LIMIT + 9))]
    write(tmp_path / "runs" / "r1" / "predictions" / "long.parquet", rows)
    assert len(service.page(PredictionsPage("r1", "long")).rows[0].text) == TEXT_LIMIT


def write_predictions(home: Home, run: str, predictions: list[str | None]) -> None:
    path = home.runs / run / "predictions" / "test.parquet"
    path.parent.mkdir(parents=True)
    labels = ["a", "b", "a", None]
    table = {"row": [0, 1, 2, 3], "label": labels, "prediction": pa.array(predictions, pa.string())}
    pq.write_table(pa.table(table), path)


def test_what_was_not_predicted_is_wrong_in_a_comparison(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    write_predictions(home, "before", ["a", None, None, None])
    write_predictions(home, "after", ["a", "b", None, "a"])
    found = PredictionService(home).compare(PredictionsCompare("before", "after", "test"))
    assert found.rows == 4
    assert found.change is not None
    assert (found.change.fixed, found.change.broke) == (1, 0)
    assert found.difference.mean == pytest.approx(1 / 4)
