"""Prompts and their completions, and chats: rows in which only some tokens are to be predicted.

Of a chat those are the assistant's turns, found by the model's own chat template: the text it gives for the turns up
to one must begin the text of all, or where the turn begins and ends cannot be told, and the row is refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import BadInput, DataError
from workbench.data.cache.token_entry import Arrays, joined
from workbench.data.formats import faults
from workbench.tasks.causal_lm import chat_rows
from workbench.tasks.causal_lm.chat_rows import Chat
from workbench.tasks.causal_lm.packing import WithoutSpecialTokens, begins, ends
from workbench.tasks.shared.kept_tokens import bounded, kept_arrays, together
from workbench.tasks.shared.rows import IGNORED, TokenRows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits

_AT_ONCE: Final = 500
_OTHER_TEMPLATE: Final = '(take one that does, such as model.chat_template = "chatml", or leave these rows out)'


@dataclass(frozen=True)
class RowWithTargets:
    """A row: its tokens, and for each whether it is to be predicted."""

    ids: NDArray[np.int32]
    targets: NDArray[np.bool_]


def completions(
    splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase, *, everything: bool
) -> Iterator[RowWithTargets]:
    """Prompt and completion encoded each alone, as a prompt is when the model is asked; the end token after both."""
    begin, end = begins(tokenizer), ends(tokenizer)
    prompts = splits.texts(split, "prompt").to_pylist()
    answers = splits.texts(split, "completion").to_pylist()
    plain = WithoutSpecialTokens(tokenizer)
    for start in range(0, len(prompts), _AT_ONCE):
        asked = plain(prompts[start : start + _AT_ONCE], verbose=False)["input_ids"]
        written = plain(answers[start : start + _AT_ONCE], verbose=False)["input_ids"]
        for prompt, answer in zip(asked, written, strict=True):
            ids = np.asarray([*begin, *prompt, *answer, *end], np.int32)
            yield RowWithTargets(ids, (np.arange(len(ids)) >= len(begin) + len(prompt)) | everything)


def chats(
    splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase, *, everything: bool
) -> Iterator[RowWithTargets]:
    """Chats through the model's template. Raises DataError with the place of a row."""
    for position, row in enumerate(chat_rows.of(splits, split)):
        try:
            chat = chat_rows.read_chat(*row)
            text = render(tokenizer, chat)
            _check_written(tokenizer, chat, text)
            spans = [(0, len(text))] if everything else answers_in(tokenizer, chat, text)
        except ValueError as error:
            raise DataError(str(error), where=splits.place(split, position)) from error
        yield _tokens_in(tokenizer, text, spans)


def _check_written(tokenizer: PreTrainedTokenizerBase, chat: Chat, text: str) -> None:
    """Raises ValueError where the template leaves out the tools, or a call of them."""
    for place, turn in enumerate(chat.turns):
        if turn.get("tool_calls") and text == render(tokenizer, chat.without_calls(place)):
            raise ValueError(
                f"the chat template writes nothing of the tool calls in turn {place + 1} {_OTHER_TEMPLATE}"
            )
    if chat.tools and text == render(tokenizer, Chat(chat.turns)):
        raise ValueError(f"the chat template writes nothing of the tools of this row {_OTHER_TEMPLATE}")


def check_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises BadInput for a tokenizer that has no chat template, or cannot say where its tokens stand."""
    if not tokenizer.is_fast:
        raise BadInput("a chat needs a fast tokenizer", where="model.tokenizer", hint="use one of its family")
    if not tokenizer.chat_template:
        raise BadInput(
            "the tokenizer has no chat template",
            where="data.messages",
            hint='set model.chat_template = "chatml", or a file with one, or use a model tuned for chat',
        )


def render(tokenizer: PreTrainedTokenizerBase, chat: Chat, *, ask: bool = False) -> str:
    """The text of the turns; with `ask`, up to where the assistant begins. Raises ValueError where they do not fit."""
    from jinja2 import TemplateError

    # Any, for transformers' annotations know turns of texts alone.
    given: Any = {"conversation": list(chat.turns), "tools": list(chat.tools) or None}
    try:
        text = str(tokenizer.apply_chat_template(**given, tokenize=False, add_generation_prompt=ask))
    except (TemplateError, TypeError) as error:
        raise ValueError(f"the chat template refuses these turns ({faults.quoted(error, 100)})") from error
    return text


def answers_in(tokenizer: PreTrainedTokenizerBase, chat: Chat, text: str) -> list[tuple[int, int]]:
    """Where in the text of all turns each of the assistant's stands, the sign of its end included.

    Raises ValueError where the template gives the earlier turns otherwise, or an answer not as it is written.
    """
    found = []
    for place, turn in enumerate(chat.turns):
        if turn["role"] != "assistant" or not chat_rows.is_learned(turn):
            continue
        before = render(tokenizer, chat.until(place), ask=True) if place else ""
        until = render(tokenizer, chat.until(place + 1)).rstrip()
        if not text.startswith(before) or not text.startswith(until):
            raise ValueError(
                f"the chat template writes turn {place + 1} otherwise when others follow: "
                "which tokens are the assistant's cannot be told (train on all with train.loss_on)"
            )
        content = str(turn["content"] or "").strip()
        if content not in text[len(before) : len(until)]:
            raise ValueError(f"the chat template changes what the assistant says in turn {place + 1}")
        start = len(before) if place else text.index(content)
        found.append((start, len(until)))
    return found


def _tokens_in(tokenizer: PreTrainedTokenizerBase, text: str, spans: Sequence[tuple[int, int]]) -> RowWithTargets:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = np.asarray(encoded["offset_mapping"], np.int64).reshape(-1, 2)
    targets = np.zeros(len(offsets), bool)
    for start, end in spans:
        targets |= (offsets[:, 0] >= start) & (offsets[:, 1] <= end) & (offsets[:, 1] > offsets[:, 0])
    return RowWithTargets(np.asarray(encoded["input_ids"], np.int32), targets)


def turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token by which the template ends an answer; None where it has no token of its own for that."""
    asked = Chat(({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}))
    try:
        text = render(tokenizer, asked)
        ((_, until),) = answers_in(tokenizer, asked, text)
    except ValueError:
        return None
    after = text[text.rindex("b", 0, until) + 1 : until].strip()
    ids = tokenizer(after, add_special_tokens=False, verbose=False)["input_ids"] if after else []
    return ids[0] if ids and ids[0] in tokenizer.all_special_ids else None


