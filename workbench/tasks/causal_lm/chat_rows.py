"""Chats as people keep them, read as turns that a chat template understands.

OpenAI's `role` and `content` with `tool_calls`, and ShareGPT's `from` and `value` with `function_call` and
`observation`; a system text and tools in columns beside them. Both may be written as JSON in a string.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workbench.data.formats import faults

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits

Turn = dict[str, object]

_ROLES: Final = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "bing": "assistant", "bard": "assistant", "prompter": "user", "observation": "tool",
    "function": "tool", "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
_CALL: Final = ("function_call", "tool_call")  # ShareGPT's roles of a turn that is a call
_LEARNED: Final = ("weight", "train")
_BESIDE: Final = ("name", "tool_call_id", "reasoning_content", *_LEARNED)  # what else of a turn is read


@dataclass(frozen=True)
class Chat:
    """Turns with `role` and `content`, some with `tool_calls`, and the tools that they may call."""

    turns: Sequence[Turn]
    tools: Sequence[object] = ()

    def until(self, place: int) -> Chat:
        """The turns before a place."""
        return Chat(self.turns[:place], self.tools)

    def without_calls(self, place: int) -> Chat:
        """The same with no calls in one turn."""
        turn = {name: held for name, held in self.turns[place].items() if name != "tool_calls"}
        return Chat([*self.turns[:place], turn, *self.turns[place + 1 :]], self.tools)


def roles(splits: Splits) -> tuple[str, ...]:
    """The roles that a chat of these rows is read from."""
    return tuple(role for role in ("messages", "system", "tools") if splits.columns.of(role) is not None)


def of(splits: Splits, split: str) -> Iterator[tuple[object, object, object]]:
    """The turns, the system text and the tools of each row, as they are written; None for what it has not."""
    table, there = splits.tables()[split], roles(splits)
    columns = [splits.columns.of(role) if role in there else None for role in ("messages", "system", "tools")]
    for place in range(table.num_rows):
        messages, system, tools = (None if name is None else table.column(name)[place].as_py() for name in columns)
        yield messages, system, tools


def read_chat(messages: object, system: object = None, tools: object = None) -> Chat:
    """A chat out of what a row holds. Raises ValueError for what cannot be one."""
    turns = [_turn(turn, number) for number, turn in enumerate(_listed(messages, "messages"), 1)]
    if isinstance(system, str) and system.strip() and not (turns and turns[0]["role"] == "system"):
        turns.insert(0, {"role": "system", "content": system})
    return Chat(turns, _listed(tools, "tools"))


def is_learned(turn: Turn) -> bool:
    """Whether an answer is to be trained on: OpenAI's `weight` of 0, and others' `train`, say that it is not."""
    return all(turn.get(name) not in (0, False) for name in _LEARNED if name in turn)


def _listed(value: object, what: str) -> list[object]:
    """A list, or one written as JSON; nothing where there is none. Arrow's missing keys are left out."""
    if isinstance(value, str):
        value = _loaded(value, what) if value.strip() else None
    if value is None:
        return []
    return [_whole(item) for item in value] if isinstance(value, list) else [_whole(value)]


def _loaded(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"the {what} are no list, and not one written as JSON ({error})") from error


def _whole(value: object) -> object:
    """Objects without the keys that hold nothing: a table gives every row the keys of all."""
    if isinstance(value, Mapping):
        return {name: _whole(held) for name, held in value.items() if held is not None}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _turn(turn: object, number: int) -> Turn:
    if not isinstance(turn, Mapping):
        raise ValueError(f"turn {number} is no object with role and content")
    role, content = turn.get("role") or turn.get("from"), turn.get("content", turn.get("value"))
    calls = _calls(turn)
    if role in _CALL and content is not None:
        calls, content = [_call(call) for call in _listed(content, f"calls of turn {number}")], None
    if not role or (content is None and not calls):
        raise ValueError(f"turn {number} has no {'content' if role else 'role'}")
    named = "assistant" if role in _CALL else _ROLES.get(str(role), str(role))
    made: Turn = {"role": named, "content": _text(content)}
    made |= {name: turn[name] for name in _BESIDE if name in turn}
    return made | {"tool_calls": calls} if calls else made


def _text(content: object) -> str:
    if isinstance(content, str) and content.startswith('[{"type"'):
        with contextlib.suppress(ValueError):  # parts among texts, which a file of lines gives as JSON
            content = json.loads(content)
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)


def _calls(turn: Mapping[str, object]) -> list[Turn]:
    """The calls of a turn: `tool_calls`, or the one `function_call` that OpenAI had before them."""
    given = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    return [_call(call) for call in _listed(given, "tool_calls")]


def _call(call: object) -> Turn:
    """A call with its arguments as an object: templates write them as JSON."""
    if not isinstance(call, Mapping) or not (inner := _inner(call)).get("name"):
        raise ValueError(f"a call has no function with a name: {faults.quoted(call)}")
    arguments = inner.get("arguments", inner.get("parameters", {}))
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):  # then as it is: what a model wrote may be no JSON
            arguments = json.loads(arguments) if arguments.strip() else {}
    function = {"name": inner["name"], "arguments": arguments}
    return {name: call[name] for name in ("id",) if name in call} | {"type": "function", "function": function}


def _inner(call: object) -> Mapping[str, object]:
    inner = call.get("function", call) if isinstance(call, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}
