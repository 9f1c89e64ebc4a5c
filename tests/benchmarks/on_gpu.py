"""What training and predicting take on one GPU: ours, a bare Trainer script, the tutorial's. One table.

    python3 tests/benchmarks/on_gpu.py                             all of it, three and a half minutes
    python3 tests/benchmarks/on_gpu.py --only bert16,qwen          some of: bert16 bert64 gpt2 qwen t5 predict
    python3 tests/benchmarks/on_gpu.py --also train.compile=true   ours once more, with a field set
    python3 tests/benchmarks/on_gpu.py --only bert16 --seeds 5     ours and the bare script with five seeds each
    … --also train.padding_free=true --also "train.padding_free=true model.dropout=0"     with and without dropout:
                                                                   the kernel for texts without padding has none
    python3 tests/benchmarks/on_gpu.py --rehearse                  the smallest sizes on the CPU, as without a GPU

The bare script has the settings of the run beside it: bf16, batches of like lengths, fused AdamW, the same weights,
rows and learning rate. The tutorial's pads every row to 512 tokens and trains in fp32. Tokens are those that are no
padding; a second is one of the last 60 % of the steps, and the loss is the mean of the last ten. `reserved` is what
torch took at most, `used` what the driver says of it, CUDA itself included. Seeds are those of the order and of
dropout: with several the loss is the mean over them, the spread its standard deviation, and "halved" the step by which
the loss was half of what it was at first. From random weights that step, if there is one, depends on the seed: only
several tell whether two sides learn alike. A script's loss of GPT-2 is lower by one part in the length of a block:
Trainer divides by the first token too, which nothing predicts. With `OUT` set, `$OUT/on_gpu.json` has every row of each
seed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gpu_cases
import gpu_sides
from gpu_cases import Case
from gpu_processes import Failed, Processes, program
from gpu_sides import Job
from gpu_watch import Watch, gpu_name

LONGEST = 90.0  # seconds for one measurement
FIRST_SEED = 42
MEASURABLE = 0.5  # seconds that starting may vary by
_ENVIRONMENT = {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    # tqdm makes a lock where it is imported, and the process that others are forked from never closes it.
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
    # Whether there is a GPU is asked of the driver: a process that has asked CUDA cannot be forked any more.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


@dataclass(frozen=True)
class Row:
    """A line of the table. `speed` is in tokens a second, or rows where rows are predicted; memory is in bytes."""

    case: str
    side: str
    speed: float | None = None
    reserved: int | None = None
    used: int | None = None
    busy: float | None = None  # per cent of the time that the GPU did something
    loss: float | None = None
    spread: float | None = None  # of the loss over seeds, its standard deviation
    halved: tuple[int | None, ...] = ()  # of each seed, the step by which the loss was half of the first
    seconds: float | None = None  # of the whole process
    said: str = ""  # why there is nothing else, or what there is to know besides


class Bench:
    """All that is measured, one thing after another, until `seconds` are over. Its files are in `place`."""

    def __init__(self, place: Path, *, gpu: bool, seconds: float, also: list[str]) -> None:
        self._place, self._gpu, self._until = place, gpu, time.monotonic() + seconds
        self._also, self._log = also, place / "log.txt"
        self._processes = Processes(self._log, forked=True)

    def begin(self, models: list[str]) -> None:
        """Make the models. Where CUDA cannot start in a forked process, none is forked. Raises Failed."""
        try:
            self._processes.call(gpu_sides.touch, self._gpu, timeout=LONGEST)
        except Failed as error:
            print(f"forked processes have no GPU ({error}): each one imports everything itself", flush=True)
            self._processes = Processes(self._log, forked=False)
        calls = [(gpu_cases.write_model, self._place / "models", name, not self._gpu) for name in models]
        self._processes.together(calls, timeout=LONGEST)

    def all(self, cases: list[Case], predicting: bool, seeds: int) -> Iterator[Row]:
        """A row for each side and seed of each case."""
        for case in cases:
            yield from self.training(case, seeds)
        if predicting:
            yield from self.predicting("bert")

    def training(self, case: Case, seeds: int) -> Iterator[Row]:
        """Seeds show chance: the tutorial's speed, which is slow to measure, is measured with one of them."""
        place = self._place / case.name
        place.mkdir()
        gpu_cases.write_rows(place, case, not self._gpu)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            for side, overrides in self._sides(case):
                if seed > FIRST_SEED and side == "tutorial":
                    continue
                job = Job(case, side, place, self._place / "models" / case.model, not self._gpu, overrides, seed)
                yield self._row(case.name, side, lambda job=job: self._trained(job))
        shutil.rmtree(place)

    def _sides(self, case: Case) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "ours", ()
        if case.lora and self._gpu and find_spec("liger_kernel"):
            yield "ours, Liger", ("train.liger=true",)
        for field in self._also:
            yield f"ours, {field}", tuple(field.split())
        yield "bare", ()
        yield "tutorial", ()

    def _trained(self, job: Job) -> Row:
        with Watch(self._gpu) as watch:
            began = time.time()
            found = self._processes.call(gpu_sides.measure, job, timeout=self._left())
            used, busy = watch.memory(began, time.time()), watch.busy(found.began, found.ended)
        seconds = time.time() - began
        return Row(
            job.case.name,
            job.side,
            found.speed,
            found.memory or None,
            used,
            busy,
            found.loss,
            halved=(found.halved,),
            seconds=seconds,
        )

    def predicting(self, model: str) -> Iterator[Row]:
        """`workbench predict` and the pipeline on the same rows."""
        counts = gpu_cases.REHEARSED if not self._gpu else gpu_cases.PREDICTED
        for name, rows in counts.items():
            gpu_cases.write_texts(self._place / f"{name}.jsonl", rows)
        labels: list[list[str]] = []
        yield self._row("predict", "ours", lambda: self._predicted(self._place / "models" / model, counts, labels))
        row = self._row("predict", "bare", lambda: self._pipeline(self._place / "models" / model, counts, labels))
        if len(labels) == 2:
            alike = sum(mine == theirs for mine, theirs in zip(*labels, strict=True))
            row = replace(row, said=f"{alike} of {counts['full']} labels are those of ours")
        yield row

    def _predicted(self, model: Path, counts: dict[str, int], labels: list[list[str]]) -> Row:
        """What starting takes shows a file of a few rows, and is no part of the rows a second."""
        command = ("-m", "workbench", "predict", str(model), "--json", "--file")
        _, start = program(*command, str(self._place / "start.jsonl"), log=self._log, timeout=self._left())
        row, text = self._program("ours", *command, str(self._place / "full.jsonl"))
        labels.append([answer["label"] for answer in json.loads(text)])
        spent = row.seconds - start
        if spent < MEASURABLE:
            return replace(row, said=f"starting takes {start:.1f} s, which hides what the rows take")
        return replace(row, speed=(counts["full"] - counts["start"]) / spent)

    def _pipeline(self, model: Path, counts: dict[str, int], labels: list[list[str]]) -> Row:
        script = str(Path(__file__).with_name("pipeline_script.py"))
        row, text = self._program("bare", script, str(model), str(self._place / "full.jsonl"))
        told = json.loads(text.splitlines()[-1])
        labels.append(told["labels"])
        return replace(row, speed=counts["full"] / told["seconds"])

    def _program(self, side: str, *command: str) -> tuple[Row, str]:
        with Watch(self._gpu) as watch:
            began = time.time()
            text, seconds = program(*command, log=self._log, timeout=self._left())
            used, busy = watch.memory(began, time.time()), watch.busy(began, time.time())
        return Row("predict", side, used=used, busy=busy, seconds=seconds), text

    def _row(self, case: str, side: str, measured: Callable[[], Row]) -> Row:
        """What is measured, or why it could not be."""
        try:
            if self._left() < 1:
                raise Failed("skipped, the time is over")
            return measured()
        except Failed as error:
            return Row(case, side, said=str(error))

    def _left(self) -> float:
        return min(LONGEST, self._until - time.monotonic())


