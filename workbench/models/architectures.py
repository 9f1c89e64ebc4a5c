"""Which model types can learn which task, read from transformers' own tables without importing it, which is slow."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

_TABLE: Final = re.compile(r"MODEL_FOR_\w+_MAPPING_NAMES")
_MASKED: Final = "MODEL_FOR_MASKED_LM_MAPPING_NAMES"
_WRITING: Final = "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"


@dataclass(frozen=True)
class Head:
    """The model class of a task.

    `auto_class` and `table` are transformers' names for it, `suffixes` how the names of its architectures end, and
    `families` what people would recognise. `one_way`: it must not see the tokens that it predicts.
    """

    auto_class: str
    table: str
    suffixes: tuple[str, ...]
    families: str
    one_way: bool = False


def unfit(task: str, head: Head, config: Mapping[str, object]) -> str | None:
    """Why a model of this config cannot learn the task; None where it can, or where that is not known."""
    type, there = str(config.get("model_type") or ""), _types(head.table)
    if not type or not there:
        return None
    if type not in there:
        return f"{type} has no head for {task}: use a model such as {head.families}"
    if head.one_way and _reads_both_ways(config):
        return (
            f"{type} reads a text both ways, and would see what it is to predict: use a model such as {head.families}, "
            'or task = "masked-lm"'
        )
    return None


def _reads_both_ways(config: Mapping[str, object]) -> bool:
    """Whether a model that is there for either kind of language modelling was not made a decoder."""
    type = config["model_type"]
    either = type in _types(_MASKED) and type not in _types(_WRITING)
    return either and not (config.get("is_decoder") or config.get("causal"))


def _types(table: str) -> frozenset[str]:
    return _tables().get(table, frozenset())


@lru_cache(maxsize=1)
def _tables() -> dict[str, frozenset[str]]:
    """The model types of each table; nothing of those that are not plainly written."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        return {}
    file = Path(spec.origin).parent / "models" / "auto" / "modeling_auto.py"
    try:
        module = ast.parse(file.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}
    found = {}
    for statement in module.body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Call(args=[pairs])) if _TABLE.fullmatch(name):
                found[name] = _keys(pairs)
    return found


def _keys(pairs: ast.expr) -> frozenset[str]:
    try:
        return frozenset(type for type, _ in ast.literal_eval(pairs))
    except (ValueError, TypeError):
        return frozenset()
