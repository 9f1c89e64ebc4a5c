"""`tokens.encode`: what a tokenizer does to a text, token by token."""

from __future__ import annotations

import bisect
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tokenizers import Encoding

from workbench.contracts.lab.data_requests import TextTargets
from workbench.contracts.lab.token_requests import TextToken, TokenizerFacts, TokensEncode, TokensEncodeReply
from workbench.core.home import Home
from workbench.lab import tokenizer_files
from workbench.lab.tokenizer_files import Loaded
from workbench.tasks.token_classification import encode as word_pieces

# A 10 MB text would take seconds and fill the pipe; what is left out is counted and said.
CHARACTERS = 200_000
TOKENS = 4_000
_KEPT_LOADED = 6
_SPACES = ("Ġ", "▁")  # a space alone, as byte-level and SentencePiece vocabularies spell it


class TokenService:
    """Tokenizers, the last few of them kept."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loaded: OrderedDict[tuple[str, int], Loaded] = OrderedDict()

    def encode(self, request: TokensEncode) -> TokensEncodeReply:
        """At most 200,000 characters are looked at. Raises BadInput."""
        loaded, targets = self._load(request.tokenizer, request.run), request.targets
        limit = loaded.max_length if request.max_length is None else request.max_length
        given = [part for part in (request.text, request.pair) if part is not None]
        sources = [part[:CHARACTERS] for part in given]
        words = [(start, end) for _, start, end, _ in targets.spans if end <= CHARACTERS] if targets.words else None
        if words is not None:
            loaded = _reading_words(loaded, spaced=targets.spaced)
        whole = _encode(loaded, sources, None, words)
        kept = _kept(loaded, sources, limit, words)
        added, specials = whole.sequence_ids.count(None), _special_ids(loaded)
        placed = zip(whole.ids, whole.sequence_ids, strict=True)
        return TokensEncodeReply(
            tokenizer=_describe(loaded),
            max_length=limit or None,
            tokens=tuple(_tokens(whole, sources, loaded, kept, words, _Labels(targets))),
            total=len(whole.ids),
            cut=0 if kept is None else len(whole.ids) - added - kept.total(),
            unknown=0 if loaded.unknown is None else whole.ids.count(loaded.unknown),
            special=sum(sequence is None or id in specials for id, sequence in placed),
            left_out=sum(map(len, given)) - sum(map(len, sources)),
        )

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


def _describe(loaded: Loaded) -> TokenizerFacts:
    return TokenizerFacts(loaded.name, loaded.kind, loaded.tokenizer.get_vocab_size(), loaded.max_length)


def _reading_words(loaded: Loaded, *, spaced: bool) -> Loaded:
    """The tokenizer set to read words as training has it do; a copy where that changes it."""
    copy = word_pieces.spaced_copy(loaded.tokenizer, spaced=spaced)
    return loaded if copy is None else replace(loaded, tokenizer=copy)


class _Labels:
    """Gives each token the label of the span it lies in; of words, the first token alone, the others `rest`."""

    def __init__(self, targets: TextTargets) -> None:
        self._spans = sorted(targets.spans)
        self._starts = [span[:2] for span in self._spans]
        self._rest = targets.rest if self._spans else ""
        self._once = targets.words and bool(targets.rest)
        self._taken: set[int] = set()

    def of(self, sequence: int | None, start: int, end: int) -> str:
        """Of each token once, in their order."""
        place = self._span_of(sequence, start, end)
        if place is None or (self._once and place in self._taken):
            return self._rest
        self._taken.add(place)
        return self._spans[place][3]

    def _span_of(self, sequence: int | None, start: int, end: int) -> int | None:
        """The last span that begins before a token's end, where it reaches the token."""
        if sequence is None:
            return None
        near = bisect.bisect_right(self._starts, (sequence, max(end, start + 1) - 1)) - 1
        if near < 0 or self._spans[near][0] != sequence or start >= self._spans[near][2]:
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
    """How many tokens of each text survive a cut at `limit`, by the library's own cut; None: all do."""
    if not limit:
        return None
    room = limit - loaded.tokenizer.num_special_tokens_to_add(len(sources) == 2)
    if room <= 0:
        return Counter()
    return Counter(index for index in _encode(loaded, sources, limit, words).sequence_ids if index is not None)


def _special_ids(loaded: Loaded) -> set[int]:
    special = {id for id, token in loaded.tokenizer.get_added_tokens_decoder().items() if token.special}
    return special if loaded.unknown is None else special - {loaded.unknown}


def _tokens(
    whole: Encoding,
    sources: Sequence[str],
    loaded: Loaded,
    kept: Counter[int] | None,
    words: Sequence[tuple[int, int]] | None,
    labels: _Labels,
) -> Iterator[TextToken]:
    """The first so many tokens, described. Of words given one by one, places are counted from their own beginning."""
    specials = _special_ids(loaded)
    totals = Counter(index for index in whole.sequence_ids if index is not None)
    seen: Counter[int] = Counter()
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
        yield TextToken(
            id=id,
            token=token,
            piece="" if sequence is None else sources[sequence][start:end],
            start=start,
            end=end,
            sequence=sequence,
            special=sequence is None or id in specials,
            unknown=id == loaded.unknown and sequence is not None,
            word=word,
            mask=mask,
            cut=cut,
            part=part,
            label=labels.of(sequence, start, end),
        )


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
