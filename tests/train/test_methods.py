"""What of a model learns: everything, what is not frozen, or adapters; and that the rest stays as it was."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from workbench.contracts.events import AdapterFacts
from workbench.core.errors import BadInput, ModelError
from workbench.models.locate import Located
from workbench.models.weights import load_model
from workbench.tasks import recipe_union as recipe
from workbench.tasks.spec import predictor
from workbench.train import adapters, checkpoints, methods, optimizer_options
from workbench.train.anatomy import anatomy
from workbench.train.freezing import frozen

LORA = ("train.method=lora", "train.lora.rank=4", "train.learning_rate=1e-2", "model.dropout=0")
TEXTS = ["good film", "a bad phone and a poor plot", "great food"]


def tiny(family: str):
    """A random model with a head, of a family by its model type."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    small = {
        "bert": {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32},
        "roberta": {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32},
        "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32},
        "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2},
        "llama": {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
                  "num_key_value_heads": 2, "tie_word_embeddings": False},
        "t5": {"d_model": 16, "num_layers": 3, "num_heads": 2, "d_ff": 32, "d_kv": 8},
        "bart": {"d_model": 16, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 2,
                 "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
    }  # fmt: skip
    heads = {"gpt2": AutoModelForCausalLM, "llama": AutoModelForCausalLM, "t5": AutoModelForSeq2SeqLM,
             "bart": AutoModelForSeq2SeqLM}  # fmt: skip
    torch.manual_seed(0)
    settings = AutoConfig.for_model(
        family, vocab_size=50, pad_token_id=0, bos_token_id=1, eos_token_id=2, **small[family]
    )
    return heads.get(family, AutoModelForSequenceClassification).from_config(settings)


def asked(*overrides: str, task: str = "text-classification") -> recipe.Recipe:
    text = f'name = "x"\ntask = "{task}"\n[model]\nname = "x"\n[data]\ntrain = "x.jsonl"\n'
    return recipe.parse(text, overrides=list(overrides))


@pytest.mark.parametrize(
    ("family", "stacks"),
    [
        ("bert", ["bert.encoder.layer"]),
        ("roberta", ["roberta.encoder.layer"]),
        ("distilbert", ["distilbert.transformer.layer"]),
        ("gpt2", ["transformer.h"]),
        ("llama", ["model.layers"]),
        ("t5", ["encoder.block", "decoder.block"]),
        ("bart", ["model.encoder.layers", "model.decoder.layers"]),
    ],
)
def test_layers_are_found_in_every_family(family, stacks):
    found = anatomy(tiny(family))
    assert [stack.name for stack in found.stacks] == stacks
    assert found.layers == 3
    assert found.embeddings


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_the_lowest_layers_stay_and_those_above_learn(family):
    model = tiny(family)
    names = frozen(model, asked("train.freeze_layers=2").train, set())
    build = anatomy(model)
    places = {build.layer(name) for name in names}
    assert places == {None, 0, 1}
    assert build.embeddings <= names
    assert not build.head & names


def test_too_many_layers_are_refused_with_their_number():
    with pytest.raises(BadInput, match="4 layers of 3 cannot be frozen: use 3 or less"):
        frozen(tiny("gpt2"), asked("train.freeze_layers=4").train, set())


def test_a_pattern_that_fits_nothing_names_what_is_near():
    with pytest.raises(BadInput, match=r"no weight is named like '\*\.embedings\.\*'.*embeddings"):
        frozen(tiny("bert"), asked('train.freeze=["*.embedings.*"]').train, set())


def test_the_head_alone_learns_and_new_weights_of_the_body_with_it():
    model = tiny("bert")
    left = set(dict(model.named_parameters())) - frozen(model, asked("train.head_only=true").train, set())
    assert left == {"classifier.weight", "classifier.bias"}
    new = {"bert.pooler.dense.weight"}
    assert new <= set(dict(model.named_parameters())) - frozen(model, asked("train.head_only=true").train, new)


def test_a_head_that_is_the_embeddings_leaves_nothing_to_learn():
    here = Located("x", None, "local", "x", "gpt2")
    with pytest.raises(BadInput, match="no weight is left to learn"):
        methods.apply(tiny("gpt2"), asked("train.head_only=true", task="causal-lm"), [], here)


def test_new_weights_of_the_body_are_doubted_and_those_of_the_head_are_not():
    model = tiny("bert")
    assert methods.doubts(model, ["classifier.weight", "bert.pooler.dense.bias"]) is None
    assert methods.doubts(model, ["*"]) is None
    body = [name for name in dict(model.named_parameters()) if ".encoder." in name]
    assert f"{len(body)} weights of the body are new" in str(methods.doubts(model, [*body, "classifier.weight"]))


