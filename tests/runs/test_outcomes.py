"""Every way a trainer can end has its own name and its own sentence."""

import signal
from pathlib import Path

import pytest
from runs_support import end_of, until

from workbench.contracts.events import FinishedEvent
from workbench.runs.engines.engine import Exited
from workbench.runs.engines.torchrun import of_rank
from workbench.runs.oom import oom_kills
from workbench.runs.outcome import AttemptEnd, outcome_of

TRACE = """\
loading
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    boom()
ValueError: the column 'txt' is missing
"""
ELASTIC = """\
E torch/distributed/elastic/multiprocessing/api.py:1013] failed (exitcode: -9) local_rank: 1 (pid: 43)
Traceback (most recent call last):
  File "torch/distributed/run.py", line 990, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
workbench.train FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 43)
============================================================
"""


RANKED = "".join(f"[rank1]: {line}\n" for line in TRACE.splitlines())


def ended(state: str, reason: str, traceback: str | None = None) -> FinishedEvent:
    return FinishedEvent(state=state, reason=reason, exit_code=None, signal=None, traceback=traceback)


def exited(code, *, said=None, **known):
    return outcome_of(AttemptEnd(Exited(code, None, **known), said))


def died(number, *, said=None, sent=None, **known):
    return outcome_of(AttemptEnd(Exited(None, number, **known), said, sent))


def of_launcher(console):
    return outcome_of(AttemptEnd(of_rank(Exited(1, None, console))))


def test_the_trainers_own_word_counts_when_it_is_done():
    outcome = exited(0, said=ended("completed", "3 epochs"))
    assert (outcome.state, outcome.reason, outcome.traceback) == ("completed", "3 epochs", None)
    assert exited(0, said=ended("stopped", "asked")).state == "stopped"


def test_a_crash_after_the_work_was_done_does_not_undo_it():
    outcome = died(signal.SIGSEGV, said=ended("completed", "3 epochs"))
    assert (outcome.state, outcome.signal) == ("completed", 11)
    assert "SIGSEGV on the way out" in outcome.reason


def test_leaving_with_zero_and_without_a_word_is_a_failure():
    outcome = exited(0, console="all fine\n")
    assert outcome.state == "failed"
    assert "never said" in outcome.reason


def test_an_exception_is_told_by_its_last_line_and_keeps_its_traceback():
    outcome = exited(1, console=TRACE)
    assert (outcome.state, outcome.reason) == ("failed", "ValueError: the column 'txt' is missing")
    assert outcome.traceback.startswith("Traceback")
    assert outcome.traceback.endswith("missing")


def test_the_trainers_own_traceback_comes_first():
    outcome = exited(1, said=ended("failed", "boom", "own"), console=TRACE)
    assert (outcome.reason, outcome.traceback) == ("boom", "own")


@pytest.mark.parametrize("where", ["console", "said"])
def test_cuda_out_of_memory_names_the_hint(where):
    text = "Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    known = {"console": text} if where == "console" else {"said": ended("failed", "", text)}
    outcome = exited(1, **known)
    assert outcome.state == "failed"
    assert outcome.reason.startswith("CUDA out of memory")
    assert "train.batch_size" in outcome.reason
    assert outcome.traceback == text


# As torch 2.11 writes them.
LIMITED = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB "
    "of which 77.20 GiB is free. 512.00 MiB allowed; Of the allocated memory 498.12 MiB is allocated by PyTorch."
)
FULL = LIMITED.replace(" 512.00 MiB allowed; Of", " Process 7 has 1.90 GiB memory in use. Of")
ASSERTED = "torch.AcceleratorError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronous"
LABEL = "aten/src/ATen/native/cuda/Loss.cu:245: nll_loss: block: [0,0,0] Assertion `t >= 0 && t < n_classes` failed.\n"
TABLE = "aten/src/ATen/native/cuda/Indexing.cu:1553: Assertion `srcIndex < srcSelectDimSize` failed.\n"


@pytest.mark.parametrize(
    ("trace", "console", "words"),
    [
        (LIMITED, "", ["2.00 GiB more did not fit into the 512.00 MiB", "train.activation_checkpointing"]),
        (FULL, "", ["2.00 GiB more did not fit: 77.20 GiB of 79.10 GiB were free", "train.batch_size"]),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED", "", ["CUDA out of memory:"]),
        (ASSERTED, LABEL, ["assertion failed on the GPU", "label that the model's head", "CUDA_LAUNCH_BLOCKING=1"]),
        (ASSERTED, TABLE, ["assertion failed on the GPU", "token id outside", "CUDA_LAUNCH_BLOCKING=1"]),
        (
            "CUDA error: uncorrectable ECC error encountered\n",
            "",
            ["the GPU failed (uncorrectable ECC error encountered)"],
        ),
    ],
)
def test_each_failure_of_the_gpu_has_its_own_sentence_and_hint(trace, console, words):
    told = exited(1, said=ended("failed", trace, f"{TRACE}{trace}"), console=console)
    assert told.state == "failed"
    assert all(word in told.reason for word in words), told.reason
    assert "\n" not in told.reason


def test_the_kernels_killer_is_told_from_any_other_sigkill():
    assert "out-of-memory killer" in died(9, oom_kills=1).reason
    assert "did not send" in died(9).reason
    loader = "RuntimeError: DataLoader worker (pid 3) is killed by signal: Killed.\n"
    assert "out-of-memory killer" in exited(1, oom_kills=1, console=loader).reason


