"""The lab process: it answers, it stays quick, it dies without harm and it leaves nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from toy_requests import Chatter, Count, Crash, Echo, Garble, Hang, Number, OtherEcho, Refuse

from workbench.contracts.lab.data_requests import DataSplits, RowsOf
from workbench.contracts.lab.request import LabRequest
from workbench.core.errors import BadInput, WorkbenchError
from workbench.lab.client import Lab


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    "value", ["这部电影很好看 🎬", "lone \ud800 surrogate", "a\u2028b\nc", None, [1, 2.5, {"a": "b"}]]
)
def test_whatever_json_can_say_comes_back_as_it_went(toy_lab: Lab, value):
    assert toy_lab.ask(Echo(value)) == value


def test_stray_prints_do_not_reach_the_protocol(toy_lab: Lab, tmp_path: Path):
    assert toy_lab.ask(Chatter()) == "clean"
    assert toy_lab.ask(Echo(1)) == 1
    assert "a library prints" in (tmp_path / "lab.log").read_text()
    assert "and so does its child" in (tmp_path / "lab.log").read_text()


def test_bad_input_arrives_with_its_place_and_its_hint(toy_lab: Lab):
    with pytest.raises(BadInput) as caught:
        toy_lab.ask(Refuse())
    assert caught.value.sentence == "here: no such thing: name another"


def test_a_fault_in_a_method_is_told_and_the_lab_goes_on(toy_lab: Lab, tmp_path: Path):
    with pytest.raises(WorkbenchError, match=r"toy\.crash failed: ZeroDivisionError: by zero") as caught:
        toy_lab.ask(Crash())
    assert not isinstance(caught.value, BadInput)
    assert toy_lab.ask(Echo("on")) == "on"
    assert "Traceback" in (tmp_path / "lab.log").read_text()


@pytest.mark.parametrize("method", ["toy.hidden", "toy.__init__", "toy.nothing", "nobody.home", "toy"])
def test_only_what_has_a_request_can_be_called(toy_lab: Lab, method: str):
    @dataclass(frozen=True)
    class Burglar(LabRequest[None]):
        METHOD = method

    with pytest.raises(WorkbenchError, match="no method"):
        toy_lab.ask(Burglar())


def test_fields_that_do_not_fit_are_named(toy_lab: Lab):
    @dataclass(frozen=True)
    class Newer(LabRequest[object]):
        METHOD = "toy.echo"
        value: int = 0
        wrong: int = 1

    with pytest.raises(WorkbenchError, match=r"toy\.echo cannot be asked so \(Echo has no wrong\)"):
        toy_lab.ask(Newer())


def test_an_answer_that_is_not_what_was_asked_for_is_one_sentence(toy_lab: Lab):
    with pytest.raises(WorkbenchError, match=r"the answer of the lab to toy\.garble cannot be read \(no number\)"):
        toy_lab.ask(Garble())
    assert toy_lab.ask(Echo("on")) == "on"


def test_one_lane_answers_while_another_is_busy(toy_lab: Lab):
    ended = []

    def hang() -> None:
        with pytest.raises(WorkbenchError):
            toy_lab.ask(Hang())
        ended.append(True)

    hanging = threading.Thread(target=hang)
    hanging.start()
    assert [toy_lab.ask(OtherEcho(n)) for n in range(50)] == list(range(50))
    assert not ended
    toy_lab.close()
    hanging.join()


def test_many_threads_each_get_their_own_answer(toy_lab: Lab):
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = toy_lab.ask(Echo(number))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(40)}


def test_a_stream_comes_in_order_and_ends(toy_lab: Lab, tmp_path: Path):
    pieces = list(toy_lab.stream(Count(5, str(tmp_path / "end"))))
    assert pieces == [Number(number) for number in range(5)]


def test_a_cancelled_stream_ends_early_and_its_generator_is_closed(toy_lab: Lab, tmp_path: Path):
    mark = tmp_path / "closed"
    stream = toy_lab.stream(Count(100_000, str(mark)))
    assert next(stream) == Number(0)
    stream.cancel()
    assert len(list(stream)) < 99_999
    assert eventually(mark.exists)
    assert toy_lab.ask(Echo("next")) == "next"


def test_what_waits_behind_a_stream_can_be_cancelled_too(toy_lab: Lab, tmp_path: Path):
    first = toy_lab.stream(Count(100_000, str(tmp_path / "first")))
    second = toy_lab.stream(Count(100_000, str(tmp_path / "second")))
    next(first)
    second.cancel()
    first.cancel()
    assert list(second) == []
    assert not (tmp_path / "second").exists()


def test_a_killed_lab_says_so_and_the_next_call_works(toy_lab: Lab):
    toy_lab.ask(Echo(0))
    first = toy_lab.pid
    assert first
    caught: list[WorkbenchError] = []

    def ask() -> None:
        with pytest.raises(WorkbenchError) as error:
            toy_lab.ask(Hang())
        caught.append(error.value)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.1)
    os.kill(first, signal.SIGKILL)
    asking.join(20)
    assert caught[0].sentence == "the lab process was killed by signal 9 and was restarted: ask again"
    assert toy_lab.ask(Echo("again")) == "again"
    assert toy_lab.pid != first


def test_a_lab_killed_while_idle_is_not_missed(toy_lab: Lab):
    toy_lab.ask(Echo(0))
    for _ in range(3):
        pid = toy_lab.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda pid=pid: gone(pid))
        assert eventually(lambda: _answers(toy_lab))


def _answers(lab: Lab) -> bool:
    # A request sent in the instant between the death and its discovery may be the one that is told of it.
    try:
        return lab.ask(Echo(1)) == 1
    except WorkbenchError:
        return False


def test_closing_ends_the_process_and_fails_what_is_in_flight(toy_lab: Lab, tmp_path: Path):
    toy_lab.ask(Echo(0))
    pid = toy_lab.pid
    stream = toy_lab.stream(Count(100_000, str(tmp_path / "mark")))
    toy_lab.close()
    with pytest.raises(WorkbenchError):
        list(stream)
    assert pid
    assert eventually(lambda: gone(pid))
    with pytest.raises(WorkbenchError, match="closed"):
        toy_lab.ask(Echo(0))


def test_a_lab_that_cannot_start_is_an_error_not_a_hang(tmp_path: Path):
    with pytest.raises(WorkbenchError, match="cannot be started"):
        Lab(python=str(tmp_path / "no-python")).ask(DataSplits(RowsOf("source", "a.csv")))
    with pytest.raises(WorkbenchError, match="lab process"):
        Lab(arguments=("-c", "raise SystemExit(3)")).ask(DataSplits(RowsOf("source", "a.csv")))


def test_a_killed_parent_leaves_no_lab_behind(tmp_path: Path):
    """In the middle of a long request, too."""
    script = (
        "import sys, threading, time\n"
        "from workbench.contracts.lab.data_requests import DataSplits, RowsOf\n"
        "from workbench.lab.client import Lab\n"
        "from pathlib import Path\n"
        f"lab = Lab(home=Path({str(tmp_path)!r}))\n"
        "try: lab.ask(DataSplits(RowsOf('run', 'nothing')))\n"
        "except Exception: pass\n"
        "print(lab.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.wait()
    assert eventually(lambda: gone(pid))


def test_the_client_imports_nothing_heavy():
    code = "import sys, workbench.lab.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "pyarrow", "numpy", "pydantic", "tokenizers"} & set(loaded)
