"""The loop that a recipe asks for, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from workbench.recipe import Recipe, Train
from workbench.tasks.shared.rows import TokenRows
from workbench.train import attention, liger, optim, sharding
from workbench.train.batches import Batches
from workbench.train.device import Device
from workbench.train.graphs import WIDTH, GraphedPasses
from workbench.train.loop import Loop
from workbench.train.neftune import add_noise
from workbench.train.optimizer_options import WATCHING
from workbench.train.order import EpochOrder, TokenOrder
from workbench.train.passes import Passes, trained
from workbench.train.ranks import Ranks
from workbench.train.ready import Ready
from workbench.train.rhythm import Rhythm, total_steps
from workbench.train.rng import RepeatableCollator
from workbench.train.run_log import Journal
from workbench.train.unpadding import unpad


def loop_of(
    ready: Ready,
    ranks: Ranks,
    *,
    evaluated: bool,
    journal: Journal,
    short_of_memory: Callable[[int, int], None] | None = None,
) -> Loop:
    """The loop that trains what is ready, from its first step. `evaluated` is whether there are rows to evaluate on.

    Moves the model to its device and changes how it computes: attention, checkpointing, noise. Raises BadInput.
    """
    train, model, device = ready.recipe.train, ready.model, ready.device
    if train.activation_checkpointing:
        _checkpoint_activations(model)
    if train.neftune_alpha is not None:
        add_noise(model, train.neftune_alpha)
    # A cache is of use to whoever generates; here it would only take memory.
    model.config.use_cache = False
    if not getattr(model, "is_quantized", False):
        torch.nn.Module.to(model, device.torch)
    unpadding = unpad(model) if train.padding_free else None
    if unpadding is None:
        attention.for_training(model, device)
    if ready.recipe.launch.sharding == "fsdp" and ranks.world > 1:
        sharding.shard(model, device, ranks)
    graphed = _graphed(model, train, device, ranks)
    batches = _batches(ready, ranks, few_shapes=graphed)
    rhythm = Rhythm.of(
        ready.recipe, per_epoch=batches.per_epoch, total=total_steps(train, batches.per_epoch), evaluated=evaluated
    )
    optimizer = optim.optimizer(model, train)
    schedule = optim.schedule(optimizer, train, rhythm.total, ready.rule.direction)
    scaler = torch.amp.GradScaler(device.kind) if device.precision == "fp16" else None
    passes = Passes(
        trained(model, train, device, ranks), ready.task.loss(ready.prepared), device, ranks, scaler, unpadding
    )
    return Loop(
        model,
        GraphedPasses(passes, partial(_no_graphs, journal)) if graphed else passes,
        batches,
        rhythm,
        optimizer,
        schedule,
        ranks,
        max_grad_norm=float(train.max_grad_norm),
        watching=train.schedule in WATCHING,
        penalty=optim.Penalty.of(model, train),
        scaler=scaler,
        short_of_memory=short_of_memory if train.oom_recovery else None,
    )


def _graphed(model: Any, train: Train, device: Device, ranks: Ranks) -> bool:
    """Whether CUDA graphs are tried. Checkpointed activations, 4-bit weights and Liger's loss ask the device questions.

    Without padding hardly two batches are of one shape, and each shape has a graph of its own. A decoder beside an
    encoder has no mask, which counts only where its attention looks at masks for speed.
    """
    asking = train.activation_checkpointing or train.compile or liger.asked(train) or train.method == "qlora"
    plain = not asking and not train.padding_free
    config = model.config
    masked = not config.is_encoder_decoder or getattr(config, "_attn_implementation", None) == "eager"
    return train.cuda_graphs and device.kind == "cuda" and ranks.world == 1 and plain and masked


def _no_graphs(journal: Journal, why: str) -> None:
    journal.warn("no-cuda-graphs", f"this model cannot be captured as a CUDA graph, and trains without ({why})")


def _batches(ready: Ready, ranks: Ranks, *, few_shapes: bool) -> Batches:
    train = ready.recipe.train
    rows, on_gpu = ready.prepared.rows["train"], ready.device.kind == "cuda"
    order = _order(rows, ready.recipe, ranks)
    collator = ready.task.collator(ready.prepared, ready.model)
    if few_shapes:
        collator = collator.rounded(WIDTH, ready.prepared.max_length)
    return Batches(
        rows,
        RepeatableCollator(collator, order) if ready.task.draws else collator,
        order,
        train.gradient_accumulation,
        ranks,
        workers=train.workers,
        # What draws random numbers borrows the global generators, which the training must then not use meanwhile.
        ahead=on_gpu and not ready.task.draws,
        pinned=on_gpu,
    )


def _order(rows: TokenRows, recipe: Recipe, ranks: Ranks) -> EpochOrder | TokenOrder:
    train = recipe.train
    if train.batch_tokens is not None:
        return TokenOrder(rows.lengths, train.batch_tokens, seed=recipe.seed)
    together = train.batch_size * train.gradient_accumulation * ranks.world
    grouped = train.group_by_length
    return EpochOrder(rows.lengths, together, seed=recipe.seed, grouped=grouped, size=train.batch_size)


def _checkpoint_activations(model: Any) -> None:
    options = {"use_reentrant": False}
    # transformers renamed it in 5.2x.
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
