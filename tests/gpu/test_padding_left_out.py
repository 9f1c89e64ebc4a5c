"""Steps without padding are the steps with it, by the card's own kernel where that can be."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from gpu_runs import DEVICE, ON_CARD, WHOLE, evaluated, losses
from synchronisations import noticed

from workbench.core.errors import BadInput
from workbench.train import varlen
from workbench.train.varlen import UnpaddedLayout

PADDED = ("seq2seq", "question-answering")  # what looks at padding
SAME = ("model.dropout=0", "train.max_steps=12", "evaluate.every=12", "train.cuda_graphs=false")


@pytest.fixture
def attending(monkeypatch) -> Counter[str]:
    """How often each way to attend without padding is gone."""
    calls: Counter[str] = Counter()

    def watched(way, attend):
        def counted(*args, **named):
            calls[way] += 1
            return attend(*args, **named)

        return counted

    for way in ("_flash", "_in_rows"):
        monkeypatch.setattr(varlen, way, watched(way, getattr(varlen, way)))
    return calls


@pytest.mark.parametrize("precision", ["fp32", "bf16"] if WHOLE else ["fp32"])
def test_steps_without_padding_are_those_with_it(runs, task, precision, attending, record_property):
    asked = (*SAME, f"train.precision={precision}")
    unpadded = runs.make(task, *asked, "train.padding_free=true")
    if task in PADDED:
        with pytest.raises(BadInput, match=r"train\.padding_free"):
            runs.train(unpadded)
        return
    padded = runs.completed(task, *asked)
    assert not attending
    assert runs.train(unpadded) == "completed"
    near = 1e-4 if precision == "fp32" else 3e-2
    assert losses(unpadded) == pytest.approx(losses(padded), rel=near)
    for one, other in zip(evaluated(padded), evaluated(unpadded), strict=True):
        assert other["eval/loss"] == pytest.approx(one["eval/loss"], rel=near)
    # Flash attention is for half precision on a card; elsewhere the attention alone is padded.
    flash = ON_CARD and precision == "bf16" and varlen._kernel() is not None
    record_property("attending", dict(attending))
    assert attending["_flash" if flash else "_in_rows"] >= 12


def test_no_step_without_padding_waits_for_the_card(runs, record_property):
    precision = "bf16" if ON_CARD else "fp32"
    asked = (f"train.precision={precision}", "train.max_steps=20", "train.padding_free=true")
    run = runs.make("text-classification", *asked)
    with noticed(steps=20) as waits:
        assert runs.train(run) == "completed"
    for place, times in waits.libraries.most_common():
        record_property("a library waits", f"{times} × {place}")
    assert waits.ours == {}


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shared", [1, 4])
def test_the_kernel_computes_what_rows_with_a_mask_do(card, causal, window, shared):
    if varlen._kernel() is None:
        pytest.skip("this torch has no varlen_attn with windows")
    lengths = torch.tensor([40, 33, 8, 1])
    mask = (torch.arange(40) < lengths[:, None]).long()
    layout = UnpaddedLayout.of({"input_ids": mask, "attention_mask": mask}).moved(lambda tensor: tensor.to(DEVICE))
    torch.manual_seed(0)
    heads = (8, 8 // shared, 8 // shared)
    given = [torch.randn(1, int(lengths.sum()), of, 64, device=DEVICE, dtype=torch.bfloat16) for of in heads]
    found = [
        _with_gradients(compute, given, layout, causal=causal, window=window)
        for compute in (varlen._in_rows, varlen._flash)
    ]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other.float(), one.float(), rtol=3e-2, atol=3e-2)


def _with_gradients(compute, given, layout, **how):
    """What is computed, and the gradients of queries, keys and values."""
    tensors = [tensor.clone().requires_grad_() for tensor in given]
    attended = compute(*tensors, layout, 0.0, None, **how)
    attended.square().sum().backward()
    return [attended, *(tensor.grad for tensor in tensors)]
