"""Text from a model, token by token, so that it can be shown as it comes and stopped at any point.

Decoders go on from a prompt, encoder-decoders answer a source; how a token is chosen and shown is the same for both.

Randomness comes from a generator of its own: what is generated during training changes nothing about the training.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from workbench.recipe import Generate
from workbench.tasks.causal_lm import packing, turns

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
    from transformers.modeling_outputs import BaseModelOutput

_UNFINISHED = "\ufffd"  # what a decoder gives for bytes that are no whole character yet
# A space between two characters of a script that is written without any: CJK, kana, their punctuation, full width.
_WHOLE = "[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
_UNSPACED = re.compile(f"(?<={_WHOLE}) (?={_WHOLE})")


def stream(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    options: Generate,
    positions: int | None,
    *,
    chat: bool = False,
) -> Iterator[str]:
    """Pieces of what the model writes after `prompt`, whole characters only; they join to the text.

    With `chat` the prompt is what a user says, and the assistant answers. Ends after `max_new_tokens` or at the
    model's end token. `positions` is how many tokens the model can see; beyond, it goes on from the last half of them.
    """
    prompt_ids = turns.asked(tokenizer, prompt) if chat else _prompt_ids(tokenizer, prompt)
    ends = ends_of(model, tokenizer, chat=chat)
    return shown(tokenizer, tokens(model, prompt_ids, options, positions, ends))


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, chat: bool) -> set[int]:
    """The tokens that end what a decoder writes: its tokenizer's, its own, and with `chat` that of a turn."""
    known = (tokenizer.eos_token_id, turns.turn_end(tokenizer) if chat else None)
    return {token for token in known if token is not None} | set(_several(model.generation_config.eos_token_id))


def shown(tokenizer: PreTrainedTokenizerBase, tokens: Iterator[int]) -> Iterator[str]:
    """Tokens as pieces of text, whole characters only."""
    pieces = TextPieces(tokenizer)
    for token in tokens:
        if piece := pieces.add(token):
            yield piece
    if rest := pieces.rest():
        yield rest


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    ids: list[int] = tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"] if prompt else []
    if ids:
        return [*packing.begins(tokenizer), *ids]
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [start if start is not None else 0]


def tokens(
    model: PreTrainedModel, prompt: list[int], options: Generate, positions: int | None, ends: Collection[int] = ()
) -> Iterator[int]:
    """Ids of what a decoder writes after the ids of a prompt, up to one of `ends`, which is left out."""
    return _drawn(_Continuation(model, prompt, positions), options, ends)


def answered(model: PreTrainedModel, source: Sequence[int], begin: Sequence[int], options: Generate) -> Iterator[int]:
    """Ids of what an encoder-decoder writes to the ids of a source, those of `begin` and the end token left out.

    `begin` is what the decoder starts from. The model's own end tokens end it, and those it forbids are never drawn.
    """
    return _drawn(_Answer(model, source, begin), options, _several(model.generation_config.eos_token_id))


class _Writer(Protocol):
    """A text in the making."""

    device: torch.device

    def logits(self) -> torch.Tensor:
        """Logits [vocabulary] of the next token."""

    def take(self, token: int) -> None:
        """Go on with that token."""


def _drawn(writer: _Writer, options: Generate, ends: Collection[int]) -> Iterator[int]:
    import torch

    generator = torch.Generator(writer.device).manual_seed(options.seed)
    for _ in range(options.max_new_tokens):
        with torch.inference_mode():
            token = choose(writer.logits().float(), options, generator)
        if token in ends:
            return
        writer.take(token)
        yield token


