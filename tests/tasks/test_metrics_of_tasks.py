"""Every task is run once for every kind of label: what it measures is what the catalog says it measures."""

from __future__ import annotations

import json
import random

import pyarrow.parquet as pq
import pytest

from workbench.metrics import catalog

WORDS = [f"w{number}" for number in range(30)]
ENCODER = (
    'architecture = "bert"\nconfig = { num_hidden_layers = 1, hidden_size = 16, num_attention_heads = 2,'
    " intermediate_size = 32, max_position_embeddings = 64 }"
)
DECODER = 'architecture = "gpt2"\nconfig = { n_layer = 1, n_head = 2, n_embd = 16, n_positions = 32 }'
T5 = 'architecture = "t5"\nconfig = { d_model = 16, d_kv = 8, d_ff = 16, num_layers = 1, num_heads = 2 }'


def text(rng, least=4, most=9):
    return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))


def one(rng):
    return {"text": text(rng), "label": rng.choice("ab")}


def several(rng):
    return {"text": text(rng), "label": rng.sample("abc", k=rng.randint(1, 2))}


def numbers(rng):
    return {"text": text(rng), "label": rng.gauss(20, 7)}


def entities(rng):
    return {"tokens": rng.choices(WORDS, k=4), "tags": ["B-PER", "I-PER", "O", "B-LOC"]}


def plain_tags(rng):
    return {"tokens": rng.choices(WORDS, k=3), "tags": rng.choices(["NOUN", "VERB"], k=3)}


def asked(rng):
    context = text(rng, 12, 20)
    answer = context.split()[3]
    found = {"text": [answer], "answer_start": [context.index(answer)]}
    answers = found if rng.random() < 0.6 else {"text": [], "answer_start": []}
    return {"question": text(rng, 2, 4), "context": context, "answers": answers}


def written(rng):
    return {"text": text(rng), "target": text(rng, 5, 7)}


def plain(rng):
    return {"text": text(rng, 20, 30)}


KINDS = {
    "single-label": ("text-classification", ENCODER, one, ""),
    "multi-label": ("text-classification", ENCODER, several, ""),
    "regression": ("text-classification", ENCODER, numbers, ""),
    "entities": ("token-classification", ENCODER, entities, ""),
    "plain-tags": ("token-classification", ENCODER, plain_tags, ""),
    "question-answering": ("question-answering", ENCODER, asked, ""),
    "seq2seq": ("seq2seq", T5, written, 'target = "target"\nmax_target_length = 8'),
    "causal-lm": ("causal-lm", DECODER, plain, "block_size = 16"),
    "masked-lm": ("masked-lm", ENCODER, plain, "block_size = 16"),
}


def test_every_kind_of_every_task_is_run_here():
    assert {task: tuple(kind for kind in KINDS if KINDS[kind][0] == task) for task in catalog.KINDS} == catalog.KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_metrics_is_what_the_tasks_compute(kind, trained, said, tmp_path):
    task, model, row, data = KINDS[kind]
    rng = random.Random(1)
    for name, count in (("train", 24), ("validation", 12)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row(rng)) for _ in range(count)))
    run = trained(
        f'name = "tiny"\ntask = "{task}"\n[model]\ntokenizer = "bpe"\nvocab_size = 400\n{model}\n'
        f'[data]\ntrain = "train.jsonl"\nvalidation = "validation.jsonl"\n{data}\n'
        '[train]\nmax_steps = 1\nbatch_size = 4\n[launch]\ndevice = "cpu"'
    )
    event = said(run, "eval")[0]
    computed = [catalog.bare(key) for key in event.scalars]
    undefined = {catalog.bare(key) for key in event.undefined}
    table = catalog.of_task(task, kind)
    assert set(computed) <= table.keys()
    assert event.baselines, "what is reached without a model"
    assert {name for figures in event.baselines.values() for name in figures} <= table.keys()
    assert len(event.rows_digest) == 16
    assert table.keys() <= {*computed, *undefined}
    assert undefined <= catalog.of_task(task).keys(), "plain tags are said to spell no entities"
    chooses, direction = catalog.chooses(task, kind=kind)
    assert computed == catalog.ordered(computed, [chooses.name])
    plan = said(run, "plan")[0]
    assert (plan.best, plan.direction) == (f"eval/{chooses.name}", direction)
    for name in computed:
        assert (name in event.intervals) != (name in event.without_interval), "an interval, or why there is none"
        scale = table[name].scale
        assert scale.low <= event.scalars[f"eval/{name}"] <= scale.high


def test_predictions_say_their_version_their_classes_and_numbers_as_numbers(trained, tmp_path):
    rng = random.Random(2)
    for name in ("train", "validation"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(numbers(rng)) for _ in range(8)))
    run = trained(
        'name = "tiny"\ntask = "text-classification"\n[model]\ntokenizer = "bpe"\nvocab_size = 400\n'
        f'{ENCODER}\n[data]\ntrain = "train.jsonl"\nvalidation = "validation.jsonl"\n'
        '[train]\nmax_steps = 1\nbatch_size = 4\n[evaluate]\nbefore = true\n[launch]\ndevice = "cpu"'
    )
    table = pq.read_table(run.predictions / "validation.parquet")
    said = json.loads(table.schema.metadata[b"workbench"])
    assert said == {"version": 2, "task": "text-classification", "split": "validation", "labels": ["label"]}
    assert (str(table.schema.field("value").type), str(table.schema.field("target").type)) == ("double", "double")
