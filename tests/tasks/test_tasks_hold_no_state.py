"""A task keeps nothing of one call for the next: whose rows are prepared second changes nothing of the first."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import PreTrainedConfig

from workbench.models.locate import locate
from workbench.tasks import recipe_union, spec
from workbench.tasks.loading import splits_for

SMALL = (
    'architecture = "bert"\nconfig = { num_hidden_layers = 1, hidden_size = 16, num_attention_heads = 2,'
    " intermediate_size = 32, max_position_embeddings = 64 }"
)
GPT2 = 'architecture = "gpt2"\nconfig = { n_layer = 1, n_head = 2, n_embd = 16, n_positions = 64 }'
T5 = 'architecture = "t5"\nconfig = { d_model = 16, d_kv = 8, d_ff = 16, num_layers = 1, num_heads = 2 }'


def labelled(word, place):
    return {"text": f"{word} number {place}", "label": f"{word}-{place % 2}"}


def tagged(word, place):
    return {"tokens": [word, str(place)], "ner_tags": [f"B-{word.upper()}", "O"]}


def asked(word, place):
    answers = {"text": [word], "answer_start": [0]}
    return {"question": f"what is {place}?", "context": f"{word} is number {place}", "answers": answers}


def pair(word, place):
    return {"text": f"{word} {place}", "target": f"{place} {word}"}


def plain(word, place):
    return {"text": f"{word} number {place} " * 4}


KINDS = {
    "text-classification": (SMALL, labelled),
    "token-classification": (SMALL, tagged),
    "question-answering": (SMALL, asked),
    "seq2seq": (T5, pair),
    "causal-lm": (GPT2, plain),
    "masked-lm": (SMALL, plain),
}


def prepared(task, name, place, word, rows):
    """The rows of a recipe about a word, made ready, and where its model is."""
    import json

    model, row = KINDS[name]
    lines = (json.dumps(row(word, number)) for number in range(rows))
    (place / f"{word}.jsonl").write_text("\n".join(lines))
    wanted = recipe_union.parse(
        f'name = "x"\ntask = "{name}"\n[model]\n{model}\ntokenizer = "bpe"\nvocab_size = 300\n'
        f'[data]\ntrain = "{word}.jsonl"\nholdout = 6\n'
    )
    splits, located = splits_for(wanted, [place]), locate(wanted.model, [place])
    tokenizer = task.tokenizer(wanted, splits, [place])
    return task.prepare(wanted, splits, tokenizer, task.config(wanted, located, tokenizer)), located


def found(task, ready, located):
    """The config, a batch, the loss and the result that come of prepared rows."""
    torch.manual_seed(0)
    model, _ = task.model(ready, located)
    model.eval()
    rows = ready.rows["validation"]
    batch = task.collator(ready, model)([rows[place] for place in range(len(rows))])
    evaluator = task.evaluator(ready, "validation")
    with torch.no_grad():
        evaluator.add(torch.arange(len(rows)).numpy(), batch, evaluator.ask(model, batch))
    config = {name: value for name, value in model.config.to_dict().items() if name != "_name_or_path"}
    result = evaluator.result([evaluator.part()])
    table = result.predictions().to_pylist()
    return config, {name: values.tolist() for name, values in batch.items()}, task.loss(ready), result.scalars, table


@pytest.mark.parametrize("name", KINDS)
def test_rows_prepared_first_make_the_same_after_others_were_prepared(tmp_path, name):
    task = spec.task_of(name)
    first, located = prepared(task, name, tmp_path, "cat", 30)
    before = found(task, first, located)
    second, _ = prepared(task, name, tmp_path, "elephant", 50)
    assert second.counts != first.counts
    assert repr(found(task, first, located)) == repr(before)


@pytest.mark.parametrize("name", KINDS)
def test_a_task_and_what_it_prepares_cannot_be_changed(tmp_path, name):
    task = spec.task_of(name)
    ready, _ = prepared(task, name, tmp_path, "cat", 30)
    for value in (task, ready, ready.own, ready.rows["train"]):
        field = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, PreTrainedConfig())