def together(rows: list[Row]) -> list[Row]:
    """One row of each case and side, in the order in which they came: the fastest, with the losses of all."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.case, row.side), []).append(row)
    return [_one(group) for group in groups.values()]


def _one(group: list[Row]) -> Row:
    best = max(group, key=lambda row: row.speed or 0)
    losses = [row.loss for row in group if row.loss is not None]
    if len(losses) < 2:
        return best
    halved = tuple(step for row in group for step in row.halved)
    return replace(best, loss=statistics.fmean(losses), spread=statistics.stdev(losses), halved=halved)


def table(rows: list[Row], titles: dict[str, str]) -> Iterator[str]:
    """The lines, each case under its title; the ratio is what ours is to the row, so many times as fast."""
    head = ("", "per second", "ours is", "reserved", "used", "busy", "loss", "spread", "process")
    yield "{:<26}{:>13}{:>9}{:>11}{:>11}{:>7}{:>9}{:>9}{:>9}".format(*head)
    for case, title in titles.items():
        found = [row for row in rows if row.case == case]
        ours = next((row.speed for row in found if row.side == "ours"), None)
        yield from [title] if found else []
        for row in found:
            ratio = ours / row.speed if ours and row.speed and row.side != "ours" else None
            cells = (
                _cell("{:,.0f}", row.speed, 13),
                _cell("{:.2f} x", ratio, 9),
                *(_cell("{:.2f} GiB", memory and memory / 2**30, 11) for memory in (row.reserved, row.used)),
                _cell("{:.0f} %", row.busy, 7),
                _cell("{:.4f}", row.loss, 9),
                _cell("{:.4f}", row.spread, 9),
                _cell("{:.1f} s", row.seconds, 9),
            )
            yield f"  {row.side:<24}{''.join(cells)}  {row.said or _halved(row)}".rstrip()


def _halved(row: Row) -> str:
    """When each seed's loss was half of what it was at first, where there are several seeds."""
    if row.spread is None:
        return ""
    return f"halved at {', '.join('never' if step is None else str(step) for step in row.halved)}"


