"""`train.padding_free = true`: what is computed without padding is what is computed with it.

Small random models without dropout are given the same padded batches both ways; their gradients must be equal but for
rounding. torch's kernel for GPUs has a stand-in here, called as torch declares it.
"""

from __future__ import annotations

import inspect
from itertools import pairwise

import pytest
import torch
import transformers
from torch.nn.attention.varlen import varlen_attn

from workbench.core.errors import BadInput
from workbench.tasks import recipe_union as recipe
from workbench.tasks.experiment import Experiment
from workbench.tasks.masked_lm import loss as masked_lm
from workbench.tasks.shared.token_loss import TokenCrossEntropy
from workbench.tasks.text_classification import loss as text_losses
from workbench.train import attention, check, optimizer_options, varlen
from workbench.train.building import _checkpoint_activations
from workbench.train.device import Device
from workbench.train.memory import pieces
from workbench.train.neftune import add_noise
from workbench.train.passes import Passes
from workbench.train.ranks import Ranks
from workbench.train.unpadding import unpad

WORDS, IGNORED = 100, -100
LENGTHS = (13, 9, 4, 1)
BERT = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LLAMA = BERT | {"num_key_value_heads": 2, "eos_token_id": 1, "bos_token_id": 1, "classifier_dropout": 0.0}
GPT2 = {
    **{"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0, "eos_token_id": 1},
    **{"bos_token_id": 1, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0},
}
SHORT_SIGHTED = {"local_attention": 6, "global_attn_every_n_layers": 2}
# Marks that its own config would have outside of so small a vocabulary.
MARKS = {"cls_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "bos_token_id": 2}
MODELS = {
    "bert": BERT,
    "roberta": BERT | {"pad_token_id": 1},
    "electra": BERT | {"embedding_size": 16},
    "distilbert": {
        **{"vocab_size": WORDS, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        **{"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
    },
    "modernbert": BERT | MARKS | SHORT_SIGHTED,
    "gpt2": GPT2,
    "llama": LLAMA,
    # A token sees four others at most.
    "qwen2": LLAMA | {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0},
}
CPU = Device("cpu", "", "fp32")
HEADS = {
    "text-classification": (
        transformers.AutoModelForSequenceClassification,
        text_losses.StepLoss(text_losses.CrossEntropy()),
    ),
    "token-classification": (transformers.AutoModelForTokenClassification, TokenCrossEntropy()),
    "masked-lm": (transformers.AutoModelForMaskedLM, masked_lm.step_loss),
    "causal-lm": (transformers.AutoModelForCausalLM, None),
}
CASES = [
    ("bert", "text-classification"),
    ("bert", "token-classification"),
    ("bert", "masked-lm"),
    ("roberta", "text-classification"),
    ("electra", "token-classification"),
    ("distilbert", "text-classification"),
    ("modernbert", "text-classification"),
    ("modernbert", "masked-lm"),
    ("gpt2", "causal-lm"),
    ("gpt2", "text-classification"),
    ("llama", "causal-lm"),
    ("llama", "token-classification"),
    ("qwen2", "causal-lm"),
    ("qwen2", "text-classification"),
]


def made(family, task):
    """A model of the family with the task's head, in training, and its loss."""
    head, loss = HEADS[task]
    torch.manual_seed(0)
    model = head.from_config(transformers.AutoConfig.for_model(family, **MODELS[family]))
    # As it is in training: the loop keeps no cache, with which transformers would look for no documents.
    model.config.use_cache = False
    return model.train(), loss


def batch_of(model, task, lengths=LENGTHS, side="right"):
    """Rows of made-up tokens and labels, padded on that side."""
    torch.manual_seed(1)
    width, padding = max(lengths), model.config.pad_token_id
    place = torch.arange(width)
    wide = torch.tensor(lengths)[:, None]
    mask = place < wide if side == "right" else place >= width - wide
    ids = torch.randint(4, WORDS, (len(lengths), width)).masked_fill(~mask, padding)
    batch = {"input_ids": ids, "attention_mask": mask.long()}
    if task == "text-classification":
        return batch | {"labels": torch.arange(len(lengths)) % 2}
    labels = torch.randint(2, ids.shape) if task == "token-classification" else ids.clone()
    labels = labels.masked_fill(~mask, IGNORED)
    if task == "causal-lm":
        labels[:, 0] = IGNORED
    return batch | {"labels": labels}


def learnt(model, loss, batches, unpadding=None):
    """The loss of batches, and the gradient of every weight."""
    model.zero_grad()
    passes = Passes(model, loss, CPU, Ranks(0, 1), unpadding=unpadding)
    items = torch.tensor(sum(int(batch["labels"].ne(IGNORED).sum()) for batch in batches))
    total = sum(passes(batch, items) for batch in batches)
    return total, {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(one, other):
    (loss, gradients), (again, others) = one, other
    assert again.item() == pytest.approx(loss.item(), rel=1e-5)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(("family", "task"), CASES)
def test_gradients_without_padding_are_those_with_it(family, task):
    model, loss = made(family, task)
    batch = batch_of(model, task)
    padded = learnt(model, loss, [batch])
    assert_same(padded, learnt(model, loss, [batch], unpad(model)))


def test_padding_on_the_left_is_left_out_as_well():
    model, loss = made("llama", "text-classification")
    batch = batch_of(model, "text-classification", side="left")
    padded = learnt(model, loss, [batch])
    assert_same(padded, learnt(model, loss, [batch], unpad(model)))


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_documents_of_a_block_stay_apart(family):
    model, _ = made(family, "causal-lm")
    batch = batch_of(model, "causal-lm", lengths=(12, 12))
    del batch["attention_mask"]
    batch["position_ids"] = torch.tensor([[*range(5), *range(7)], [*range(3), *range(1), *range(8)]])
    together = learnt(model, None, [{name: part for name, part in batch.items() if name != "position_ids"}])
    padded = learnt(model, None, [batch])
    assert not torch.allclose(together[0], padded[0], rtol=1e-5), "the documents do not matter"
    assert_same(padded, learnt(model, None, [batch], unpad(model)))


def test_nothing_is_computed_for_padding():
    model, loss = made("bert", "text-classification")
    seen = []
    model.bert.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:2]))
    batch = batch_of(model, "text-classification")
    learnt(model, loss, [batch])
    unpadding = unpad(model)
    seen.clear()
    learnt(model, loss, [batch], unpadding)
    assert seen == [(1, sum(LENGTHS))]


def test_pieces_of_a_batch_give_its_gradients():
    model, loss = made("bert", "masked-lm")
    batch = batch_of(model, "masked-lm")
    padded = learnt(model, loss, [batch])
    unpadding = unpad(model)
    assert_same(padded, learnt(model, loss, list(pieces(batch, 2)), unpadding))


def test_activations_made_twice_give_the_same_gradients():
    model, _ = made("llama", "causal-lm")
    batch = batch_of(model, "causal-lm")
    padded = learnt(model, None, [batch])
    _checkpoint_activations(model)
    assert_same(padded, learnt(model, None, [batch], unpad(model)))


def test_noise_on_the_embeddings_is_that_of_a_padded_batch():
    model, loss = made("bert", "text-classification")
    add_noise(model, 5.0)
    batch = batch_of(model, "text-classification")
    torch.manual_seed(2)
    padded = learnt(model, loss, [batch])
    unpadding = unpad(model)
    torch.manual_seed(2)
    assert_same(padded, learnt(model, loss, [batch], unpadding))


def test_trying_a_model_draws_no_random_numbers_and_leaves_it_in_training():
    model, _ = made("bert", "text-classification")
    before = torch.get_rng_state()
    unpad(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_an_evaluation_is_padded_as_ever():
    model, _ = made("bert", "text-classification")
    batch = batch_of(model, "text-classification")
    asked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = model.eval()(**asked).logits
        unpad(model)
        with attention.for_evaluation(model):
            found = model(**asked).logits
    torch.testing.assert_close(found, expected)
    assert model.config._attn_implementation == varlen.ATTENTION


# On a GPU.


def stand_in(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1)):
    """What torch documents of `varlen_attn`, one text after another."""
    assert torch.equal(cu_seq_q, cu_seq_k)
    assert cu_seq_q.dtype == torch.int32
    assert int(cu_seq_q.diff().max()) <= max_q == max_k
    ends = cu_seq_q.tolist()
    texts = [
        one_text(query[begin:end], key[begin:end], value[begin:end], scale, window_size)
        for begin, end in pairwise(ends)
    ]
    return torch.cat(texts)


def one_text(query, key, value, scale, window):
    place = torch.arange(len(query))
    back = place[:, None] - place
    before, behind = window
    sees = (back <= before if before >= 0 else True) & (-back <= behind if behind >= 0 else back == back)
    heads_first = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
    attended = torch.nn.functional.scaled_dot_product_attention(*heads_first, attn_mask=sees, scale=scale)
    return attended[0].transpose(0, 1)


@pytest.mark.parametrize(("family", "task"), [case for case in CASES if case[0] not in {"electra", "distilbert"}])
def test_the_kernel_of_a_gpu_is_given_the_texts(monkeypatch, family, task):
    declared, calls = inspect.signature(varlen_attn), []

    def kernel(*args, **named):
        calls.append(declared.bind(*args, **named))
        return stand_in(*args, **named)

    monkeypatch.setattr(varlen, "_has_kernel", lambda query, dropout: True)
    monkeypatch.setattr(varlen, "_kernel", lambda: kernel)
    model, loss = made(family, task)
    batch = batch_of(model, task)
    padded = learnt(model, loss, [batch])
    unpadding = unpad(model)
    calls.clear()
    assert_same(padded, learnt(model, loss, [batch], unpadding))
    assert len(calls) == model.config.num_hidden_layers


def test_the_kernel_of_a_gpu_is_asked_in_half_precision(monkeypatch):
    kinds = []

    def kernel(query, key, value, *rest, **named):
        kinds.extend(tensor.dtype for tensor in (query, key, value))
        return stand_in(query, key, value, *rest, **named)

    monkeypatch.setattr(varlen, "_has_kernel", lambda query, dropout: True)
    monkeypatch.setattr(varlen, "_kernel", lambda: kernel)
    model, _ = made("llama", "causal-lm")
    unpadding = unpad(model)
    kinds.clear()
    passes = Passes(model, None, Device("cpu", "", "bf16"), Ranks(0, 1), unpadding=unpadding)
    passes(batch_of(model, "causal-lm"), torch.tensor(20))
    # Of rotary positions a decoder's queries and keys come in fp32, with autocast too.
    assert set(kinds) == {torch.bfloat16}


def test_dropout_and_fp32_are_for_the_other_attention():
    query = torch.zeros(1, 4, 2, 16)
    assert not varlen._has_kernel(query, 0.0)
    assert not varlen._has_kernel(query.bfloat16(), 0.0), "a CPU has no kernel"
    assert varlen._kernel() is varlen_attn


# Whole runs.

SAME = ("model.dropout=0", "train.l2=0.01", "train.neftune_alpha=1.0", "train.precision=fp32")


def test_a_run_without_padding_is_the_run_with_it(runs, logged, monkeypatch):
    padded, unpadded = runs.make("padded", *SAME), runs.make("unpadded", *SAME, "train.padding_free=true")
    attending, in_rows = [], varlen._in_rows
    monkeypatch.setattr(varlen, "_in_rows", lambda *args, **named: attending.append(1) or in_rows(*args, **named))
    assert runs.train(padded).state == "completed"
    assert not attending
    assert runs.train(unpadded).state == "completed"
    assert len(attending) >= 2 * len(logged(unpadded, "step"))
    for kind in ("step", "eval"):
        for one, other in zip(logged(padded, kind), logged(unpadded, kind), strict=True):
            # Ranks of nearly equal rows may turn.
            told = {name: value for name, value in one.scalars.items() if name.endswith(("loss", "norm"))}
            assert told
            again = {name: other.scalars[name] for name in told}
            assert again == pytest.approx(told, rel=1e-3, abs=1e-5)
            assert getattr(other, "tokens", None) == getattr(one, "tokens", None)


def test_a_run_without_padding_is_stopped_and_goes_on_exactly(runs, logged):
    whole, parted = (runs.make(name, "train.padding_free=true", "train.precision=fp32") for name in ("whole", "parted"))
    runs.train(whole)
    runs.train(parted, stop_at=7)
    assert runs.train(parted).state == "completed"
    last = [logged(run, "step")[-1].scalars["train/loss"] for run in (whole, parted)]
    assert last[0] == last[1]


# What is refused.


DATA = '[data]\ntrain = "x.jsonl"\n[train]\npadding_free = true\n'


def asked(task, *overrides):
    return recipe.parse(f'name = "x"\ntask = "{task}"\n[model]\nname = "x"\n{DATA}', overrides=list(overrides))


@pytest.mark.parametrize(
    ("task", "overrides", "said"),
    [
        ("seq2seq", [], "a decoder looks at the padded rows of its encoder"),
        ("question-answering", [], "over all of a row, padding too"),
        ("causal-lm", ["train.compile=true"], "each batch has a shape of its own"),
        ("causal-lm", ["launch.sharding=fsdp", "launch.processes=2"], "divided embeddings"),
    ],
)
def test_a_recipe_that_needs_padding_is_refused(task, overrides, said):
    assert any(said in problem for problem in optimizer_options.problems(asked(task, *overrides)))


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("t5", "its decoder looks at the padded rows of its encoder"),
        ("bloom", "its attention cannot be replaced"),
        ("deberta-v2", "its attention cannot be replaced"),
        ("bert", None),
        ("gpt2", None),
    ],
)
def test_a_check_knows_which_models_need_padding(family, said):
    text = f'name = "x"\ntask = "causal-lm"\n[model]\narchitecture = "{family}"\ntokenizer = "bpe"\n{DATA}'
    found = check.padding_problems(Experiment.read(text))
    expected = [f"train.padding_free: {family} cannot be trained without padding ({said}): leave it out"]
    assert found == ([] if said is None else expected)


@pytest.mark.parametrize(
    ("family", "config", "head", "said"),
    [
        # Its pooler is in two parts, of which the body does not say so.
        ("albert", BERT | {"embedding_size": 16}, "SequenceClassification", "its answers would not be the same"),
        ("gemma2", LLAMA | {"head_dim": 8}, "CausalLM", "its attention needs softcap"),
        ("t5", {"d_model": 32, "d_kv": 8, "d_ff": 64, "vocab_size": WORDS}, "SequenceClassification", "its decoder"),
    ],
)
def test_a_model_that_is_found_to_need_padding_is_left_as_it_was(family, config, head, said):
    kind = getattr(transformers, f"AutoModelFor{head}")
    model = kind.from_config(transformers.AutoConfig.for_model(family, **config))
    before = model.config._attn_implementation
    with pytest.raises(BadInput, match=f"{family} cannot be trained without padding .*{said}.*: leave it out"):
        unpad(model)
    assert model.config._attn_implementation == before
    assert not model.base_model._forward_hooks
