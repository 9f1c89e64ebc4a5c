"""SQuAD's JSON: articles of paragraphs of questions, made one row a question.

Rajpurkar et al. 2016 and 2018 (v1.1 and v2.0); CMRC 2018, DRCD and DuReader nest alike, and CMRC's own files hold
paragraphs at once, with `context_text` and `query_text`. Every row has `id`, `title`, `context`, `question`,
`answers` (struct of the lists `text` and `answer_start`, in characters) and `is_impossible`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from workbench.core.errors import DataError
from workbench.data.formats import faults, records
from workbench.data.formats.notes import noted

SCHEMA: Final = pa.schema(
    {
        "id": pa.string(),
        "title": pa.string(),
        "context": pa.string(),
        "question": pa.string(),
        "answers": pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int64())}),
        "is_impossible": pa.bool_(),
    }
)
_CONTEXT = ("context", "context_text")
_QUESTION = ("question", "query_text")
_ID = ("id", "query_id")


def is_squad(document: Any) -> bool:
    """Whether a JSON document is nested as SQuAD is, or as CMRC's paragraphs."""
    listed = document.get("data") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        return False
    return any(isinstance(item, dict) and ("paragraphs" in item or _is_paragraph(item)) for item in listed)


def _is_paragraph(item: dict[str, Any]) -> bool:
    return isinstance(item.get("qas"), list) and any(name in item for name in _CONTEXT)


@dataclass
class _Odd:
    """What was met on the way that can be read all the same; each with the place of the first."""

    unanswered: list[str] = field(default_factory=list)
    sought: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)

    def notes(self, path: Path) -> list[str]:
        said = {
            "questions have no answer and are not marked impossible": self.unanswered,
            "answers have no answer_start: where each first stands in its context is taken": self.sought,
            "answers do not stand in their context; their answer_start is -1": self.unplaced,
        }
        return [f"{path}: {len(places)} {what} (the first: {places[0]})" for what, places in said.items() if places]


def table(path: Path, document: Any) -> pa.Table:
    """The questions as rows. Raises DataError with the path within the document where a part is not as it should be."""
    odd = _Odd()
    rows = list(_rows(path, document, odd))
    if not rows:
        raise DataError("holds no questions", where=str(path))
    try:
        return noted(pa.Table.from_pylist(rows, SCHEMA), odd.notes(path))
    except UnicodeEncodeError as error:
        row = next(index for index, row in enumerate(rows) if records.has_surrogate(row))
        at = f"{path}, question {faults.quoted(rows[row]['id'])}"
        raise DataError("holds half a surrogate pair, which is no character", where=at) from error


def _rows(path: Path, document: Any, odd: _Odd) -> Iterator[dict[str, Any]]:
    listed, name = (document["data"], "data") if isinstance(document, dict) else (document, "")
    for number, article in enumerate(listed):
        part = _Part(path, f"{name}[{number}]", article)
        if "paragraphs" in part.held:
            title = part.text("title", default="")
            for paragraph in part.parts("paragraphs"):
                yield from _questions(paragraph, title, odd)
        else:
            yield from _questions(part, part.text("title", default=""), odd)


def _questions(paragraph: _Part, title: str, odd: _Odd) -> Iterator[dict[str, Any]]:
    context = paragraph.text(*_CONTEXT)
    for asked in paragraph.parts("qas"):
        impossible = bool(asked.held.get("is_impossible", False))
        found = [] if impossible else list(_answers(asked, context, odd))
        if not found and not impossible:
            odd.unanswered.append(asked.at)
        yield {
            "id": asked.text(*_ID, default=asked.at),
            "title": title,
            "context": context,
            "question": asked.text(*_QUESTION),
            "answers": {"text": [text for text, _ in found], "answer_start": [start for _, start in found]},
            "is_impossible": impossible,
        }


def _answers(asked: _Part, context: str, odd: _Odd) -> Iterator[tuple[str, int]]:
    for number, answer in enumerate(asked.items("answers", default=[])):
        at = f"{asked.at}.answers[{number}]"
        part = _Part(asked.path, at, {"text": answer} if isinstance(answer, str) else answer)
        text, start = part.text("text"), part.held.get("answer_start")
        if start is None:
            start = context.find(text)
            (odd.unplaced if start < 0 else odd.sought).append(at)
        if not isinstance(start, int) or isinstance(start, bool) or not -1 <= start < 1 << 62:
            raise part.wrong(f"answer_start is no whole number: {faults.quoted(start)}")
        yield text, start


class _Part:
    """An object within the document, and where it stands."""

    def __init__(self, path: Path, at: str, held: Any) -> None:
        self.path, self.at = path, at
        if not isinstance(held, dict):
            raise self.wrong("no object")
        self.held: dict[str, Any] = held

    def wrong(self, what: str) -> DataError:
        return DataError(what, where=f"{self.path}: {self.at}")

    def text(self, *names: str, default: str | None = None) -> str:
        """The string under the first of `names` that is there; numbers, which some files have as ids, as strings."""
        value = next((self.held[name] for name in names if self.held.get(name) is not None), default)
        if value is None:
            raise self.wrong(f"no {names[0]}")
        if isinstance(value, int | float):
            return str(value)
        if not isinstance(value, str):
            raise self.wrong(f"{names[0]} is no string: {faults.quoted(value)}")
        return value

    def items(self, name: str, default: list[Any] | None = None) -> list[Any]:
        value = self.held.get(name)
        value = default if value is None else value
        if value is None:
            raise self.wrong(f"no {name}")
        if not isinstance(value, list):
            raise self.wrong(f"{name} is no list: {faults.quoted(value)}")
        return value

    def parts(self, name: str) -> Iterator[_Part]:
        for number, held in enumerate(self.items(name)):
            yield _Part(self.path, f"{self.at}.{name}[{number}]", held)