def asked(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of what a user says, up to where the assistant begins."""
    text = render(tokenizer, Chat(({"role": "user", "content": prompt},)), ask=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


@dataclass(frozen=True)
class FittedRows:
    """Rows of at most so many tokens: how many were cut, and how many went because no target was left of them.

    `targets` are the tokens that are to be predicted, `size` their bytes as UTF-8.
    """

    rows: TokenRows
    cut: int
    gone: int
    targets: int
    size: int


def read(
    splits: Splits, split: str, tokenizer: PreTrainedTokenizerBase, longest: int, *, chat: bool, everything: bool
) -> FittedRows:
    """The rows of a split, chats or prompts with completions, found in the splits' cache where they were made before.

    Raises BadInput where a tokenizer has no chat template, DataError with the place of a row.
    """
    if chat:
        check_template(tokenizer)
    settings: dict[str, object] = {"task": "causal-lm", "max_length": longest, "all": everything}
    settings |= _ways_of_chats(tokenizer) if chat else {"begins": begins(tokenizer), "ends": ends(tokenizer)}
    roles = chat_rows.roles(splits) if chat else ("prompt", "completion")
    made = chats if chat else completions

    def make() -> Iterator[Arrays]:
        return _cut_to(longest, made(splits, split, tokenizer, everything=everything), tokenizer)

    found = kept_arrays(splits, split, tokenizer, settings, make, roles)
    return _fitted(found, np.asarray(splits.tables()[split].column("__row__")))


def _ways_of_chats(tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    """What a template makes of a chat depends on. Some templates write the date."""
    template = str(tokenizer.chat_template)
    today = datetime.date.today().isoformat() if "strftime_now" in template else ""
    return {"template": template, "special": str(tokenizer.special_tokens_map), "today": today}


def fit(
    rows: Iterator[RowWithTargets], source: NDArray[np.int64], longest: int, tokenizer: PreTrainedTokenizerBase
) -> FittedRows:
    """The rows cut at their end to `longest` tokens; `source` numbers them. A first token is never predicted."""
    return _fitted(joined(_cut_to(longest, rows, tokenizer)), source)


def _cut_to(longest: int, rows: Iterator[RowWithTargets], tokenizer: PreTrainedTokenizerBase) -> Iterator[Arrays]:
    """The arrays of `_fitted`, some rows at a time."""
    none = np.zeros(0, np.int32)
    nothing = dict.fromkeys(("ids", "tags", "lengths", "place", "cut"), none)
    each = (_row(row, place, longest) for place, row in enumerate(rows))
    return bounded(piece | _counted(piece, tokenizer) for piece in together(each, nothing))


def _row(row: RowWithTargets, place: int, longest: int) -> Arrays:
    """The arrays of one row, empty where it has no target."""
    ids, targets = row.ids[:longest], row.targets[:longest].copy()
    targets[:1] = False
    there = int(targets.any())
    ids, targets = ids[: there * len(ids)], targets[: there * len(ids)]
    return {
        "ids": ids,
        "tags": np.where(targets, ids, np.int32(IGNORED)),
        "lengths": np.full(there, len(ids), np.int32),
        "place": np.full(there, place, np.int32),
        "cut": np.array([len(row.ids) > longest], np.int32),
    }


def _counted(piece: Arrays, tokenizer: PreTrainedTokenizerBase) -> Arrays:
    """How many tokens are to be predicted, and their bytes as UTF-8."""
    targets = np.where(piece["tags"] == IGNORED, -1, piece["ids"])
    rows = [part[part >= 0].tolist() for part in np.split(targets, np.cumsum(piece["lengths"])[:-1])]
    texts = tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return {"learnt": np.array([(targets >= 0).sum()]), "size": np.array([size])}


def _fitted(found: Arrays, source: NDArray[np.int64]) -> FittedRows:
    place = found["place"]
    rows = TokenRows(found["ids"], found["bounds"], source[place], tags=found["tags"])
    cut, targets, size = (int(found[name].sum()) for name in ("cut", "learnt", "size"))
    return FittedRows(rows, cut, len(source) - len(place), targets, size)