def _cell(form: str, value: float | None, width: int) -> str:
    return (form.format(value) if value is not None else "").rjust(width)


def main() -> None:
    names = [case.name for case in gpu_cases.CASES] + ["predict"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help="names of cases, by commas")
    parser.add_argument("--also", action="append", default=[], metavar="FIELD=VALUE", help="a variant of ours")
    parser.add_argument("--seconds", type=float, help="when all ends; default: 210 a seed, rehearsed 600")
    parser.add_argument("--rounds", type=int, default=1, help="measure all so often, and show the fastest of each")
    parser.add_argument("--seeds", type=int, default=1, help="train with so many seeds, which takes so much longer")
    parser.add_argument("--rehearse", action="store_true", help="the smallest sizes, on the CPU")
    given = parser.parse_args()
    if unknown := sorted({*given.only} - {*names}):
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(names)}")
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(_ENVIRONMENT, WORKBENCH_HOME=directory)
        # The process that others are forked from finds what it imports beforehand by this alone.
        os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])
        _run(given, Path(directory))


def _run(given: argparse.Namespace, place: Path) -> None:
    name = None if given.rehearse else gpu_name()
    started = time.monotonic()
    print(f"on {name}" if name else "a rehearsal on the CPU: its figures mean nothing", flush=True)
    seconds = given.seconds or given.seeds * (210.0 if name else 600.0)
    bench = Bench(place, gpu=name is not None, seconds=seconds, also=given.also)
    cases = [case for case in gpu_cases.CASES if case.name in given.only]
    cases = cases if name else [case.rehearsed() for case in cases]
    bench.begin(sorted({case.model for case in cases} | ({"bert"} if "predict" in given.only else set())))
    titles, rows = {case.name: case.title for case in cases} | {"predict": "BERT-base predicts short texts"}, []
    for _ in range(given.rounds):
        for row in bench.all(cases, "predict" in given.only, given.seeds):
            rows.append(row)
            print(f"  {time.monotonic() - started:5.0f} s: {row.case}, {row.side} {row.said}".rstrip(), flush=True)
    print(*table(together(rows), titles), sep="\n", flush=True)
    if out := os.environ.get("OUT"):
        facts = {"device": name, "seconds": time.monotonic() - started, "rows": [asdict(row) for row in rows]}
        Path(out, "on_gpu.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
