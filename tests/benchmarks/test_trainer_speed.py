"""What training with us costs: against a bare Trainer with the same settings, and against the tutorial's script.

Times are CPU seconds of one thread, which a busy machine disturbs least; runs alternate, and ratios are of medians.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

pytestmark = pytest.mark.benchmark

RECIPE = """
name = "speed"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
train = "train.jsonl"
validation = "validation.jsonl"
max_length = 512
[train]
epochs = 1
batch_size = 8
learning_rate = 3e-4
[launch]
device = "cpu"
threads = 1
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def short_reviews(train: int = 160, validation: int = 80) -> dict[str, list[dict]]:
    """The packaged reviews, as many as are wanted."""
    from workbench import recipe
    from workbench.data import splits

    text = RECIPE.replace('train = "train.jsonl"\nvalidation = "validation.jsonl"', 'source = "builtin:reviews"')
    loaded = splits.load(recipe.parse(text), [])
    names = {"train": (loaded.train, train), "validation": (loaded.validation, validation)}
    return {
        name: [{"text": row[loaded.text], "label": str(row[loaded.label])} for row in table.slice(0, rows).to_pylist()]
        for name, (table, rows) in names.items()
    }


def long_reviews() -> dict[str, list[dict]]:
    """Reviews of one opinion joined: 100 to 450 tokens, as long texts are."""
    joined = {}
    for name, rows in short_reviews(480, 200).items():
        joined[name] = []
        for label in sorted({row["label"] for row in rows}):
            texts = [row["text"] for row in rows if row["label"] == label]
            count, place = 4, 0
            while place + count <= len(texts):
                joined[name].append({"text": " ".join(texts[place : place + count]), "label": label})
                place, count = place + count, 4 + (count - 3) % 13
    return joined


def write(place: Path, rows: dict[str, list[dict]]) -> None:
    for name, part in rows.items():
        (place / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in part))


class Clock:
    """CPU and wall seconds of a block."""

    def __enter__(self):
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *exception):
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall


def ours(place: Path, name: str, *overrides: str) -> tuple[Clock, float]:
    """A whole run of ours: time, and accuracy on the validation rows."""
    from workbench import events, recipe
    from workbench.rundir import RunDir
    from workbench.train.journal import LogJournal
    from workbench.train.session import Session
    from workbench.train.stopping import StopRequest

    run = RunDir(place / name)
    run.path.mkdir()
    parsed = recipe.parse(RECIPE, overrides=list(overrides))
    run.facts.write_text(json.dumps({"recipe": parsed.resolved(), "search": [str(place)]}))
    journal = LogJournal(run.events, attempt=1)
    with Clock() as clock:
        Session(run, journal, StopRequest(run.stop_request), attempt=1).run()
    journal.close()
    judged = [event.scalars["eval/accuracy"] for event in events.read_all(run.events) if event.type == "eval"]
    return clock, judged[-1]


def peer(place: Path, name: str, *, tutorial: bool) -> tuple[Clock, float]:
    """The same with Trainer alone: as well as it can be written, or as the tutorial has it."""
    import numpy as np
    import torch
    from datasets import load_dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from workbench.models import minilm_directory

    torch.manual_seed(42)
    files = {split: str(place / f"{split}.jsonl") for split in ("train", "validation")}
    rows = load_dataset("json", data_files=files, cache_dir=str(place / f"{name}-cache"))
    with Clock() as clock:
        tokenizer = AutoTokenizer.from_pretrained(minilm_directory())
        padding = {"padding": "max_length"} if tutorial else {}
        labels = sorted(set(rows["train"]["label"]))

        def tokenize(batch):
            made = tokenizer(batch["text"], truncation=True, max_length=512, **padding)
            return made | {"labels": [labels.index(label) for label in batch["label"]]}

        ready = rows.map(tokenize, batched=True, remove_columns=["text", "label"])
        model = AutoModelForSequenceClassification.from_pretrained(minilm_directory(), num_labels=len(labels))
        better = (
            {}
            if tutorial
            else {"bf16": True, "optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"}
        )
        arguments = TrainingArguments(
            output_dir=str(place / name),
            num_train_epochs=1,
            per_device_train_batch_size=8,
            per_device_eval_batch_size=8,
            learning_rate=3e-4,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_steps=10,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            **better,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=ready["train"],
            eval_dataset=ready["validation"],
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda judged: {"accuracy": float((np.argmax(judged[0], -1) == judged[1]).mean())},
        )
        trainer.train()
    return clock, trainer.evaluate()["eval_accuracy"]


