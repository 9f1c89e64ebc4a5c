"""Between two flushes of the meter nothing of ours waits for the card."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from gpu_runs import ON_CARD, WHOLE
from synchronisations import WARNING, noticed

import workbench

LOOP = str(Path(workbench.__file__).parent / "train" / "loop.py")
METER = str(Path(workbench.__file__).parent / "train" / "meter.py")
LIBRARY = "/site-packages/transformers/masking.py"


def asking(*files):
    """A function that waits for a card that is not there, each of the files calling the next."""
    there = {"warn": warnings.warn, "said": WARNING}
    does = "warn(said)"
    for place, file in enumerate(reversed(files)):
        exec(compile(f"def call_{place}():\n    {does}\n", file, "exec"), there)
        does = f"call_{place}()"
    return there[f"call_{len(files) - 1}"]


def test_a_wait_is_laid_to_who_asked_for_it():
    with noticed(steps=1) as waits:
        asking(LOOP)()
        asking(LOOP, LIBRARY)()
        asking(METER)()
        asking(METER, LIBRARY)()
    assert [place.partition(":")[0] for place in waits.ours] == ["workbench/train/loop.py"]
    assert [place.partition(":")[0] for place in waits.libraries] == ["site-packages/transformers/masking.py"]


@pytest.mark.parametrize("graphs", ["true", "false"] if ON_CARD else ["false"])
@pytest.mark.parametrize("accumulation", [1, 2] if WHOLE else [2])
def test_no_step_waits_for_the_card(runs, record_property, task, accumulation, graphs):
    if not WHOLE and task != "text-classification":
        pytest.skip("one task shows on a CPU that the steps are watched")
    precision = "bf16" if ON_CARD else "fp32"
    asked = (f"train.gradient_accumulation={accumulation}", f"train.precision={precision}", "train.max_steps=20")
    run = runs.make(task, *asked, f"train.cuda_graphs={graphs}")
    with noticed(steps=20) as waits:
        assert runs.train(run) == "completed"
    for place, times in waits.libraries.most_common():
        record_property("a library waits", f"{times} × {place}")
    assert waits.ours == {}
    if ON_CARD:
        assert torch.cuda.get_sync_debug_mode() == 0
