"""Tokens of a split that are made once: found in the cache of the splits, or made and kept there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.data.cache import kept_tables, token_entry
from workbench.data.cache.token_entry import Arrays
from workbench.data.formats.text_lines import are_lines
from workbench.data.tables import columns
from workbench.tasks.shared.encoding import TokenIds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from workbench.data.tables.splits import Splits

_AT_ONCE: Final = 1000  # rows


@dataclass(frozen=True)
class KeptTokens:
    """`ids` int32 [tokens], mapped from a file where they are kept; row i is `ids[bounds[i]:bounds[i + 1]]`.

    `cut` rows were too long. `segments` int8 [tokens] are those of pairs, where the model has them.
    """

    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    cut: int
    segments: NDArray[np.int8] | None = None


def kept(
    splits: Splits,
    split: str,
    roles: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    settings: Mapping[str, object],
    read: Callable[[], Iterator[TokenIds]],
) -> KeptTokens:
    """The tokens that `read` makes of the texts of these roles. `settings` are all else that they depend on."""

    def make() -> Iterator[Arrays]:
        return bounded(map(_arrays, read()))

    return _of(kept_arrays(splits, split, tokenizer, settings, make, roles))


def kept_arrays(
    splits: Splits,
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    settings: Mapping[str, object],
    make: Callable[[], Iterator[Arrays]],
    roles: Sequence[str] = (),
) -> Arrays:
    """The same of any arrays, which depend on the columns of these roles, of texts or of lists; where no roles are
    named, on all that is read of a row.
    """
    cache = splits.keeping(split)
    digest = None if cache is None else _digest(tokenizer)
    if cache is None or digest is None:
        return token_entry.joined(make())
    nested = {role: values for role in roles if _is_nested(values := splits.values(split, role))}
    texts = [splits.texts(split, role) for role in roles if role not in nested] if roles else [splits.texts(split)]
    lists = kept_tables.digest(pa.table(nested)) if nested else None
    lines = are_lines(splits.tables()[split])
    key = token_entry.key_of(texts, list(roles), lists, digest, settings, lines)
    rows = splits.tables()[split].num_rows
    about = {"data": str(splits.origins[split]), "split": split, "rows": rows, **settings}
    return cache.arrays(key, about, make)


def _is_nested(values: pa.ChunkedArray) -> bool:
    return columns.kind(values.type) in ("list", "object")


def bounded(made: Iterable[Arrays]) -> Iterator[Arrays]:
    """As arrays are kept: `bounds` of the whole split instead of `lengths`."""
    yield {"bounds": np.zeros(1, np.int64)}
    last = 0
    for piece in made:
        bounds = last + np.cumsum(piece["lengths"])
        last = int(bounds[-1]) if len(bounds) else last
        yield {name: values for name, values in piece.items() if name != "lengths"} | {"bounds": bounds}


def together(rows: Iterable[Arrays], none: Arrays) -> Iterator[Arrays]:
    """Arrays of single rows, those of many rows joined. `none` are the same of no row, which says their types."""
    each = itertools.chain([none], rows)
    while several := list(itertools.islice(each, _AT_ONCE)):
        yield token_entry.joined(several)


def _arrays(part: TokenIds) -> Arrays:
    made: Arrays = {"ids": part.ids, "lengths": part.lengths, "cut": np.array([part.cut])}
    return made if part.segments is None else made | {"segments": part.segments}


def _of(found: Arrays) -> KeptTokens:
    ids = found.get("ids", np.zeros(0, np.int32))
    cut = int(found["cut"].sum()) if "cut" in found else 0
    return KeptTokens(ids, found["bounds"], cut, found.get("segments"))


def _digest(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Equal where the tokenizer does the same to a text; None for one whose ways are not all in its file."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if inner is None:
        return None
    import transformers

    ways = [type(tokenizer).__name__, tokenizer.truncation_side, transformers.__version__]
    return f"{token_entry.tokenizer_digest(inner)} {' '.join(ways)}"
