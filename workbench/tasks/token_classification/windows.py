"""Long documents in windows of tokens that share some, each word answered for by the window that sees it best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """The tokens [start, stop) of a document, of which [first, last) are those it answers for."""

    start: int
    stop: int
    first: int
    last: int


def cut(words: NDArray[np.int32] | NDArray[np.int64], room: int, stride: int) -> list[Window]:
    """Windows of whole words, at most `room` tokens each, that share at most `stride` tokens with the next.

    `words` [tokens] are the numbers of the tokens' words, ascending; none has more than `room` tokens. Every token is
    answered for once: by the window in which the lesser of the contexts left and right of its word is the greatest,
    which is Devlin et al.'s rule for SQuAD (`_check_is_max_context` of BERT's run_squad.py). The last window reaches
    back as far as it has room.
    """
    if len(words) <= room:
        return [Window(0, len(words), 0, len(words))] if len(words) else []
    edges = np.append(np.flatnonzero(np.diff(words, prepend=words[0] - 1)), len(words))
    spans = _spans(edges, room, stride)
    middles = edges[:-1] + edges[1:]
    owned = [0]
    for (start, _), (_, stop) in zip(spans[1:], spans, strict=False):
        # Where a word's tokens to the left in the next window become more than those to the right in this one.
        turn = int(np.searchsorted(middles, edges[start] + edges[stop], "right"))
        owned.append(min(max(turn, start), stop))
    owned.append(len(edges) - 1)
    return [
        Window(*(int(edges[word]) for word in (start, stop, first, last)))
        for (start, stop), first, last in zip(spans, owned, owned[1:], strict=False)
    ]


def _spans(edges: NDArray[np.int64], room: int, stride: int) -> list[tuple[int, int]]:
    """The words [start, stop) of each window; `edges` [words + 1] are where words begin."""
    spans, start, words = list[tuple[int, int]](), 0, len(edges) - 1
    while True:
        stop = int(np.searchsorted(edges, edges[start] + room, "right")) - 1
        if stop == words:
            return [*spans, (_from(edges, int(edges[-1]) - room), words)]
        spans.append((start, stop))
        shared, next_fits = _from(edges, int(edges[stop]) - stride), _from(edges, int(edges[stop + 1]) - room)
        start = max(shared, next_fits, start + 1)


def _from(edges: NDArray[np.int64], token: int) -> int:
    """The first word that does not begin before a token."""
    return int(np.searchsorted(edges, token, "left"))
