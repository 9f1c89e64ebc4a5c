"""How many tokens a model takes at once, by what its config says and how transformers numbers positions in its family.

Tables of positions have a row for each. RoBERTa and its kin begin at `padding_idx + 1` and leave the rows before it
unused, which no config says: it is read from the source of the family's model in transformers, without importing it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

_UNLIMITED: Final = 1_000_000  # transformers writes 1e30 where a tokenizer has no limit
_FIELDS: Final = ("max_position_embeddings", "n_positions", "max_seq_len")
_SIDES: Final = {"encoder": "max_encoder_position_embeddings", "decoder": "max_decoder_position_embeddings"}  # LED's
# A table whose padding is the model's own: its positions are counted from behind that.
_BEHIND_PADDING: Final = re.compile(
    r"position_embeddings\s*=\s*[\w.]+\(\s*config\.max_position_embeddings\b[^()]*padding_idx\s*=\s*self\.padding_idx"
)
_PADDING: Final = re.compile(r"self\.padding_idx\s*=\s*(?:(\d+)|config\.pad_token_id)\b")


@dataclass(frozen=True, slots=True)
class Limits:
    """Tokens at once: `positions` that the model has, None without end; `advised` is the tokenizer's own limit."""

    positions: int | None
    advised: int | None = None

    @property
    def least(self) -> int | None:
        known = [limit for limit in (self.positions, self.advised) if limit is not None]
        return min(known, default=None)

    def usual(self, usual: int) -> int:
        """The length where none is asked for."""
        return min(usual, self.least or usual)


def advised(model_max_length: object) -> int | None:
    """A tokenizer's `model_max_length`, None where that is no limit."""
    known = isinstance(model_max_length, int | float) and 0 < model_max_length < _UNLIMITED
    return int(model_max_length) if known else None  # type: ignore[call-overload]  # a number, as was just asked


def positions(config: Mapping[str, object], *, target: bool = False) -> int | None:
    """How many tokens a model of this config can take; None where it computes positions, or that is not known.

    With `target` those of the decoder beside an encoder. `config` is config.json's content or `to_dict()` of a config.
    """
    side = "decoder" if target else "encoder"
    for inner in (config.get(side), config.get("text_config")):
        if isinstance(inner, Mapping):
            return positions(inner)
    type = str(config.get("model_type") or "")
    there = [_number(config, field, type) for field in (_SIDES[side], *_FIELDS)]
    found = next((number for number in there if number is not None), None)
    # T5 and its kin write a number too, and have no table.
    relative = "relative_attention_num_buckets" in config and "max_position_embeddings" not in config
    return None if found is None or relative else found - _unused(type, config)


def _number(config: Mapping[str, object], field: str, type: str) -> int | None:
    value = config[field] if field in config else _default(type, field)
    return value if isinstance(value, int) and 0 < value < _UNLIMITED else None


def _unused(type: str, config: Mapping[str, object]) -> int:
    """How many rows at the beginning of its table of positions a family leaves unused."""
    source = _source(f"modeling_{type}")
    if not _BEHIND_PADDING.search(source):
        return 0
    found = _PADDING.search(source)
    padding = found[1] if found and found[1] else config.get("pad_token_id", _default(type, "pad_token_id"))
    return 0 if padding is None else int(str(padding)) + 1


def _default(type: str, field: str) -> int | None:
    """What a config of this type says where its file does not."""
    found = re.search(rf"^    {field}\s*(?::[^=\n]*)?=\s*(\d+)", _source(f"configuration_{type}"), re.MULTILINE)
    return int(found[1]) if found else None


@lru_cache(maxsize=16)
def _source(name: str) -> str:
    """The source of a file of transformers' models; empty where there is none of that name."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        return ""
    found = Path(spec.origin).parent.glob(f"models/*/{name.replace('-', '_')}.py")
    return next((path.read_text("utf-8") for path in found), "")
