"""Any number of rows through one model: in their order, a few at a time, as far as someone reads."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.contracts.answers import TextAnswer
from workbench.core.errors import BadInput, WorkbenchError
from workbench.lab.batch_jobs import BatchJob
from workbench.lab.opened import AHEAD, CHARACTERS, FIRST_WINDOW, WINDOW, Model, RefusedRow

_FAKE = """
import sys
sys.path.insert(0, {directory!r})
from workbench.lab import __main__ as lab
lab.main({{"model": "upper_service:Service"}})
"""
_SERVICE = """
from workbench.lab.model_service import ModelService
from workbench.lab.services import exposed
from workbench.lab import model_service as models
from workbench.contracts.answers import TextAnswer
from workbench.core.errors import BadInput

class Upper:
    def encode(self, rows):
        if "" in rows:
            raise BadInput("the text is empty", hint="write some")
        return [row.upper() for row in rows]

    def answer(self, encoded, top_k=None):
        return [TextAnswer(text) for text in encoded]

class Service(ModelService):
    @exposed
    def open(self, path):
        return {"handle": path, "task": "upper", "labels": [], "fields": ["text"], "generates": False}

    def _load(self, handle, *, fresh=False):
        return models._Loaded(None, (), Upper())

    @exposed
    def jobs(self):
        return len(self._jobs)
"""


class Upper:
    """A predictor that says it louder, and takes no empty text."""

    def encode(self, rows):
        if "" in rows:
            raise BadInput("the text is empty", hint="write some")
        return [row.upper() for row in rows]

    def answer(self, encoded, top_k=None):
        return [TextAnswer(text) for text in encoded[:top_k]]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """`Upper`, opened in a lab process of its own."""
    from workbench.lab import client, opened

    (tmp_path / "upper_service.py").write_text(_SERVICE)
    start = _FAKE.format(directory=str(tmp_path))
    monkeypatch.setattr(opened, "Lab", lambda: client.Lab(home=tmp_path, arguments=("-c", start)))
    with Model(tmp_path) as found:
        yield found


def test_a_job_answers_each_window_in_its_order():
    job = BatchJob(Upper(), None)
    for window in (["a", "b"], ["c"]):
        job.feed(window)
    job.end()
    assert list(job.answers()) == [{"answers": [{"text": "A"}, {"text": "B"}]}, {"answers": [{"text": "C"}]}]


def test_rows_before_one_that_is_refused_are_answered():
    job = BatchJob(Upper(), None)
    job.feed(["a", "b", "", "c"])
    assert next(job.answers()) == {
        "answers": [{"text": "A"}, {"text": "B"}],
        "fault": {"what": "the text is empty", "hint": "write some"},
    }


def test_what_fails_while_tokens_are_made_is_raised_where_answers_are_waited_for():
    job = BatchJob(Upper(), None)
    job.feed([None])
    with pytest.raises(AttributeError):
        next(job.answers())


def test_many_rows_are_answered_in_their_order_and_read_no_further_than_a_few_windows_ahead(model: Model):
    read = 0

    def rows() -> Iterator[str]:
        nonlocal read
        for number in range(20_000):
            read += 1
            yield f"row {number}"

    for number, answer in enumerate(model.predict_each(rows())):
        assert answer == {"text": f"ROW {number}"}
        assert read - number <= (AHEAD + 1) * WINDOW
    assert number == 19_999


def test_long_texts_make_smaller_windows(model: Model):
    read = 0

    def rows() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "x" * (CHARACTERS // 4)

    answers = model.predict_each(rows())
    next(answers)
    assert read <= 4 * (AHEAD + 1)
    answers.close()


def test_whoever_stops_reading_leaves_nothing_behind(model: Model):
    answers = model.predict_each("x" for _ in iter(int, 1))
    assert next(answers) == {"text": "X"}
    answers.close()
    assert list(model.predict_each(["a"])) == [{"text": "A"}]
    assert list(model.predict_each([])) == []
    # Of the last one the end may still be on its way.
    assert model._lab.call("model.jobs") <= 1


def test_a_refused_row_is_told_by_its_number(model: Model):
    rows = ["fine"] * (FIRST_WINDOW + 10) + [""] + ["fine"] * 10
    answers = model.predict_each(rows)
    assert [next(answers) for _ in range(FIRST_WINDOW + 10)] == [{"text": "FINE"}] * (FIRST_WINDOW + 10)
    with pytest.raises(RefusedRow, match=f"row {FIRST_WINDOW + 11}: the text is empty: write some"):
        next(answers)


def test_where_the_rows_themselves_end_in_an_error_those_before_are_answered_first(model: Model):
    def rows() -> Iterator[str]:
        yield from ("one", "two")
        raise WorkbenchError("the file is torn")

    answers = model.predict_each(rows())
    assert [next(answers), next(answers)] == [{"text": "ONE"}, {"text": "TWO"}]
    with pytest.raises(WorkbenchError, match="the file is torn"):
        next(answers)


def test_a_lab_that_dies_amidst_is_one_sentence(model: Model):
    answers = model.predict_each("x" for _ in iter(int, 1))
    next(answers)
    os.kill(model._lab.pid, signal.SIGKILL)
    with pytest.raises(WorkbenchError, match="the lab process was killed by signal 9"):
        for _ in answers:
            pass
