"""Prompts with completions, and chats: only the answers are trained on."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from transformers import PreTrainedConfig

from workbench.core.errors import BadInput, DataError
from workbench.models.weights import train_bpe
from workbench.recipe import Generate
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.causal_lm.turns import RowWithTargets, fit
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import IGNORED

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As some templates do with the thoughts of earlier turns: an answer that is not the last loses its first word.
FORGETS = (
    "{% for message in messages %}{{ message['role'] }}: "
    "{% if message['role'] == 'assistant' and not loop.last %}{{ message['content'].split(' ', 1)[-1] }}"
    "{% else %}{{ message['content'] }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
RECIPE = """
name = "x"
task = "causal-lm"
[model]
architecture = "gpt2"
tokenizer = "tokens"
config = { n_layer = 2, n_head = 4, n_embd = 64, n_positions = 64 }
[data]
train = "train.jsonl"
holdout = 24
[train]
epochs = 24
batch_size = 8
learning_rate = 5e-3
[generate]
prompts = ["the colour of 草?"]
max_new_tokens = 12
temperature = 0
[launch]
device = "cpu"
"""
COLOURS = {"grass": "green", "snow": "white", "the sky": "blue", "草": "绿色", "雪": "白色"}


@pytest.fixture
def tokenizer(tmp_path):
    made = train_bpe([f"user assistant the colour of {key}? it is {value}" for key, value in COLOURS.items()], 330)
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.chat_template = CHATML
    made.save_pretrained(tmp_path / "tokens")
    return made


def write(place, rows):
    (place / "train.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def chat(thing, again=None):
    turns = [("user", f"the colour of {thing}?"), ("assistant", f"it is {COLOURS[thing]}")]
    if again:
        turns += [("user", f"the colour of {again}?"), ("assistant", f"it is {COLOURS[again]}")]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def prepared(place, *overrides):
    parsed = recipe.parse(RECIPE, overrides=["data.holdout=1", *overrides])
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    return task.prepare(
        parsed, splits, task.tokenizer(parsed, splits, [place]), PreTrainedConfig(max_position_embeddings=64)
    )


def learnt(tokenizer, rows, place):
    item = rows[place]
    parts, before = [], False
    for token, tag in zip(item["input_ids"].tolist(), item["tags"].tolist(), strict=True):
        if tag == IGNORED:
            before = False
            continue
        assert tag == token
        parts = parts if before else [*parts, []]
        parts[-1].append(token)
        before = True
    return [tokenizer.decode(part) for part in parts]


def test_of_a_chat_the_assistants_turns_are_learnt_with_their_end(tmp_path, tokenizer):
    write(tmp_path, [chat("grass", "草"), chat("snow"), chat("雪", "the sky")])
    rows = prepared(tmp_path, "data.holdout_seed=1").rows["train"]
    found = [learnt(tokenizer, rows, place) for place in range(len(rows))]
    two = [["it is green<|im_end|>", "it is 绿色<|im_end|>"], ["it is 白色<|im_end|>", "it is blue<|im_end|>"]]
    assert any(turns in found for turns in two)
    assert all(turn.startswith("it is ") and turn.endswith("<|im_end|>") for turns in found for turn in turns)
    whole = prepared(tmp_path, "data.holdout_seed=1", 'train.loss_on="all"').rows["train"]
    assert all(len(learnt(tokenizer, whole, place)) == 1 for place in range(len(whole)))


def test_share_gpt_turns_and_parts_are_read(tmp_path, tokenizer):
    turns = [{"from": "human", "value": "the colour of snow?"}, {"from": "gpt", "value": "it is white"}]
    parts = [{"role": "user", "content": "the colour of snow?"}, {"role": "assistant", "content": "it is white"}]
    write(tmp_path, [{"conversations": turns}] * 2)
    one = prepared(tmp_path).rows["train"]
    write(tmp_path, [{"messages": parts}] * 2)
    assert one.digest() == prepared(tmp_path).rows["train"].digest()


def test_a_template_that_rewrites_earlier_turns_is_refused_with_the_row(tmp_path, tokenizer):
    tokenizer.chat_template = FORGETS
    tokenizer.save_pretrained(tmp_path / "tokens")
    write(tmp_path, [chat("snow"), chat("snow"), chat("grass", "snow")])
    with pytest.raises(DataError, match=r"train\.jsonl:\d: .*turn 2.*cannot be told"):
        prepared(tmp_path)
    assert len(prepared(tmp_path, 'train.loss_on="all"').rows["train"]) == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": [{"role": "user"}]}, "turn 1 has no content"),
        ({"messages": [{"content": "hi"}]}, "turn 1 has no role"),
    ],
)
def test_turns_that_are_none_are_refused_with_their_row(tmp_path, tokenizer, row, said):
    write(tmp_path, [chat("snow"), row, chat("snow")])
    with pytest.raises(DataError, match=rf"train\.jsonl:2: {said}"):
        prepared(tmp_path)


def test_a_tokenizer_without_a_template_is_refused(tmp_path, tokenizer):
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "tokens")
    for leftover in (tmp_path / "tokens").glob("*.jinja"):
        leftover.unlink()
    write(tmp_path, [chat("snow")] * 3)
    with pytest.raises(BadInput, match="no chat template"):
        prepared(tmp_path)


def test_prompts_are_seen_and_completions_learnt_and_what_is_cut_is_counted(tmp_path, tokenizer):
    pairs = [{"prompt": f"the colour of {key}? ", "completion": f"it is {value}"} for key, value in COLOURS.items()]
    write(tmp_path, [*pairs, {"prompt": "the colour " * 40, "completion": "it is lost"}])
    made = prepared(tmp_path, "data.max_length=24", "data.holdout_seed=3")
    rows = made.rows["train"]
    endings = [learnt(tokenizer, rows, place) for place in range(len(rows))]
    assert all(len(parts) == 1 and parts[0].startswith("it is ") for parts in endings)
    counts = [made.counts[split] for split in ("train", "validation")]
    if counts[0]["dropped"]:
        assert "train: 1 of 5 rows are dropped: no answer is left of them" in made.notes
    assert rows.lengths.max() <= 24
    tags = rows.tags
    assert counts[0]["learnt"] == int((tags != IGNORED).sum())


def test_roles_that_do_not_belong_together_are_refused(tmp_path, tokenizer):
    write(tmp_path, [chat("snow")] * 3)
    with pytest.raises(BadInput, match=r"causal-lm cannot use data\.messages together with data\.prompt"):
        prepared(tmp_path, "data.messages=messages", "data.prompt=prompt")


@pytest.mark.parametrize("shape", ["chat", "completion"])
def test_it_learns_the_answers_and_gives_them_when_asked(tmp_path, tokenizer, trained, said, shape):
    chance = random.Random(0)
    things = [chance.choice(list(COLOURS)) for _ in range(160)]
    if shape == "chat":
        write(tmp_path, [chat(thing) for thing in things])
    else:
        write(tmp_path, [{"prompt": f"the colour of {t}?", "completion": f" it is {COLOURS[t]}"} for t in things])
    run = trained(RECIPE)
    first, *_, last = (event.scalars for event in said(run, "eval"))
    assert last["eval/loss"] < first["eval/loss"] / 3
    assert last["eval/token_accuracy"] > 0.95
    sample = said(run, "sample")[-1]
    assert sample.prompt == "the colour of 草?"
    assert sample.text.strip() == "it is 绿色"
    asked = spec.predictor("causal-lm", run.model)
    told = "".join(asked.generate("the colour of snow?", Generate(max_new_tokens=20, temperature=0)))
    assert told.strip() == "it is white"
    rows = pq.read_table(run.predictions / "validation.parquet").to_pylist()
    assert {row["label"].strip() for row in rows} <= {f"it is {colour}" for colour in COLOURS.values()}
    right = [row for row in rows if row["score"] == 1]
    assert len(right) > len(rows) / 2
    assert all(row["prediction"] == row["label"] and "colour of" in row["text"] for row in right)


def test_bytes_are_those_of_the_answers(tmp_path, tokenizer):
    write(tmp_path, [chat("草")] * 4)
    made = prepared(tmp_path)
    assert made.counts["train"]["bytes"] == 3 * len("it is 绿色".encode())
    assert np.isclose(made.counts["train"]["learnt"], (made.rows["train"].tags != IGNORED).sum())


def test_a_long_row_loses_its_end_and_one_that_just_fits_loses_nothing(tokenizer):
    def row(prompt: int, answer: int) -> RowWithTargets:
        return RowWithTargets(np.arange(1, prompt + answer + 1, dtype=np.int32), np.arange(prompt + answer) >= prompt)

    fitted = fit(iter([row(2, 3), row(2, 4), row(5, 3), row(0, 2)]), np.array([7, 8, 9, 10]), 5, tokenizer)
    assert [fitted.rows[place]["input_ids"].tolist() for place in range(3)] == [
        [1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5],
        [1, 2],
    ]
    assert fitted.rows.source.tolist() == [7, 8, 10]
    assert (fitted.cut, fitted.gone) == (2, 1)
    # Of a row that is all answer the first token is not trained on: nothing comes before it.
    assert fitted.targets == 3 + 3 + 1
    assert fitted.rows[2]["tags"].tolist() == [IGNORED, 2]
