"""The languages of tokenizers that mark them: mBART, NLLB and M2M-100 put a code before or after every text."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from workbench.core.errors import BadInput
from workbench.core.text import clean

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CODE: Final = re.compile(r"[a-z]{2,3}_[A-Za-z]{2,4}")  # en_XX, zho_Hans
_NEAR: Final = 8


def marks(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer puts a code of the language to a text."""
    return hasattr(tokenizer, "src_lang")


def codes(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The codes a tokenizer knows, in its own order; none where it marks no languages."""
    if not marks(tokenizer):
        return []
    named = getattr(tokenizer, "lang_code_to_id", None)
    if named is None:
        named = [token for token in map(str, tokenizer.extra_special_tokens) if _CODE.fullmatch(token)]
    return [code for code in named if _token(tokenizer, code) is not None]


def speak(tokenizer: PreTrainedTokenizerBase, source: str | None, target: str | None) -> None:
    """Have the tokenizer mark sources and targets so. One that marks no languages is left as it is.

    Raises BadInput where a code is missing or not known, with those that are near.
    """
    if not marks(tokenizer):
        return
    known = codes(tokenizer)
    for field, code in (("source_language", source), ("target_language", target)):
        if code not in known:
            raise _unknown(field, code, known)
    tokenizer.src_lang, tokenizer.tgt_lang = source, target


def token_of_target(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The id that marks what is written, None where nothing does."""
    target = getattr(tokenizer, "tgt_lang", None)
    return _token(tokenizer, target) if marks(tokenizer) and target else None


def _token(tokenizer: PreTrainedTokenizerBase, code: str) -> int | None:
    spelt = tokenizer.get_lang_token(code) if hasattr(tokenizer, "get_lang_token") else code
    found = tokenizer.convert_tokens_to_ids(spelt)
    return found if isinstance(found, int) and found != tokenizer.unk_token_id else None


def _unknown(field: str, code: str | None, known: list[str]) -> BadInput:
    what = "the tokenizer marks languages, and none is given" if code is None else f"no language '{clean(code)}'"
    return BadInput(
        f"{what} ({len(known)} are known)", where=f"data.{field}", hint=f"use one of {', '.join(near(code, known))}"
    )


def near(code: str | None, known: list[str]) -> list[str]:
    """The codes that may have been meant: those that begin alike, then those spelt alike; some of all without any."""
    word = (code or "").lower()
    begun = [name for name in known if word and name[:2].lower() == word[:2]]
    alike = difflib.get_close_matches(word, known, n=_NEAR, cutoff=0.5)
    return list(dict.fromkeys(begun + alike))[:_NEAR] or known[:_NEAR]
