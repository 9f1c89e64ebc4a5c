"""The sides that are measured against each other on a GPU: ours, the bare script, the tutorial's.

`measure` is called in a process of its own for each, so that what one leaves in memory is none of the next one's.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_cases import Case
from trainer_scripts import Script, task_script

_LAST = 10  # steps whose losses are averaged, and shown of the last
SETTLED = 0.4  # the share of the steps that is not measured: kernels are chosen, memory is taken, caches fill


@dataclass(frozen=True)
class Job:
    """What one process is to do: a side of a case, in the directory of the case."""

    case: Case
    side: str
    place: Path
    model: Path
    rehearsal: bool
    overrides: tuple[str, ...] = ()
    seed: int = 42


@dataclass(frozen=True)
class Measured:
    """Of the steps from `began` to `ended` (unix seconds). Tokens are those that are no padding.

    `memory` is the greatest amount of bytes that torch has reserved, 0 on a CPU; `losses` are those of all steps, each
    the mean of ten.
    """

    began: float
    ended: float
    tokens: int
    losses: tuple[float, ...]
    memory: int

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / (self.ended - self.began)

    @property
    def loss(self) -> float:
        """The mean of the last ten steps."""
        return self.losses[-1]

    @property
    def halved(self) -> int | None:
        """The step by which the loss was half of what it was at first; None where it never was."""
        there = (place for place, loss in enumerate(self.losses, 1) if loss < self.losses[0] / 2)
        return next((place * _LAST for place in there), None)


def measure(job: Job) -> Measured:
    """Raises whatever training raises, and RuntimeError where a run of ours has failed."""
    return _script(job) if job.side in {"bare", "tutorial"} else _ours(job)


def touch(gpu: bool) -> None:
    """Take hold of the GPU, as every side does. Raises RuntimeError where that cannot be."""
    import torch

    torch.zeros(1, device="cuda" if gpu else "cpu")


def _memory() -> int:
    import torch

    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0


RECIPE = """
name = "on-gpu"
task = "{task}"
seed = {seed}
[model]
name = "{model}"
tokenizer = "{model}/words"
[data]
train = "train.jsonl"
{length}
[train]
method = "{method}"
epochs = 1
max_steps = {steps}
batch_size = {batch}
learning_rate = {rate}
precision = "{precision}"
save_every = "never"
[evaluate]
every = "never"
[launch]
device = "{device}"
"""


def _ours(job: Job) -> Measured:
    """A run as `python -m workbench.train` makes it, read from its log."""
    from workbench.contracts import events
    from workbench.core.rundir import RunDir
    from workbench.tasks import recipe_union as recipe
    from workbench.train.__main__ import main

    case = job.case
    text = RECIPE.format(
        task=case.task,
        seed=job.seed,
        model=job.model,
        length=f"{'block_size' if case.blocks else 'max_length'} = {case.length}",
        method="lora" if case.lora else "full",
        steps=case.steps,
        batch=case.batch,
        rate=case.learning_rate,
        precision="fp32" if job.rehearsal else "bf16",
        device="cpu" if job.rehearsal else "cuda",
    )
    run = RunDir(job.place / f"run-{time.time_ns()}")
    run.path.mkdir()
    parsed = recipe.parse(text, overrides=list(job.overrides))
    run.facts.write_text(json.dumps({"recipe": parsed.resolved(), "search": [str(job.place)]}))
    code = main([str(run.path)])
    log = list(events.read_all(run.events))
    (finished,) = [event for event in log if event.type == "finished"]
    if code:
        raise RuntimeError(finished.reason)
    steps = [event for event in log if event.type == "step"]
    start = steps[int(SETTLED * len(steps)) - 1]
    window = steps[int(SETTLED * len(steps)) :]
    return Measured(
        began=start.t,
        ended=window[-1].t,
        tokens=window[-1].tokens - start.tokens,
        losses=_tens([step.scalars["train/loss"] for step in steps]),
        memory=_memory(),
    )


@dataclass(frozen=True)
class OnCard(Script):
    """A Trainer script for a GPU: `same` and bf16 it is the bare one, padded and fp32 the tutorial's."""

    steps: int = 0
    rate: float = 5e-5
    lora: bool = False
    cpu: bool = False
    seed: int = 42

    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(f"{self.model}/words")

    def trainer(self, ready: Any, **parts: Any) -> Any:
        model = parts.pop("model")
        if self.precision == "fp32":
            model = model.float()
        if self.lora:
            from peft import LoraConfig, get_peft_model

            model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16))
        return super().trainer(ready, model=model, **parts)

    def arguments(self) -> Any:
        from transformers import TrainingArguments

        return TrainingArguments(
            output_dir=str(self.place / self.name),
            max_steps=self.steps,
            seed=self.seed,
            per_device_train_batch_size=self.batch,
            learning_rate=self.rate,
            bf16=self.precision == "bf16",
            train_sampling_strategy="group_by_length" if self.same else "random",
            dataloader_num_workers=2 if self.precision == "bf16" else 0,
            save_strategy="no",
            logging_steps=min(_LAST, self.steps),
            use_cpu=self.cpu,
            dataloader_pin_memory=not self.cpu,
            disable_tqdm=True,
            report_to="none",
        )


def _script(job: Job) -> Measured:
    """Trainer alone. The device is waited for only where the measured steps begin and where they end."""
    case, bare = job.case, job.side == "bare"
    script = OnCard(
        case.task,
        job.place,
        f"{job.side}-{time.time_ns()}",
        str(job.model),
        "bf16" if bare and not job.rehearsal else "fp32",
        case.length,
        case.batch,
        # Blocks are of one length. Their documents a plain script does not keep apart, and here there is but one.
        same=bare and not case.blocks,
        padded=not bare,
        steps=case.steps if bare else case.padded_steps,
        rate=case.learning_rate,
        lora=case.lora,
        cpu=job.rehearsal,
        seed=job.seed,
    )
    trainer = task_script(script)
    watch = _watch(script.steps)
    trainer.add_callback(watch)
    _count_tokens(trainer, watch)
    trainer.train()
    return Measured(watch.began, watch.ended, int(sum(watch.tokens)), tuple(watch.losses), _memory())


def _tens(losses: list[float]) -> tuple[float, ...]:
    """The means of ten, as a script logs them."""
    tens = (losses[start : start + _LAST] for start in range(0, len(losses), _LAST))
    return tuple(sum(ten) / len(ten) for ten in tens)


def _count_tokens(trainer: Any, watch: Any) -> None:
    """Each batch's tokens, counted where the batch is: nothing waits for the device."""
    step = trainer.training_step

    def counted(model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        if watch.began:
            watch.tokens.append(inputs["attention_mask"].sum())
        return step(model, inputs, *rest, **options)

    trainer.training_step = counted


def _watch(steps: int) -> Any:
    import torch
    from transformers import TrainerCallback

    settled = int(SETTLED * steps)

    class Watch(TrainerCallback):
        """When the measured steps began and ended, and their tokens; the losses of all."""

        def __init__(self) -> None:
            self.began = self.ended = 0.0
            self.tokens: list[Any] = []
            self.losses: list[float] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step in {settled, steps}:
                if not args.use_cpu:
                    torch.cuda.synchronize()
                self.began, self.ended = self.began or time.time(), time.time()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                self.losses.append(logs["loss"])

    return Watch()
