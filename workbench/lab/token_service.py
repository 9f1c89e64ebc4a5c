"""`tokens.encode`: what a tokenizer does to a text, token by token."""

from __future__ import annotations

import bisect
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tokenizers import Encoding

from workbench.core.home import Home
from workbench.lab import tokenizer_files
from workbench.lab.services import exposed
from workbench.lab.tokenizer_files import Loaded
from workbench.tasks.token_classification import encode as word_pieces

# A 10 MB text would take seconds and fill the pipe; what is left out is counted and said.
CHARACTERS = 200_000
TOKENS = 4_000
_KEPT_LOADED = 6
_SPACES = ("Ġ", "▁")  # a space alone, as byte-level and SentencePiece vocabularies spell it
_Span = tuple[int, int, int, str]  # sequence, start, end, label


class TokenService:
    """Tokenizers, the last few of them kept."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loaded: OrderedDict[tuple[str, int], Loaded] = OrderedDict()

    @exposed
    def encode(
        self,
        text: str,
        pair: str | None = None,
        tokenizer: str | None = None,
        run: str | None = None,
        max_length: int | None = None,
        spans: Sequence[Sequence[Any]] = (),
        words: bool = False,
        spaced: bool = True,
        rest: str = "",
    ) -> dict[str, Any]:
        """Every token of `text` (and `pair`), and which of them a cut at `max_length` tokens would leave out.

        `spans`, `words`, `spaced` and `rest` say what is learnt of it, as `RowText` has them: each token then
        has a `label`, "" for none.

        `max_length` defaults to the run's or the model's own; 0 is no limit. Of the returned `tokens`, each a dict:
        `id`, `token` as in the vocabulary, `piece` of the text, `start` and `end` in characters of its text,
        `sequence` (0 text, 1 pair, None), `special`, `unknown`, `word` (its index or None), `mask`, `cut`, and
        `part`: 0, or how many tokens before it share its first character (as the bytes of one character do).
        Totals count every token; `tokens` holds the first 4,000. At most 200,000 characters are looked at:
        `left_out` says how many were not. Raises BadInput.
        """
        loaded = self._load(tokenizer, run)
        limit = loaded.max_length if max_length is None else max_length
        given = [part for part in (text, pair) if part is not None]
        sources = [part[:CHARACTERS] for part in given]
        ranges = [(int(start), int(end)) for _, start, end, _ in spans if end <= CHARACTERS] if words else None
        if ranges is not None:
            loaded = _reading_words(loaded, spaced=spaced)
        whole = _encode(loaded, sources, None, ranges)
        kept = _kept(loaded, sources, limit, ranges)
        tokens = _tokens(whole, sources, loaded, kept, ranges)
        _label(tokens, [(int(n), int(start), int(end), str(name)) for n, start, end, name in spans], words, rest)
        return {
            "tokenizer": _describe(loaded),
            "max_length": limit or None,
            "tokens": tokens,
            "characters": sum(map(len, given)),
            "left_out": sum(map(len, given)) - sum(map(len, sources)),
        } | _totals(whole, loaded, kept)

    def _load(self, name: str | None, run: str | None) -> Loaded:
        place = tokenizer_files.locate(self._home, name, run)
        key = tokenizer_files.fingerprint(place.directory)
        if key not in self._loaded:
            self._loaded[key] = tokenizer_files.load(place.directory)
            if len(self._loaded) > _KEPT_LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        loaded = self._loaded[key]
        return replace(loaded, name=place.name, max_length=place.max_length or loaded.max_length)


def _describe(loaded: Loaded) -> dict[str, Any]:
    return {
        "name": loaded.name,
        "kind": loaded.kind,
        "vocabulary": loaded.tokenizer.get_vocab_size(),
        "max_length": loaded.max_length,
    }


def _reading_words(loaded: Loaded, *, spaced: bool) -> Loaded:
    """The tokenizer set to read words as training has it do; a copy where that changes it."""
    copy = word_pieces.spaced_copy(loaded.tokenizer, spaced=spaced)
    return loaded if copy is None else replace(loaded, tokenizer=copy)


def _label(tokens: list[dict[str, Any]], spans: Sequence[_Span], words: bool, rest: str) -> None:
    """Give each token the label of the span it lies in; of words, the first token alone, the others `rest`."""
    ordered = sorted(spans)
    starts = [span[:2] for span in ordered]
    taken: set[int] = set()
    for token in tokens:
        place = _span_of(token, ordered, starts)
        first = place is not None and not (words and rest and place in taken)
        token["label"] = ordered[place][3] if place is not None and first else (rest if spans else "")
        taken |= set() if place is None else {place}


def _span_of(token: dict[str, Any], spans: Sequence[_Span], starts: Sequence[tuple[int, int]]) -> int | None:
    """The last span that begins before a token's end, where it reaches the token."""
    if token["sequence"] is None:
        return None
    end = max(token["end"], token["start"] + 1)
    near = bisect.bisect_right(starts, (token["sequence"], end - 1)) - 1
    if near < 0 or spans[near][0] != token["sequence"] or token["start"] >= spans[near][2]:
        return None
    return near


