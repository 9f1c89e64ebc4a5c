"""The loss and the gradient of a step, for every task, beside the mean computed here over its own batches.

Rows are of unequal length and a step is of unequal batches: what divides by rows where it should by tokens, by the
tokens of a batch instead of the step, or by tokens that are never learnt, gives another number.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from workbench.tasks import spec

WORDS = tuple(f"w{number}" for number in range(24))
SPECIAL = ("[PAD]", "[UNK]", "[S]", "[E]", "[MASK]")
PAD, START, END = 0, 2, 3

RECIPE = """
name = "tiny"
task = "{task}"
[model]
architecture = "{family}"
tokenizer = "words"
dropout = 0.0
config = {config}
[data]
train = "train.jsonl"
[train]
epochs = 2
batch_size = 2
gradient_accumulation = 2
learning_rate = 1e-12
optimizer = "sgd"
precision = "fp32"
max_grad_norm = 0.0
[evaluate]
every = "never"
[launch]
device = "cpu"
"""
BERT = (
    "{ num_hidden_layers = 1, hidden_size = 16, num_attention_heads = 2, intermediate_size = 32, "
    "max_position_embeddings = 64, initializer_range = 0.5 }"
)
GPT2 = "{ n_layer = 1, n_head = 2, n_embd = 16, n_positions = 64, initializer_range = 0.5 }"
T5 = "{ d_model = 16, d_kv = 8, d_ff = 32, num_layers = 1, num_decoder_layers = 1, num_heads = 2 }"


@pytest.fixture
def words(tmp_path) -> Path:
    """A tokenizer whose tokens are words, with a start, an end and a mask token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[S] $A [E]", pair="[S] $A [E] $B:1 [E]:1", special_tokens=[("[S]", START), ("[E]", END)]
    )
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    ends = {"bos_token": "[S]", "cls_token": "[S]", "eos_token": "[E]", "sep_token": "[E]"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **marks, **ends).save_pretrained(tmp_path / "words")
    # A tokenizer needs a config beside it to be found in a directory.
    BertConfig().save_pretrained(tmp_path / "words")
    return tmp_path / "words"


def text(row: int, length: int) -> str:
    return " ".join(WORDS[(row * 5 + place * 3) % len(WORDS)] for place in range(length))


def lengths(row: int) -> int:
    return 3 + row * 5 % 11


def classified(row: int) -> dict:
    return {"text": text(row, lengths(row)), "label": ("no", "yes")[row % 2]}


def tagged(row: int) -> dict:
    tokens = text(row, lengths(row)).split()
    return {"tokens": tokens, "tags": [("O", "B-X")[place % 3 == row % 3] for place in range(len(tokens))]}


def asked(row: int) -> dict:
    tokens = text(row, lengths(row)).split()
    answer = {"text": [tokens[1]], "answer_start": [len(tokens[0]) + 1]}
    return {"question": text(row + 7, 2), "context": " ".join(tokens), "answers": answer}


def translated(row: int) -> dict:
    return {"text": text(row, 4), "target": text(row + 3, lengths(row))}


def completed(row: int) -> dict:
    return {"prompt": text(row, 2 + row % 3), "completion": text(row + 3, lengths(row))}


def told(row: int) -> dict:
    return {"text": text(row, lengths(row))}


# Of each: the task, its family, its rows, what is more in the recipe, and the auto class that opens the model.
KINDS = {
    "text": ("text-classification", "bert", BERT, classified, [], "AutoModelForSequenceClassification"),
    "tags": ("token-classification", "bert", BERT, tagged, [], "AutoModelForTokenClassification"),
    "answers": ("question-answering", "bert", BERT, asked, [], "AutoModelForQuestionAnswering"),
    "targets": ("seq2seq", "t5", T5, translated, [], "AutoModelForSeq2SeqLM"),
    "completions": ("causal-lm", "gpt2", GPT2, completed, [], "AutoModelForCausalLM"),
    "whole rows": ("causal-lm", "gpt2", GPT2, completed, ["train.loss_on=all"], "AutoModelForCausalLM"),
    "blocks": ("causal-lm", "gpt2", GPT2, told, ["data.block_size=8"], "AutoModelForCausalLM"),
    "masks": ("masked-lm", "bert", BERT, told, ["data.block_size=9"], "AutoModelForMaskedLM"),
}


@pytest.fixture
def steps(runs, words, tmp_path, monkeypatch):
    """`steps(kind, "field=value", …)`: a run of that kind, its model, and the batches in the order they came."""
    import transformers

    def train(kind: str, *overrides: str, rows: int = 7):
        task, family, config, make, settings, head = KINDS[kind]
        batches: list[dict[str, torch.Tensor]] = []
        record(monkeypatch, task, batches)
        (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(make(row)) for row in range(rows)))
        recipe = RECIPE.format(task=task, family=family, config=config)
        run = runs.make(kind.replace(" ", "-"), *settings, *overrides, text=recipe)
        assert runs.train(run).state == "completed"
        model = getattr(transformers, head).from_pretrained(run.model).train()
        return run, model, batches

    return train


def record(monkeypatch, task: str, batches: list[dict[str, torch.Tensor]]) -> None:
    """Put every batch that the task's collator makes into the list."""
    module, _, name = spec.spec_of(task).code.partition(":")
    kind = getattr(importlib.import_module(module), name)
    collator = kind.collator

    def recording(*parts, **options):
        made = collator(*parts, **options)

        def collate(items):
            batches.append(made(items))
            return dict(batches[-1])

        return collate

    monkeypatch.setattr(f"{module}.{name}", replace(kind, collator=recording))


