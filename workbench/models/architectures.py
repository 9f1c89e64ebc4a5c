"""Which model types can learn which task, read from transformers' own tables without importing it, which is slow."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_TABLES: Final = {
    "text-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "token-classification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "question-answering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    "seq2seq": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
}
_USUAL: Final = {
    "text-classification": "BERT, RoBERTa or DeBERTa",
    "token-classification": "BERT, RoBERTa or DeBERTa",
    "question-answering": "BERT, RoBERTa or DeBERTa",
    "seq2seq": "T5, BART, mBART or Marian",
    "causal-lm": "GPT-2, Llama or Qwen",
    "masked-lm": "BERT, RoBERTa or DeBERTa",
}


def unfit(task: str, config: Mapping[str, Any]) -> str | None:
    """Why a model of this config cannot learn the task; None where it can, or where that is not known."""
    type, there = str(config.get("model_type") or ""), _types(task)
    if not type or not there:
        return None
    if type not in there:
        return f"{type} has no head for {task}: use a model such as {_USUAL[task]}"
    if task == "causal-lm" and _reads_both_ways(config):
        return (
            f"{type} reads a text both ways, and would see what it is to foresee: use a model such as {_USUAL[task]}, "
            'or task = "masked-lm"'
        )
    return None


def _reads_both_ways(config: Mapping[str, Any]) -> bool:
    """Whether a model that is there for either kind of language modelling was not made a decoder."""
    type = config["model_type"]
    either = type in _types("masked-lm") and type not in _types("seq2seq")
    return either and not (config.get("is_decoder") or config.get("causal"))


def _types(task: str) -> frozenset[str]:
    return _tables().get(_TABLES[task], frozenset())


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
            case ast.Assign([ast.Name(name)], ast.Call(args=[pairs])) if name in _TABLES.values():
                found[name] = _keys(pairs)
    return found


def _keys(pairs: ast.expr) -> frozenset[str]:
    try:
        return frozenset(type for type, _ in ast.literal_eval(pairs))
    except (ValueError, TypeError):
        return frozenset()