def _encode(
    loaded: Loaded, sources: Sequence[str], limit: int | None, words: Sequence[tuple[int, int]] | None = None
) -> Encoding:
    if limit:
        loaded.tokenizer.enable_truncation(limit, direction=loaded.truncation_side)
    try:
        # A lone surrogate cannot be handed to Rust; one character for one keeps every offset.
        safe = [part.encode("utf-8", "replace").decode("utf-8") for part in sources]
        if words is not None:
            return loaded.tokenizer.encode([safe[0][start:end] for start, end in words], is_pretokenized=True)
        return loaded.tokenizer.encode(safe[0], safe[1] if len(safe) > 1 else None)
    finally:
        loaded.tokenizer.no_truncation()


def _kept(
    loaded: Loaded, sources: Sequence[str], limit: int | None, words: Sequence[tuple[int, int]] | None = None
) -> Counter[int] | None:
    """How many tokens of each text survive a cut at `limit`, by the library's own judgement; None: all do."""
    if not limit:
        return None
    room = limit - loaded.tokenizer.num_special_tokens_to_add(len(sources) == 2)
    if room <= 0:
        return Counter()
    return Counter(index for index in _encode(loaded, sources, limit, words).sequence_ids if index is not None)


def _totals(whole: Encoding, loaded: Loaded, kept: Counter[int] | None) -> dict[str, int]:
    """Of every token, shown or not."""
    specials = _special_ids(loaded)
    added = whole.sequence_ids.count(None)
    placed = zip(whole.ids, whole.sequence_ids, strict=True)
    return {
        "total": len(whole.ids),
        "cut": 0 if kept is None else len(whole.ids) - added - kept.total(),
        "unknown": 0 if loaded.unknown is None else whole.ids.count(loaded.unknown),
        "special": sum(sequence is None or id in specials for id, sequence in placed),
    }


def _special_ids(loaded: Loaded) -> set[int]:
    special = {id for id, token in loaded.tokenizer.get_added_tokens_decoder().items() if token.special}
    return special if loaded.unknown is None else special - {loaded.unknown}


def _tokens(
    whole: Encoding,
    sources: Sequence[str],
    loaded: Loaded,
    kept: Counter[int] | None,
    words: Sequence[tuple[int, int]] | None,
) -> list[dict[str, Any]]:
    """The first so many tokens, described. Of words given one by one, places are counted from their own beginning."""
    specials = _special_ids(loaded)
    totals = Counter(index for index in whole.sequence_ids if index is not None)
    seen: Counter[int] = Counter()
    rows: list[dict[str, Any]] = []
    columns = (whole.ids, whole.tokens, whole.offsets, whole.sequence_ids, whole.word_ids, whole.attention_mask)
    described = zip(*(column[:TOKENS] for column in columns), _parts(whole, words=words is not None), strict=True)
    for id, token, (start, end), sequence, word, mask, part in described:
        if words is not None and word is not None:
            start, end = start + words[word][0], end + words[word][0]
        if sequence is not None and token in _SPACES and not sources[sequence][start:end].isspace():
            end = start  # the space that is put before a text stands nowhere in it
        cut = False
        if sequence is not None:
            cut = _is_cut(seen[sequence], sequence, kept, totals, loaded.truncation_side)
            seen[sequence] += 1
        rows.append(
            {
                "id": id,
                "token": token,
                "piece": "" if sequence is None else sources[sequence][start:end],
                "start": start,
                "end": end,
                "sequence": sequence,
                "special": sequence is None or id in specials,
                "unknown": id == loaded.unknown and sequence is not None,
                "word": word,
                "mask": mask,
                "cut": cut,
                "part": part,
            }
        )
    return rows


def _is_cut(index: int, sequence: int, kept: Counter[int] | None, totals: Counter[int], side: str) -> bool:
    if kept is None:
        return False
    if side == "left":
        return index < totals[sequence] - kept[sequence]
    return index >= kept[sequence]


def _parts(whole: Encoding, *, words: bool) -> list[int]:
    """For each of the first tokens, how many before it share its first character."""
    parts: list[int] = []
    reached: dict[object, int] = {}
    columns = (whole.offsets, whole.sequence_ids, whole.word_ids, whole.tokens)
    for (start, end), sequence, word, token in zip(*(column[:TOKENS] for column in columns), strict=True):
        # Where words were given one by one, each counts its characters anew.
        text = (sequence, word) if words else sequence
        shares = sequence is not None and start < end and start < reached.get(text, 0)
        parts.append(parts[-1] + 1 if shares else 0)
        reached[text] = reached.get(text, 0) if token in _SPACES else end
    return parts
