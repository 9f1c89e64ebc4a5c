"""What a tokenizer does not know: the parts of a text that become its unknown token, and are lost to the model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from workbench.data.cache import token_entry
from workbench.data.cache.token_entry import Arrays
from workbench.data.formats import faults
from workbench.data.tables import columns
from workbench.data.tables.splits import Splits

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ROWS: Final = 1000
_CHARACTERS: Final = 2000  # of a text: its beginning tells
_WORTH_SAYING: Final = 0.005  # of all tokens
_SHOWN: Final = 3


@dataclass(frozen=True)
class Unknown:
    """Of so many tokens, how many stand for what the tokenizer does not know, and what that mostly is."""

    tokens: int
    unknown: int
    common: tuple[str, ...]

    @property
    def share(self) -> float:
        return self.unknown / max(self.tokens, 1)


def of(texts: list[str], tokenizer: Tokenizer) -> Unknown | None:
    """Special tokens are not counted. None for a tokenizer that knows everything, as byte-level ones do."""
    unknown = _unknown_id(tokenizer)
    if unknown is None:
        return None
    tokens, seen = 0, Counter[str]()
    rows = tokenizer.encode_batch(texts, add_special_tokens=False)
    for text, row in zip(texts, rows, strict=True):
        tokens += len(row.ids)
        seen.update(text[slice(*row.offsets[place])] for place, id in enumerate(row.ids) if id == unknown)
    return Unknown(tokens, seen.total(), tuple(part for part, _ in seen.most_common(_SHOWN)))


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of its unknown token, None where there is none. A Unigram model tells it in its description alone."""
    model = tokenizer.model
    if getattr(model, "byte_fallback", False):
        return None
    if hasattr(model, "unk_token"):
        return tokenizer.token_to_id(model.unk_token) if model.unk_token else None
    described = json.loads(tokenizer.to_str())["model"]
    return None if described.get("byte_fallback") else described.get("unk_id")


def notes(splits: Splits, tokenizer: Tokenizer) -> list[str]:
    """What the tokenizer does not know of train, where that is more than a trace: of texts, and of targets too."""
    columns = {"text": splits.texts("train")}
    if splits.columns.of("target") is not None:
        columns["target"] = splits.texts("train", "target")
    found = {role: _kept(splits, _sample(texts), tokenizer) for role, texts in columns.items()}
    return [_sentence(role, said) for role, said in found.items() if said and said.share >= _WORTH_SAYING]


def _kept(splits: Splits, texts: list[str], tokenizer: Tokenizer) -> Unknown | None:
    """The same, found in the splits' cache where these texts were looked at before."""
    cache = splits.keeping("train")
    if cache is None:
        return of(texts, tokenizer)

    def make() -> Iterator[Arrays]:
        found = of(texts, tokenizer)
        yield {"json": np.frombuffer(json.dumps(found and asdict(found)).encode(), np.uint8)}

    key = token_entry.key_of([pa.array(texts, pa.string())], "unknown", token_entry.tokenizer_digest(tokenizer))
    about = {"holds": "unknown tokens", "data": str(splits.origins["train"]), "rows": len(texts)}
    told = json.loads(cache.arrays(key, about, make)["json"].tobytes())
    return told and Unknown(told["tokens"], told["unknown"], tuple(told["common"]))


def _sample(texts: pa.ChunkedArray) -> list[str]:
    places = np.unique(np.linspace(0, max(len(texts) - 1, 0), min(len(texts), _ROWS)).astype(np.int64))
    return [(text or "")[:_CHARACTERS] for text in columns.picked(texts, places).to_pylist()]


def _sentence(role: str, found: Unknown) -> str:
    such = ", ".join(faults.quoted(part, 12) for part in found.common)
    return (
        f"train: the tokenizer does not know {100 * found.share:.1f} % of the {role}'s tokens, such as {such}: "
        "the model sees the same unknown token for each"
    )
