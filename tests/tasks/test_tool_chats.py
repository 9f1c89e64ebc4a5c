"""Chats that call tools, in OpenAI's form and ShareGPT's, and chats of a model whose tokenizer has no template."""

from __future__ import annotations

import json

import pytest
from transformers import PreTrainedConfig

from workbench.core.errors import BadInput, DataError
from workbench.models import chat_templates
from workbench.models.weights import train_bpe
from workbench.tasks import recipe_union, spec
from workbench.tasks.causal_lm import chat_rows
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import IGNORED

PLAIN = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
OPENAI = [
    {"role": "user", "content": "Weather in Oslo?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sun"},
    {"role": "assistant", "content": "Sunny."},
]
SHARED = [
    {"from": "human", "value": "Weather in Oslo?"},
    {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
    {"from": "observation", "value": "sun"},
    {"from": "gpt", "value": "Sunny."},
]
WRITTEN = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


@pytest.fixture
def prepared(tmp_path):
    """The rows of chats made into tokens, and what is learned of the first, as text."""

    def made(rows: list[dict], *, template: str | None = "chatml", own: str | None = None):
        tokenizer = train_bpe(["a chat of the weather in Oslo"], 300)
        tokenizer.chat_template = own
        tokenizer.save_pretrained(tmp_path / "tokens")
        (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        asked = {
            "name": "x", "task": "causal-lm", "data": {"train": "train.jsonl", "validation": "train.jsonl"},
            "model": {"architecture": "gpt2", "tokenizer": "tokens", "chat_template": template},
        }  # fmt: skip
        recipe = recipe_union.stored(asked)
        task, splits = spec.task_of("causal-lm"), splits_for(recipe, [tmp_path])
        tokens = task.tokenizer(recipe, splits, [tmp_path])
        ready = task.prepare(recipe, splits, tokens, PreTrainedConfig(max_position_embeddings=1024))
        item = ready.rows["train"][0]
        learned = [token for token, tag in zip(item["input_ids"], item["tags"], strict=True) if tag != IGNORED]
        return ready, tokens.decode(item["input_ids"]), tokens.decode(learned)

    return made


def test_openai_calls_are_written_by_the_template_and_learned(prepared):
    _, whole, learned = prepared([{"messages": OPENAI, "tools": TOOLS}] * 2)
    assert '"name": "weather", "parameters"' in whole
    assert learned == f"{WRITTEN}<|endoftext|>Sunny.<|endoftext|>"
    assert "sun<|endoftext|>" in whole


def test_sharegpt_calls_with_tools_as_json_and_a_system_text_are_the_same(prepared):
    other = {"conversations": SHARED, "tools": json.dumps(TOOLS), "system": "Be brief."}
    _, whole, learned = prepared([other] * 2)
    assert learned == f"{WRITTEN}<|endoftext|>Sunny.<|endoftext|>"
    assert "system\nBe brief.\n\nYou may call" in whole


def test_a_system_text_beside_the_turns_is_their_first(prepared):
    ready, whole, learned = prepared([{"conversations": SHARED[::3], "system": "Be brief."}] * 2)
    assert whole.startswith("<|im_start|>system\nBe brief.<|endoftext|>\n<|im_start|>user\nWeather in Oslo?")
    assert learned == "Sunny.<|endoftext|>"
    assert ready.splits.columns.of("system") == "system"


def test_a_split_without_tools_is_read_all_the_same(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"messages": OPENAI, "tools": TOOLS}))
    (tmp_path / "v.jsonl").write_text(json.dumps({"messages": OPENAI}))
    data = {"train": "t.jsonl", "validation": "v.jsonl"}
    recipe = recipe_union.stored({"name": "x", "task": "causal-lm", "model": {"name": "m"}, "data": data})
    assert [row[2] for row in chat_rows.of(splits_for(recipe, [tmp_path]), "validation")] == [None]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": OPENAI}, "writes nothing of the tool calls in turn 2"),
        ({"messages": OPENAI[:1] + OPENAI[3:], "tools": TOOLS}, "writes nothing of the tools of this row"),
    ],
)
def test_a_template_that_leaves_out_calls_or_tools_is_refused_and_the_hint_works(prepared, row, said):
    with pytest.raises(DataError, match=rf'train.jsonl:1: .*{said} .*model.chat_template = "chatml"') as refused:
        prepared([row] * 2, template=None, own=PLAIN)
    assert "None" not in refused.value.sentence
    assert prepared([row] * 2, own=PLAIN)[2].endswith("Sunny.<|endoftext|>")


def test_a_turn_without_weight_is_not_learned(prepared):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bad", "weight": 0}]
    turns += [{"role": "user", "content": "b"}, {"role": "assistant", "content": "good", "weight": 1}]
    assert prepared([{"messages": turns}] * 2)[2] == "good<|endoftext|>"


def test_arguments_that_are_no_json_stay_as_they_are():
    chat = chat_rows.read_chat([{"role": "assistant", "function_call": {"name": "f", "arguments": "x ="}}])
    assert chat.turns[0]["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": "x ="}}]


def test_a_template_of_ones_own_comes_from_a_file(prepared, tmp_path):
    (tmp_path / "own.jinja").write_text(
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}"
    )
    ready, whole, _ = prepared([{"messages": OPENAI[::3]}] * 2, template="own.jinja")
    assert whole == "[user] Weather in Oslo?<|endoftext|>[assistant] Sunny.<|endoftext|>"
    ready.tokenizer.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "chat_template.jinja").is_file()


def test_a_template_that_is_nowhere_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no file and no known template 'chatlm' \(did you mean 'chatml'\?\)"):
        chat_templates.text_of("chatlm", [tmp_path])


def test_contents_may_be_texts_in_one_row_and_parts_in_another(prepared):
    parts = [{"type": "text", "text": "Sun"}, {"type": "text", "text": "ny."}]
    rows = [
        {"messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": said}]}
        for said in (parts, "Rainy.")
    ]
    for given in (rows, rows[::-1]):
        ready, _, learned = prepared(given)
        assert len(ready.rows["train"]) == 2
        assert learned.startswith("Sunny." if given is rows else "Rainy.")


def test_arguments_of_several_types_are_refused_and_the_hint_works(prepared):
    def row(value, written=lambda arguments: arguments):
        call = {"type": "function", "function": {"name": "weather", "arguments": written({"city": value})}}
        return {"messages": [OPENAI[0], {"role": "assistant", "content": None, "tool_calls": [call]}]}

    with pytest.raises(DataError, match=r"arguments of every row as JSON in a string"):
        prepared([row("Oslo"), row(7)])
    assert '"city": "Oslo"' in prepared([row("Oslo", json.dumps), row(7, json.dumps)])[2]
