"""Documents that share a block do not see each other, where the model allows it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.causal_lm.data import BlockPadding
from workbench.tasks.causal_lm.packing import keeps_apart, pack
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import Padding

TINY = {
    "gpt2": {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 64},
    "llama": {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32},
    "qwen2": {
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "hidden_size": 16,
        "intermediate_size": 32,
    },
    "bloom": {"n_layer": 2, "n_head": 2, "hidden_size": 16},
}


def tiny(name):
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, vocab_size=100, bos_token_id=1, eos_token_id=2, pad_token_id=0, **TINY[name])
    return AutoModelForCausalLM.from_config(config).eval()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(2, 25), st.booleans())
def test_positions_begin_anew_with_each_document_and_each_block(lengths, block, keep):
    ids = np.arange(sum(lengths), dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    rows, _ = pack(ids, block, keep_short=keep, starts=starts)
    document = np.searchsorted(starts, ids, side="right")
    for place in range(len(rows)):
        item = rows[place]
        of = document[item["input_ids"]]
        expected = [int((of[:at] == of[at]).sum()) for at in range(len(of))]
        assert item.get("position_ids", np.arange(len(of))).tolist() == expected


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_document_is_foreseen_as_if_it_were_alone(name, attention):
    model = tiny(name)
    model.set_attn_implementation(attention)
    assert keeps_apart(model.config)
    ids = np.asarray([5, 6, 7, 2, 8, 9, 10, 11, 2, 12, 13, 14, 15], np.int32)
    rows, _ = pack(ids, 9, keep_short=True, starts=np.array([0, 4, 9]))
    batch = BlockPadding(Padding(0, own_labels=True))([rows[0], rows[1]])
    with torch.no_grad():
        together = model(**{key: value for key, value in batch.items() if key != "labels"}, use_cache=False).logits
        alone = model(input_ids=torch.tensor([[8, 9, 10, 11, 2]])).logits
        short = model(input_ids=torch.tensor([[12, 13, 14, 15]])).logits
    torch.testing.assert_close(together[0, 4:9], alone[0])
    torch.testing.assert_close(together[1, :4], short[0])


def test_a_model_without_position_ids_is_known_and_said(tmp_path):
    assert not keeps_apart(tiny("bloom").config)
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"text": f"story {n}"}) for n in range(40)))
    parsed = recipe.parse(
        'name="x"\ntask="causal-lm"\n[model]\narchitecture="bloom"\ntokenizer="bpe"\nvocab_size=300\n'
        'config={n_layer=1,n_head=2,hidden_size=16}\n[data]\ntrain="train.jsonl"\nblock_size=16\n'
    )
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [tmp_path])
    tokenizer = task.tokenizer(parsed, splits, [tmp_path])
    from workbench.models.locate import locate

    config = task.config(parsed, locate(parsed.model, [tmp_path]), tokenizer)
    prepared = task.prepare(parsed, splits, tokenizer, config)
    assert prepared.rows["train"].positions is None
    assert "train: documents that share a block see each other: the model cannot keep them apart" in prepared.notes
