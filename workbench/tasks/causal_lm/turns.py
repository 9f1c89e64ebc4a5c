"""Prompts and their completions, and chats: rows in which only some tokens are learnt.

Of a chat those are the assistant's turns, found by the model's own chat template: the text it gives for the turns up
to one must begin the text of all, or where the turn begins and ends cannot be told, and the row is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import BadInput, DataError
from workbench.data.formats import faults
from workbench.tasks.causal_lm.packing import Plain, begins, ends
from workbench.tasks.shared.rows import IGNORED, TokenRows

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits

_ROLES: Final = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_AT_ONCE: Final = 500

Turns = list[dict[str, str]]


@dataclass(frozen=True)
class Learnt:
    """A row: its tokens, and for each whether it is to be foreseen."""

    ids: NDArray[np.int32]
    learnt: NDArray[np.bool_]


def completions(splits: Splits, split: str, tokenizer: Any, *, all_of_it: bool) -> Iterator[Learnt]:
    """Prompt and completion encoded each alone, as a prompt is when the model is asked; the end token after both."""
    begin, end = begins(tokenizer), ends(tokenizer)
    prompts = splits.texts(split, "prompt").to_pylist()
    answers = splits.texts(split, "completion").to_pylist()
    plain = Plain(tokenizer)
    for start in range(0, len(prompts), _AT_ONCE):
        asked = plain(prompts[start : start + _AT_ONCE], verbose=False)["input_ids"]
        written = plain(answers[start : start + _AT_ONCE], verbose=False)["input_ids"]
        for prompt, answer in zip(asked, written, strict=True):
            ids = np.asarray([*begin, *prompt, *answer, *end], np.int32)
            yield Learnt(ids, (np.arange(len(ids)) >= len(begin) + len(prompt)) | all_of_it)


def chats(splits: Splits, split: str, tokenizer: Any, *, all_of_it: bool) -> Iterator[Learnt]:
    """Chats through the model's template. Raises BadInput where there is none, DataError with the place of a row."""
    check_template(tokenizer)
    for position, value in enumerate(splits.values(split, "messages").to_pylist()):
        try:
            turns = read_turns(value)
            text = render(tokenizer, turns)
            spans = [(0, len(text))] if all_of_it else answers_in(tokenizer, turns, text)
        except ValueError as error:
            raise DataError(str(error), where=splits.place(split, position)) from error
        yield _tokens_in(tokenizer, text, spans)


def check_template(tokenizer: Any) -> None:
    """Raises BadInput for a tokenizer that has no chat template, or cannot say where its tokens stand."""
    if not tokenizer.is_fast:
        raise BadInput("a chat needs a fast tokenizer", where="model.tokenizer", mend="use one of its family")
    if not tokenizer.chat_template:
        raise BadInput(
            "the tokenizer has no chat template",
            where="data.messages",
            mend="use a model tuned for chat, or data.prompt and data.completion",
        )


def read_turns(value: Any) -> Turns:
    """A chat as `{"role", "content"}` turns; ShareGPT's `from` and `value` are understood. Raises ValueError."""
    turns: Turns = []
    for number, turn in enumerate(value or (), 1):
        if not isinstance(turn, dict):
            raise ValueError(f"turn {number} is no object with role and content")
        role, content = turn.get("role") or turn.get("from"), turn.get("content", turn.get("value"))
        if not role or content is None:
            raise ValueError(f"turn {number} has no {'content' if role else 'role'}")
        if isinstance(content, list):
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        turns.append({"role": _ROLES.get(str(role), str(role)), "content": str(content)})
    return turns


def render(tokenizer: Any, turns: Turns, *, ask: bool = False) -> str:
    """The text of the turns; with `ask`, up to where the assistant begins. Raises ValueError where they do not fit."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask)
    except (TemplateError, TypeError) as error:
        raise ValueError(f"the chat template refuses these turns ({faults.quoted(error, 100)})") from error
    return text


def answers_in(tokenizer: Any, turns: Turns, text: str) -> list[tuple[int, int]]:
    """Where in the text of all turns each of the assistant's stands, the sign of its end included.

    Raises ValueError where the template gives the earlier turns otherwise, or an answer not as it is written.
    """
    found = []
    for place, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        before = render(tokenizer, turns[:place], ask=True) if place else ""
        until = render(tokenizer, turns[: place + 1]).rstrip()
        if not text.startswith(before) or not text.startswith(until):
            raise ValueError(
                f"the chat template writes turn {place + 1} otherwise when others follow: "
                "which tokens are the assistant's cannot be told (learn all with train.loss_on)"
            )
        content = turn["content"].strip()
        if content not in text[len(before) : len(until)]:
            raise ValueError(f"the chat template changes what the assistant says in turn {place + 1}")
        start = len(before) if place else text.index(content)
        found.append((start, len(until)))
    return found


def _tokens_in(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> Learnt:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = np.asarray(encoded["offset_mapping"], np.int64).reshape(-1, 2)
    learnt = np.zeros(len(offsets), bool)
    for start, end in spans:
        learnt |= (offsets[:, 0] >= start) & (offsets[:, 1] <= end) & (offsets[:, 1] > offsets[:, 0])
    return Learnt(np.asarray(encoded["input_ids"], np.int32), learnt)


def turn_end(tokenizer: Any) -> int | None:
    """The token by which the template ends an answer; None where it has no token of its own for that."""
    asked = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    try:
        text = render(tokenizer, asked)
        ((_, until),) = answers_in(tokenizer, asked, text)
    except ValueError:
        return None
    after = text[text.rindex("b", 0, until) + 1 : until].strip()
    ids = tokenizer(after, add_special_tokens=False, verbose=False)["input_ids"] if after else []
    return ids[0] if ids and ids[0] in tokenizer.all_special_ids else None


def asked(tokenizer: Any, prompt: str) -> list[int]:
    """The tokens of what a user says, up to where the assistant begins."""
    text = render(tokenizer, [{"role": "user", "content": prompt}], ask=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


@dataclass(frozen=True)
class Fitted:
    """Rows of at most so many tokens: how many were cut, and how many went because nothing learnt was left of them."""

    rows: TokenRows
    cut: int
    gone: int
    learnt: int


def fit(rows: Iterator[Learnt], source: NDArray[np.int64], longest: int) -> Fitted:
    """The rows cut at their end to `longest` tokens; `source` numbers them. A first token is never foreseen."""
    kept, tags, places, cut = [], [], [], 0
    for place, row in enumerate(rows):
        cut += len(row.ids) > longest
        ids, learnt = row.ids[:longest], row.learnt[:longest].copy()
        learnt[:1] = False
        if learnt.any():
            kept.append(ids)
            tags.append(np.where(learnt, ids, IGNORED).astype(np.int64))
            places.append(source[place])
    every = np.concatenate(tags) if tags else np.zeros(0, np.int64)
    packed = TokenRows.pack(kept, np.asarray(places, np.int64), tags=every)
    return Fitted(packed, cut, len(source) - len(kept), int((every != IGNORED).sum()))
