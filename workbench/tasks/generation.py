"""Text from a causal language model, token by token, so that it can be shown as it comes and stopped at any point.

Randomness comes from a generator of its own: what is generated during training changes nothing about the training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.recipe import Generate

if TYPE_CHECKING:
    import torch

_UNFINISHED = "\ufffd"  # what a decoder gives for bytes that are no whole character yet


def stream(model: Any, tokenizer: Any, prompt: str, options: Generate, positions: int | None) -> Iterator[str]:
    """Pieces of what the model writes after `prompt`, whole characters only; they join to the text.

    Ends after `max_new_tokens` or at the model's end token. `positions` is how many tokens the model can see; beyond,
    it goes on from the last half of them.
    """
    pieces = Pieces(tokenizer)
    for token in tokens(model, _prompt_ids(tokenizer, prompt), options, positions, tokenizer.eos_token_id):
        if piece := pieces.add(token):
            yield piece
    if rest := pieces.rest():
        yield rest


def _prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    ids: list[int] = tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"] if prompt else []
    if ids:
        return ids
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [start if start is not None else 0]


def tokens(model: Any, prompt: list[int], options: Generate, positions: int | None, end: int | None) -> Iterator[int]:
    """Ids of what the model writes after the ids of a prompt, the end token left out."""
    import torch

    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(options.seed)
    seen, fresh, past = list(prompt), list(prompt), None
    for _ in range(options.max_new_tokens):
        if positions is not None and len(seen) >= positions:
            seen = seen[-max(1, positions // 2) :]
            fresh, past = seen, None
        with torch.inference_mode():
            outputs = model(input_ids=torch.tensor([fresh], device=device), past_key_values=past, use_cache=True)
            token = int(choose(outputs.logits[0, -1].float(), options, generator))
        if token == end:
            return
        past, fresh = outputs.past_key_values, [token]
        seen.append(token)
        yield token


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


class Pieces:
    """Turns tokens into text as they come: a character of several tokens is held back until it is whole."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = self._told = 0

    def add(self, token: int) -> str:
        """What can be shown now that was not there before."""
        self._ids.append(token)
        text = self._decode(len(self._ids))
        if text.endswith(_UNFINISHED):
            return ""
        piece = text[len(self._decode(self._told)) :]
        # Decoding goes on from the last piece: decoding from the start each time would take quadratic time.
        self._start, self._told = self._told, len(self._ids)
        return piece

    def rest(self) -> str:
        """What is left at the end, a torn character shown as U+FFFD."""
        return self._decode(len(self._ids))[len(self._decode(self._told)) :]

    def _decode(self, end: int) -> str:
        text: str = self._tokenizer.decode(
            self._ids[self._start : end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
