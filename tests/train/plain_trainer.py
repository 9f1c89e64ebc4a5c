"""What the training loop is compared with: transformers' Trainer, as it is.

As a script, under torchrun, it trains each run directory that it is given twice: as `python -m workbench.train` does,
and then with a plain Trainer.

    python -m torch.distributed.run --standalone --nproc-per-node=2 tests/train/plain_trainer.py RUN...
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from workbench.core.rundir import RunDir
from workbench.models.locate import locate
from workbench.recipe import Recipe
from workbench.tasks import recipe_union
from workbench.tasks.interface import Loss
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import Collator, TokenRows
from workbench.tasks.spec import task_of
from workbench.train.order import EpochOrder
from workbench.train.rng import RepeatableCollator


@dataclass(frozen=True)
class InOrder(Dataset[dict[str, Any]]):
    """The rows of the first epoch, in the order in which a run takes them."""

    rows: TokenRows
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[int(self.order[place])]


@dataclass(frozen=True)
class Parts:
    """What a run starts from, made by its task: the model before the first step, and the rows in their order."""

    recipe: Recipe
    loss: Loss | None
    model: Any
    rows: InOrder
    collator: Collator

    @classmethod
    def of(cls, run: RunDir) -> Parts:
        from transformers import set_seed

        facts = run.read_facts()
        recipe, search = recipe_union.stored(facts["recipe"]), [Path(place) for place in facts["search"]]
        task, splits, located = task_of(recipe.task), splits_for(recipe, search), locate(recipe.model, search)
        tokenizer = task.tokenizer(recipe, splits, search)
        prepared = task.prepare(recipe, splits, tokenizer, task.config(recipe, located, tokenizer))
        # New weights are drawn when the model is made.
        set_seed(recipe.seed)
        model, _ = task.model(prepared, located)
        rows, collator = prepared.rows["train"], task.collator(prepared, model)
        step, grouped = _rows_of_a_step(recipe), recipe.train.group_by_length
        order = EpochOrder(rows.lengths, step, seed=recipe.seed, grouped=grouped)
        if task.draws:
            collator = RepeatableCollator(collator, order)
        return cls(recipe, task.loss(prepared), model, InOrder(rows, order.order(0)), collator)


def trained(run: RunDir) -> Any:
    """The Trainer of a run's recipe, after training.

    The rows, the batches and the loss are those of the task. Everything that happens to a batch is Trainer's.
    """
    from transformers import PrinterCallback, Trainer

    parts = Parts.of(run)
    with tempfile.TemporaryDirectory() as aside:
        trainer = Trainer(
            parts.model,
            _arguments(parts.recipe, aside),
            data_collator=parts.collator,
            train_dataset=parts.rows,
            compute_loss_func=parts.loss,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer


def _rows_of_a_step(recipe: Recipe) -> int:
    return recipe.train.batch_size * recipe.train.gradient_accumulation * recipe.launch.processes


def _arguments(recipe: Recipe, output: str) -> Any:
    from transformers import TrainingArguments

    train = recipe.train
    same = {
        "seed": recipe.seed,
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps or -1,
        "per_device_train_batch_size": train.batch_size,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "learning_rate": train.learning_rate,
        "weight_decay": train.weight_decay,
        "lr_scheduler_type": train.schedule,
        "warmup_steps": train.warmup_steps,
        "max_grad_norm": train.max_grad_norm,
        "bf16": train.precision == "bf16",
    }
    quiet = {"logging_strategy": "no", "save_strategy": "no", "report_to": "none", "disable_tqdm": True}
    return TrainingArguments(
        output,
        optim="adamw_torch_fused",
        train_sampling_strategy="sequential",
        # The rows are no columns of a table, of which Trainer would drop what the model does not take.
        remove_unused_columns=False,
        use_cpu=True,
        dataloader_pin_memory=False,
        **(same | quiet),
    )


def plain(run: RunDir) -> Path:
    """Where the weights of the plain Trainer are kept."""
    return run.path / "plain"


def main(runs: list[RunDir]) -> int:
    """Train each run, and then once more with Trainer. Returns the exit code."""
    from workbench.train.__main__ import main as train

    os.environ.setdefault("WORKBENCH_ATTEMPT", "1")
    for run in runs:
        if code := train([str(run.path)]):
            return code
        trained(run).save_model(str(plain(run)))
    return 0


if __name__ == "__main__":
    sys.exit(main([RunDir(Path(path)) for path in sys.argv[1:]]))