def test_a_neighbours_want_of_memory_is_not_blamed_for_another_end():
    assert exited(1, oom_kills=1, console=TRACE).reason.startswith("ValueError")
    assert died(9, oom_kills=1, sent=signal.SIGKILL).state == "stopped"
    assert "SIGSEGV" in died(11, oom_kills=1).reason


def test_a_stop_that_had_to_be_forced_is_a_stop():
    outcome = died(9, sent=signal.SIGKILL)
    assert (outcome.state, outcome.signal) == ("stopped", 9)
    assert "lost" in outcome.reason


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_in_native_code_points_at_the_console(number):
    outcome = died(number, console="Fatal Python error: Aborted\nstack\n", sent=signal.SIGTERM)
    assert (outcome.state, outcome.signal) == ("killed", number)
    assert "console.log" in outcome.reason
    assert "Fatal Python error" in outcome.traceback


def test_a_crash_after_a_failure_of_the_gpu_names_the_failure():
    said = "terminate called after throwing an instance of 'c10::AcceleratorError'\n  what():  "
    told = died(signal.SIGABRT, console=f"{TABLE}{said}CUDA error: device-side assert triggered\n").reason
    assert told.startswith("died of SIGABRT, an assertion failed on the GPU")
    assert "token id" in told


def test_a_signal_python_has_no_name_for_is_numbered():
    assert "signal 40" in died(40).reason


def test_divergence_has_its_own_exit_code():
    assert exited(3).state == "diverged"
    outcome = exited(3, said=ended("diverged", "train/loss is NaN since step 7"))
    assert outcome.reason == "train/loss is NaN since step 7"


def test_bad_input_is_a_sentence_without_a_traceback():
    outcome = exited(2, console="reviews.csv: no column 'txt': use one of text, label\n")
    assert (outcome.state, outcome.exit_code, outcome.traceback) == ("failed", 2, None)
    assert outcome.reason == "reviews.csv: no column 'txt': use one of text, label"


def test_a_silent_failure_still_gets_a_sentence():
    assert exited(77).reason == "exited with 77 and said nothing"


@pytest.mark.parametrize(("code", "state"), [(-9, "killed"), (3, "diverged"), (1, "failed")])
def test_the_first_rank_that_failed_speaks_for_its_launcher(code, state):
    outcome = of_launcher(RANKED + ELASTIC.format(code=code))
    assert outcome.state == state
    assert (outcome.signal, outcome.exit_code) == ((9, None) if code < 0 else (None, code))
    if state == "failed":
        assert outcome.reason == "ValueError: the column 'txt' is missing"
        assert "ChildFailedError" not in outcome.traceback


def test_a_rank_that_was_struck_comes_before_those_that_missed_it():
    others = "Failures:\n[1]:\n  rank      : 1 (local_rank: 1)\n  exitcode  : -9 (pid: 44)\n"
    others += "[2]:\n  exitcode  : -15 (pid: 45)\nRoot Cause"
    outcome = of_launcher(RANKED + ELASTIC.format(code=1).replace("Root Cause", others))
    assert (outcome.state, outcome.signal) == ("killed", 9)


@pytest.mark.parametrize(
    ("options", "state", "reason"),
    [
        (["--exit", "0"], "failed", "never said that it had finished"),
        (["--exit", "2", "--say", "no column 'txt'"], "failed", "no column 'txt'"),
        (["--exit", "3"], "diverged", "no longer a number"),
        (["--raise", "CUDA out of memory. Tried"], "failed", "train.batch_size"),
        (["--raise", "CUDA error: device-side assert triggered"], "failed", "CUDA_LAUNCH_BLOCKING=1"),
        (["--raise", "boom"], "failed", "RuntimeError: boom"),
        (["--die", "11"], "killed", "SIGSEGV"),
    ],
)
def test_real_processes_are_told_apart(start, options, state, reason):
    run = start("--steps", "2", *options)
    end = end_of(run)
    assert end["state"] == state
    assert reason in end["reason"]
    assert ("traceback" in end) == ("--raise" in options or "--die" in options)
    until(lambda: not run.alive())


def test_an_earlier_attempts_console_is_not_taken_for_this_ones(start, sealed):
    from runs_support import fake

    from workbench.runs.spawn import launch

    run = start("--steps", "2", "--raise", "CUDA out of memory")
    end_of(run)
    until(lambda: not run.alive())
    sealed(run, step=2)
    launch(run, resume=True, trainer=fake(run, "--steps", "2", "--exit", "1"))
    assert end_of(run, attempt=2)["reason"] == "exited with 1 and said nothing"


def lay(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_killers_counter_is_found_in_either_cgroup_and_in_vmstat(tmp_path):
    assert oom_kills(tmp_path) is None
    lay(tmp_path, {"proc/vmstat": "pgfault 4\noom_kill 7\n"})
    assert oom_kills(tmp_path) == 7
    lay(tmp_path, {"proc/self/cgroup": "4:cpu,memory:/job/1\n0::/\n"})
    lay(tmp_path, {"sys/fs/cgroup/memory/job/1/memory.oom_control": "under_oom 0\noom_kill 2\n"})
    assert oom_kills(tmp_path) == 2
    lay(tmp_path, {"proc/self/cgroup": "0::/user.slice/x\n"})
    lay(tmp_path, {"sys/fs/cgroup/user.slice/x/memory.events": "low 0\noom 1\noom_kill 3\noom_group_kill 0\n"})
    assert oom_kills(tmp_path) == 3


@pytest.mark.skipif(
    not any(line.startswith("oom_kill ") for line in Path("/proc/vmstat").read_text().splitlines()),
    reason="this kernel counts no such kills",
)
def test_the_killers_counter_can_be_read_here():
    counted = oom_kills()
    assert counted is not None
    assert counted >= 0