def ratio(title: str, first: list[Clock], second: list[Clock]) -> float:
    """Second over first, in CPU time."""
    cpu = [statistics.median(clock.cpu for clock in clocks) for clocks in (first, second)]
    wall = [statistics.median(clock.wall for clock in clocks) for clocks in (first, second)]
    print(f"\n{title}: {cpu[1] / cpu[0]:.3f}")
    print(f"  CPU {cpu[1]:.1f} s / {cpu[0]:.1f} s, wall {wall[1]:.1f} s / {wall[0]:.1f} s")
    return cpu[1] / cpu[0]


@pytest.mark.timeout(1800)
def test_a_run_takes_no_longer_than_a_bare_trainer_script(tmp_path):
    # A hundred steps: what a run costs once (checking data, sealing, predictions) is not what a step costs.
    write(tmp_path, short_reviews(800, 80))
    ours(tmp_path, "warm", "train.max_steps=2")
    peer(tmp_path, "warm-peer", tutorial=False)
    mine, theirs = [], []
    for turn in range(5):
        theirs.append(peer(tmp_path, f"peer-{turn}", tutorial=False)[0])
        mine.append(ours(tmp_path, f"ours-{turn}")[0])
    assert ratio("ours / bare Trainer, same settings (budget 1.01)", theirs, mine) < 1.05


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kind", "budget"), [("short", 20), ("long", 2)])
def test_a_run_is_many_times_faster_than_the_tutorial(tmp_path, kind, budget):
    write(tmp_path, short_reviews() if kind == "short" else long_reviews())
    ours(tmp_path, "warm", "train.max_steps=2")
    (mine, here), (theirs, there) = ours(tmp_path, "ours"), peer(tmp_path, "tutorial", tutorial=True)
    print(f"\naccuracy on {kind} texts: ours {here:.3f}, tutorial {there:.3f}")
    assert ratio(f"tutorial / ours on {kind} texts (budget {budget})", [mine], [theirs]) > 0.8 * budget
    assert here > there - 0.1


def test_logging_costs_a_step_little(tmp_path):
    import torch

    from workbench.train.callback import Rhythm, RunCallback
    from workbench.train.journal import LogJournal
    from workbench.train.meter import Meter
    from workbench.train.ranks import Ranks
    from workbench.train.stopping import StopRequest

    class Pretended:
        step_loss, step_tokens, grad_norm = torch.tensor(0.5), torch.tensor(512), torch.tensor(1.0)

    class State:
        global_step, epoch = 0, 0.5

    class Control:
        should_evaluate = should_save = should_training_stop = False

    journal = LogJournal(tmp_path / "events.jsonl", attempt=1)
    callback = RunCallback(journal, StopRequest(tmp_path / "stop"), Rhythm(10**9, 10**9, 0, 0))
    trainer = Pretended()
    callback.attach(trainer, Ranks(0, 1), Meter(journal, Ranks(0, 1), on_gpu=False))
    costs = []
    for _ in range(20):
        started = time.process_time()
        for _ in range(500):
            State.global_step += 1
            trainer.step_loss, trainer.step_tokens = Pretended.step_loss, Pretended.step_tokens
            trainer.grad_norm = Pretended.grad_norm
            callback.on_step_end(None, State, Control)
        costs.append((time.process_time() - started) / 500 * 1e6)
    print(f"\nlogging: {statistics.median(costs):.1f} µs a step (budget 50)")
    assert statistics.median(costs) < 100