class _Continuation:
    """A decoder going on from a prompt; where its positions end, from the last half of what it sees."""

    def __init__(self, model: PreTrainedModel, prompt: Sequence[int], positions: int | None) -> None:
        self._model, self._positions = model, positions
        self.device = next(model.parameters()).device
        self._seen, self._fresh = list(prompt), list(prompt)
        self._past: DynamicCache | None = None

    def logits(self) -> torch.Tensor:
        import torch

        if self._positions is not None and len(self._seen) >= self._positions:
            self._seen = self._seen[-max(1, self._positions // 2) :]
            self._fresh, self._past = self._seen, None
        fresh = torch.tensor([self._fresh], device=self.device)
        outputs = self._model(input_ids=fresh, past_key_values=self._past, use_cache=True)
        self._past = outputs.past_key_values
        logits: torch.Tensor = outputs.logits[0, -1].float()
        return logits

    def take(self, token: int) -> None:
        self._fresh = [token]
        self._seen.append(token)


class _Answer:
    """A decoder writing what its encoder's source makes it."""

    def __init__(self, model: PreTrainedModel, source: Sequence[int], begin: Sequence[int]) -> None:
        import torch

        self._model, self._source, self._fresh = model, source, list(begin)
        self.device = next(model.parameters()).device
        words = forbidden(model.generation_config)
        self._forbidden = torch.tensor(words, dtype=torch.long, device=self.device)
        self._encoded: BaseModelOutput | None = None
        self._past: DynamicCache | None = None

    def logits(self) -> torch.Tensor:
        import torch

        if self._encoded is None:
            self._encoded = self._model.get_encoder()(torch.tensor([self._source], device=self.device))
        fresh = torch.tensor([self._fresh], device=self.device)
        outputs = self._model(
            encoder_outputs=self._encoded, decoder_input_ids=fresh, past_key_values=self._past, use_cache=True
        )
        self._past = outputs.past_key_values
        logits: torch.Tensor = outputs.logits[0, -1].float()
        return logits.index_fill_(0, self._forbidden, float("-inf"))

    def take(self, token: int) -> None:
        self._fresh = [token]


def forbidden(settings: GenerationConfig) -> list[int]:
    """The tokens a model's generation config never lets be written: Marian, for one, would write padding."""
    words = [word[0] for word in settings.bad_words_ids or () if len(word) == 1]
    return [*words, *(settings.suppress_tokens or ())]


def _several(ids: int | Sequence[int] | None) -> Sequence[int]:
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else ids


def choose(logits: torch.Tensor, options: Generate, generator: torch.Generator) -> int:
    """One token out of `logits` [vocabulary]: the likeliest at temperature 0, else sampled.

    `top_k` and then `top_p` (nucleus sampling, Holtzman et al. 2020) leave out the unlikely ones.
    """
    import torch

    if options.temperature == 0:
        return int(logits.argmax())
    logits = logits / options.temperature
    if 0 < options.top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(options.top_k).values[-1], float("-inf"))
    shares, order = logits.softmax(-1).sort(descending=True)
    if options.top_p < 1:
        # The token that crosses the line still belongs to the nucleus.
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= options.top_p, 0.0)
    return int(order[torch.multinomial(shares, 1, generator=generator)])


class TextPieces:
    """Turns tokens into text as they come: a character of several tokens is held back until it is whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = self._shown = 0

    def add(self, token: int) -> str:
        """What can be shown now that was not there before."""
        self._ids.append(token)
        text = self._decode(len(self._ids))
        if text.endswith(_UNFINISHED):
            return ""
        piece = text[len(self._decode(self._shown)) :]
        if not piece:
            return ""  # a mark that is not shown: the next piece must still see what stands before it
        # Decoding goes on from the last piece: decoding from the start each time would take quadratic time.
        self._start, self._shown = self._shown, len(self._ids)
        return piece

    def rest(self) -> str:
        """What is left at the end, a torn character shown as U+FFFD."""
        return self._decode(len(self._ids))[len(self._decode(self._shown)) :]

    def _decode(self, end: int) -> str:
        return text_of(self._tokenizer, self._ids[self._start : end])


def text_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Ids as text, special tokens left out, as it was before it became tokens as far as the tokenizer can tell."""
    text = str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return _UNSPACED.sub("", text) if _spaces_all(tokenizer) else text


def _spaces_all(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer, as BERT's, sets a space between all words, those of Chinese too."""
    from tokenizers import decoders

    return isinstance(getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None), decoders.WordPiece)