def in_steps(batches):
    """Two batches to a step; the last step of an epoch has what is left of the epoch."""
    per_epoch = len(batches) // 2
    epochs = batches[:per_epoch], batches[per_epoch:]
    return [epoch[start : start + 2] for epoch in epochs for start in range(0, per_epoch, 2)]


def elements(task: str, model, batch) -> torch.Tensor:
    """The loss of everything that a batch has to learn, in nats."""
    labels = batch["labels"]
    # With a cache transformers does not look for documents in the positions.
    more = {"use_cache": False} if task == "causal-lm" else {}
    outputs = model(**{name: value for name, value in batch.items() if name != "labels"}, **more)
    if task == "question-answering":
        sides = (outputs.start_logits, outputs.end_logits)
        return torch.cat(
            [cross_entropy(logits, labels[:, side], reduction="none") for side, logits in enumerate(sides)]
        )
    logits = outputs.logits
    if task == "causal-lm":
        logits, labels = logits[:, :-1], labels[:, 1:]
    logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    return cross_entropy(logits, labels, reduction="none")[labels != -100]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_mean_over_all_that_its_batches_have_to_learn(steps, logged, kind):
    run, model, batches = steps(kind)
    made = in_steps(batches)
    told = [event.scalars for event in logged(run, "step")]
    assert len(told) == len(made) >= 4
    sizes = set()
    for scalars, batches in zip(told, made, strict=True):
        model.zero_grad()
        losses = [elements(KINDS[kind][0], model, batch) for batch in batches]
        sizes.add(tuple(map(len, losses)))
        mean = torch.cat(losses).mean()
        mean.backward()
        norm = torch.linalg.vector_norm(
            torch.stack([weight.grad.norm() for weight in model.parameters() if weight.grad is not None])
        )
        assert scalars["train/loss"] == pytest.approx(mean.item(), rel=1e-5)
        assert scalars["train/grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert len(sizes) > 1, "no step has unequal parts: the test shows nothing"


def test_the_tokens_told_are_those_of_the_batches_without_their_padding(steps, logged):
    run, _, batches = steps("completions")
    counted = [sum(int((batch["input_ids"] != PAD).sum()) for batch in step) for step in in_steps(batches)]
    told = [event.tokens for event in logged(run, "step")]
    assert told == [sum(counted[: done + 1]) for done in range(len(counted))]


# What a language model is given


def test_every_document_of_a_block_begins_with_the_start_token_and_ends_with_the_end_token(steps):
    _, _, batches = steps("blocks")
    blocks = [ids.tolist() for batch in batches for ids in batch["input_ids"]]
    texts = [[len(SPECIAL) + WORDS.index(word) for word in told(row)["text"].split()] for row in range(7)]
    whole = [token for text in texts for token in [START, *text, END]]
    cut = [whole[start : start + 8] for start in range(0, len(whole) - 7, 8)]
    assert sorted(blocks) == sorted(cut * 2), "each block once an epoch"


def test_a_prompt_begins_with_the_start_token_and_its_completion_ends_with_the_end_token(steps):
    _, _, batches = steps("completions")
    for batch in batches:
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            ids = [token for token in ids if token != PAD]
            assert ids[0] == START
            assert ids[-1] == END == labels[len(ids) - 1]
            assert labels[0] == -100


def test_a_row_is_masked_otherwise_in_every_epoch(steps):
    one_by_one = ("train.batch_size=1", "train.gradient_accumulation=1", "data.block_size=32")
    _, _, batches = steps("masks", *one_by_one, "train.mask_probability=0.5")
    seen: list[dict[tuple, tuple]] = [{}, {}]
    for place, batch in enumerate(batches):
        ids, labels = batch["input_ids"][0], batch["labels"][0]
        row = tuple(torch.where(labels == -100, ids, labels).tolist())
        seen[place // 7][row] = tuple(ids.tolist())
    assert seen[0].keys() == seen[1].keys()
    assert len(seen[0]) == 7
    same = [row for row in seen[0] if seen[0][row] == seen[1][row]]
    assert len(same) <= 1, "one row of three words may come the same again, but not the longer ones"


def test_every_evaluation_sees_the_same_masks_and_they_leave_those_of_training_alone(
    runs, words, tmp_path, logged, passes
):
    from transformers import BertForMaskedLM

    seen = passes(BertForMaskedLM)
    for name in ("train", "validation"):
        rows = range(7) if name == "train" else range(7, 27)
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(told(row)) for row in rows))
    text = RECIPE.format(task="masked-lm", family="bert", config=BERT)
    often = runs.make(
        "often", "data.validation=validation.jsonl", "evaluate.every=1", "evaluate.batch_size=4", text=text
    )
    never = runs.make("never", "data.validation=validation.jsonl", text=text)
    runs.train(often)
    learnt = [one.ids.tolist() for one in seen if one.learning]
    judged = [one.ids.tolist() for one in seen if not one.learning]
    assert len(judged) == 4 * 5
    assert judged == judged[:5] * 4
    losses = [event.scalars["eval/loss"] for event in logged(often, "eval")]
    assert losses == pytest.approx([losses[0]] * 4, abs=1e-6)
    seen.clear()
    runs.train(never)
    assert [one.ids.tolist() for one in seen if one.learning] == learnt


# What is saved with a language model


@pytest.mark.parametrize("caches", [True, False])
def test_the_cache_is_saved_as_the_model_came_with_it(runs, words, tmp_path, caches):
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(completed(row)) for row in range(7)))
    config = GPT2.replace("}", f", use_cache = {json.dumps(caches)} }}")
    run = runs.make("caching", "train.max_steps=2", text=RECIPE.format(task="causal-lm", family="gpt2", config=config))
    runs.train(run)
    for directory in (run.model, run.checkpoints / "step-2"):
        assert json.loads((directory / "config.json").read_text())["use_cache"] is caches