def test_a_second_name_of_a_weight_of_the_head_is_not_doubted():
    from transformers import BertConfig, BertForMaskedLM

    small = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    assert methods.doubts(BertForMaskedLM(small), ["cls.predictions.bias", "cls.predictions.decoder.bias"]) is None


@pytest.mark.parametrize(
    ("family", "task", "modules"),
    [
        ("bert", "text-classification", ["query", "value"]),
        ("distilbert", "text-classification", ["k_lin", "lin1", "lin2", "out_lin", "q_lin", "v_lin"]),
        ("gpt2", "causal-lm", ["c_attn"]),
        ("t5", "seq2seq", ["q", "v"]),
    ],
)
def test_adapters_go_where_the_family_has_them_by_default(family, task, modules):
    model, learning = methods.apply(
        tiny(family), asked("train.method=lora", task=task), [], Located("x", None, "local", "x", family)
    )
    assert learning.adapters is not None
    assert learning.adapters.modules == tuple(modules)
    assert 0 < learning.trainable < learning.parameters
    head = {name for name, weight in model.named_parameters() if weight.requires_grad and "lora_" not in name}
    assert all(("classifier" in name) for name in head)
    assert bool(head) == (task == "text-classification")


def test_putting_adapters_in_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        methods.apply(tiny("bert"), asked("train.method=lora"), [], Located("x", None, "local", "x", "bert"))


def test_an_unknown_target_names_what_there_is():
    with pytest.raises(BadInput, match=r"no layer is named 'queri'.*did you mean 'query'.*dense, key, query, value"):
        methods.apply(
            tiny("bert"), asked("train.method=lora", 'train.lora.target_modules=["queri"]'), [],
            Located("x", None, "local", "x", "bert"),
        )  # fmt: skip


def test_frozen_layers_get_no_adapters():
    _, learning = methods.apply(
        tiny("bert"), asked("train.method=dora", "train.freeze_layers=2"), [], Located("x", None, "local", "x", "bert")
    )
    assert learning.adapters is not None
    assert learning.adapters.layers == 2


def test_adapters_on_random_weights_are_refused():
    scratch = asked("train.method=lora", "model.name=", "model.architecture=bert", "model.tokenizer=bpe")
    assert "random weights" in optimizer_options.problems(scratch)[0]


@pytest.fixture
def adapted(runs):
    run = runs.make("lora", *LORA, "train.epochs=15", "evaluate.every=50", "train.schedule=constant")
    assert runs.train(run).state == "completed"
    return run


