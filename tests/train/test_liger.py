"""liger-kernel's fused kernels: refused in a sentence where they cannot be had, else in place before the adapters.

Its kernels need a GPU: here a stand-in takes the place of the package.
"""

from __future__ import annotations

import importlib.machinery
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from workbench.core.errors import BadInput
from workbench.models.locate import Located
from workbench.tasks import recipe_union as recipe
from workbench.train import methods, optimizer_options
from workbench.train.adapters import is_adapted

LOCATED = Located("x", None, "local", "x", None)


def asked(*overrides: str) -> recipe.Recipe:
    text = 'name = "x"\ntask = "causal-lm"\n[model]\nname = "x"\n[data]\ntrain = "x.jsonl"\n[train]\nliger = true\n'
    return recipe.parse(text, overrides=list(overrides))


def decoder(family: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    small = {"qwen2": sizes | {"intermediate_size": 32}, "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2}}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, vocab_size=50, **small[family]))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The package as far as it is asked, and a GPU that is claimed; the models it was given, each with its adapters."""
    seen: list[Any] = []
    package, table = ModuleType("liger_kernel"), ModuleType("liger_kernel.transformers.monkey_patch")
    package.__spec__ = importlib.machinery.ModuleSpec("liger_kernel", None)
    table.MODEL_TYPE_TO_APPLY_LIGER_FN = {"qwen2": lambda *, model: seen.append((model, is_adapted(model)))}
    monkeypatch.setitem(sys.modules, "liger_kernel", package)
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", ModuleType("liger_kernel.transformers"))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers.monkey_patch", table)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return seen


def test_without_the_package_it_is_refused():
    (said,) = optimizer_options.problems(asked())
    assert said.startswith("train.liger: ")
    assert 'pip install "finetune-workbench[liger]"' in said


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_without_a_gpu_it_is_refused(given: list[Any], monkeypatch: pytest.MonkeyPatch, device: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cpu")
    (said,) = optimizer_options.problems(asked(f"launch.device={device}"))
    assert "needs a CUDA GPU" in said


def test_with_both_there_is_no_objection(given: list[Any]):
    assert optimizer_options.problems(asked()) == []


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_model_gets_its_kernels_before_its_adapters(given: list[Any], method: str):
    model = decoder("qwen2")
    trained, _ = methods.apply(model, asked(f"train.method={method}"), [], LOCATED)
    assert given == [(model, False)]
    assert is_adapted(trained) == (method == "lora")


def test_without_the_field_nothing_is_changed(given: list[Any]):
    methods.apply(decoder("qwen2"), asked("train.liger=false"), [], LOCATED)
    assert given == []


def test_a_family_without_kernels_is_named(given: list[Any]):
    with pytest.raises(BadInput, match="no kernels for gpt2"):
        methods.apply(decoder("gpt2"), asked(), [], LOCATED)