def test_a_run_with_adapters_learns_saves_little_and_says_what_learns(adapted, logged, tiny_bert):
    (plan,) = logged(adapted, "plan")
    assert plan.method == "lora"
    assert plan.adapters == AdapterFacts(rank=4, alpha=16.0, modules=("query", "value"), layers=4)
    assert plan.new_weights == ("classifier.bias", "classifier.weight")
    # Two matrices of 4 × 32 for each of four layers, and the head.
    assert plan.trainable == 4 * 2 * 4 * 32 + 2 * 32 + 2
    losses = [event.scalars["train/loss"] for event in logged(adapted, "step")]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    held = load_file(adapted.model / "adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in held.values()) == plan.trainable
    assert (adapted.model / "model.safetensors").is_symlink(), "the base's weights are linked, not copied"
    newest = checkpoints.newest_sealed(adapted.checkpoints)
    assert newest is not None
    assert not (newest / "model.safetensors").exists()
    assert json.loads((adapted.model / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_bert)


def test_what_it_learnt_opens_here_and_with_plain_peft_and_transformers(adapted):
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    ours = predictor("text-classification", adapted.model, device="cpu").predict(TEXTS)
    assert {name for answer in ours for name in answer.probabilities} == {"positive", "negative"}
    tokenizer = AutoTokenizer.from_pretrained(adapted.model)
    for head in (AutoPeftModelForSequenceClassification, AutoModelForSequenceClassification):
        model = head.from_pretrained(adapted.model).eval()
        for text, answer in zip(TEXTS, ours, strict=True):
            shares = model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0]
            assert float(shares.max()) == pytest.approx(max(answer.probabilities.values()), abs=1e-5)


def test_predictions_are_those_the_run_was_judged_by(adapted):
    import pyarrow.parquet as pq

    judged = pq.read_table(adapted.predictions / "test.parquet").to_pylist()
    answers = predictor("text-classification", adapted.model, device="cpu").predict([row["text"] for row in judged])
    assert [answer.label for answer in answers] == [row["prediction"] for row in judged]


def test_a_base_that_has_moved_is_one_clear_sentence(runs, tiny_bert, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(tiny_bert, base)
    run = runs.make("moved", *LORA, f"model.name={base}", "train.max_steps=2")
    runs.train(run)
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"the base of these adapters, .*base, is not there: put it back"):
        predictor("text-classification", run.model, device="cpu")


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_a_stopped_run_with_adapters_ends_with_the_same_bits(runs, method):
    settings = (f"train.method={method}", "train.lora.rank=2", "train.lora.dropout=0.1", "train.save_every=3",
                "evaluate.every=4", "train.keep_checkpoints=50", "train.max_steps=11")  # fmt: skip
    whole, halves = runs.make("whole", *settings), runs.make("halves", *settings)
    runs.train(whole)
    for step in (2, 7):
        assert runs.train(halves, stop_at=step).state == "stopped"
    assert runs.train(halves).state == "completed"
    for name in ("model/adapter_model.safetensors", "checkpoints/step-11/adapter_model.safetensors",
                 "checkpoints/step-11/optimizer.pt"):  # fmt: skip
        assert (whole.path / name).read_bytes() == (halves.path / name).read_bytes()


@pytest.mark.parametrize("setting", ["train.freeze_layers=1", "train.head_only=true", 'train.freeze=["*.query.*"]'])
def test_frozen_weights_are_the_same_after_training(runs, tiny_bert, logged, setting):
    run = runs.make("frozen", setting, "train.max_steps=3")
    runs.train(run)
    before, after = load_file(tiny_bert / "model.safetensors"), load_file(run.model / "model.safetensors")
    same = {name for name, tensor in before.items() if torch.equal(tensor, after[f"bert.{name}"])}
    expected = {
        "train.freeze_layers=1": lambda name: name.startswith(("embeddings.", "encoder.layer.0.")),
        "train.head_only=true": lambda name: True,
        'train.freeze=["*.query.*"]': lambda name: ".query." in name,
    }[setting]
    assert {name for name in before if expected(name)} <= same
    (plan,) = logged(run, "plan")
    assert plan.frozen > 0
    assert plan.trainable < plan.parameters


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_a_base_stored_in_bf16_stays_so_and_what_learns_is_in_fp32(tmp_path: Path, method: str):
    from transformers import AutoModelForCausalLM

    tiny("llama").to(torch.bfloat16).save_pretrained(tmp_path)
    recipe = asked(f"train.method={method}", task="causal-lm")
    located = methods.loaded_for(Located(str(tmp_path), None, "local", "x", "llama"), recipe, "bf16")
    base, new = load_model(AutoModelForCausalLM, recipe.model, located, {})
    model, _ = methods.apply(base, recipe, new, located)
    assert {weight.dtype for weight in model.parameters() if not weight.requires_grad} == {torch.bfloat16}
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}
    ids, losses = torch.arange(3, 40)[None], []
    optimizer = torch.optim.AdamW((weight for weight in model.parameters() if weight.requires_grad), lr=1e-2)
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("stored", "method", "precision"),
    [(torch.float32, "lora", "bf16"), (torch.bfloat16, "lora", "fp32"), (torch.bfloat16, "full", "bf16")],
)
def test_any_other_base_is_in_fp32(tmp_path: Path, stored: torch.dtype, method: str, precision: str):
    from transformers import AutoModelForCausalLM

    tiny("llama").to(stored).save_pretrained(tmp_path)
    recipe = asked(f"train.method={method}", task="causal-lm")
    located = methods.loaded_for(Located(str(tmp_path), None, "local", "x", "llama"), recipe, precision)
    base, _ = load_model(AutoModelForCausalLM, recipe.model, located, {})
    assert {weight.dtype for weight in base.parameters()} == {torch.float32}


def test_the_adapters_of_a_checkpoint_come_back_whole(tmp_path: Path):
    here = Located("x", None, "local", "x", "t5")
    model, _ = methods.apply(tiny("t5"), asked("train.method=lora", task="seq2seq"), [], here)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_()
    adapters.save(model, tmp_path)
    other, _ = methods.apply(tiny("t5"), asked("train.method=lora", task="seq2seq"), [], here)
    adapters.load(other, tmp_path)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))
