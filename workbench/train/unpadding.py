"""Training without padding: the body of a model gets all tokens of a batch as one row.

Batch, head and loss stay as they are. What goes into the body is changed on its way in, and what it gives on its way
out: the head finds [rows, width, …] as ever, with zeros in place of padding. So any head will do that does not look at
padding, and the loss, its divisor and the pieces of a batch that memory does not hold stay the same.

Whether a model allows it is not known of families by name. It is asked whether it takes another attention and position
ids, and then tried: its answers must be the same with padding and without.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers import AttentionInterface

from workbench.core.errors import BadInput
from workbench.models.locate import Located
from workbench.recipe import Recipe
from workbench.tasks.shared.rows import Batch
from workbench.train.anatomy import unwrapped
from workbench.train.varlen import ATTENTION, UnpaddedLayout, attend

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TRIED: Final = (12, 5)  # tokens of the two rows that a model is tried with
_EXACT: Final = 1e-4  # how far answers may differ, as a share of the greatest: in fp32, and in half precision
_ROUGH: Final = 5e-2
_FAILURES: Final = (TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError)

AttentionInterface.register(ATTENTION, attend)


class Unpadding:
    """Leaves the padding out of what the body of `model` computes, while a batch is `given`.

    Positions are those of the columns of a padded batch; with `first` those of the tokens, from that number on.
    """

    def __init__(self, model: PreTrainedModel, first: int | None) -> None:
        body = unwrapped(model).base_model
        self._first = first
        self._layout: UnpaddedLayout | None = None
        self._names = list(inspect.signature(body.forward).parameters)
        self._hooks = [
            body.register_forward_pre_hook(self._pack, with_kwargs=True),
            body.register_forward_hook(self._pad),
        ]

    @contextmanager
    def given(self, batch: Batch, move: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
        """Within this the model computes that batch, which is still in host memory; `move` brings it to the device."""
        self._layout = UnpaddedLayout.of(batch, self._first).moved(move)
        try:
            yield
        finally:
            self._layout = None

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _pack(
        self, body: PreTrainedModel, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        layout = self._layout
        if layout is None:
            return None
        given = dict(zip(self._names, args, strict=False)) | kwargs
        # Looked up in their rows, as in a padded batch: noise on the embeddings (NEFTune) is then the same as well.
        given["inputs_embeds"] = body.get_input_embeddings()(given.pop("input_ids"))
        given.pop("attention_mask", None)
        packed = {name: layout.packed(value) if _along(value, layout) else value for name, value in given.items()}
        return (), packed | {"position_ids": layout.positions, "layout": layout}

    def _pad(self, body: PreTrainedModel, args: tuple[Any, ...], outputs: Any) -> Any:
        if self._layout is None:
            return None
        outputs.last_hidden_state = self._layout.padded(outputs.last_hidden_state)
        if getattr(outputs, "pooler_output", None) is not None:
            # It saw one row alone.
            outputs.pooler_output = cast("torch.nn.Module", body.pooler)(outputs.last_hidden_state)
        return outputs


def _along(value: object, layout: UnpaddedLayout) -> bool:
    return isinstance(value, torch.Tensor) and value.shape[:2] == layout.texts.shape


def unpad(model: PreTrainedModel) -> Unpadding:
    """Have the model compute without padding, on the device where it is. Raises BadInput where it cannot."""
    why = refusal(cast("PreTrainedModel", unwrapped(model).base_model), unwrapped(model))
    if why is None:
        # Models of RoBERTa's kind count positions from behind the one that stands for padding.
        for first in (None, (model.config.pad_token_id or 0) + 1):
            found = Unpadding(model, first)
            why = _differs(model, found)
            if why is None:
                model.set_attn_implementation(ATTENTION)
                return found
            found.end()
    raise BadInput(_sentence(model.config.model_type, str(why)), where="train.padding_free", hint="leave it out")


def _sentence(family: str, why: str) -> str:
    return f"{family} cannot be trained without padding ({why})"


def refusal(body: PreTrainedModel, model: PreTrainedModel | None = None) -> str | None:
    """Why a model with this body cannot do without padding, by what it says of itself; None where nothing speaks
    against it. `model` is the whole."""
    if body.config.is_encoder_decoder:
        return "its decoder looks at the padded rows of its encoder"
    if not body.is_backend_compatible():
        return "its attention cannot be replaced"
    if "position_ids" not in inspect.signature(body.forward).parameters:
        return "it takes no position ids, because its positions are a part of its attention"
    return "it has no body apart from its head" if body is model else None


def problems(recipe: Recipe, located: Located) -> list[str]:
    """The same for a recipe whose model is not loaded: a sentence, or none. Raises ModelError."""
    from transformers import AutoModel

    from workbench.models.weights import read_config

    if not recipe.train.padding_free or recipe.model.trust_remote_code:
        return []
    config = read_config(recipe.model, located, {})
    with torch.device("meta"):
        why = refusal(AutoModel.from_config(config))
    return [] if why is None else [f"train.padding_free: {_sentence(config.model_type, why)}: leave it out"]


def _differs(model: PreTrainedModel, unpadding: Unpadding) -> str | None:
    """How the answers of a model without padding differ from those with padding; None where they are the same."""
    batch, weight = _tried(model), next(model.parameters())
    move = partial(torch.Tensor.to, device=weight.device)
    moved = {name: move(tensor) for name, tensor in batch.items()}
    with _still(model):
        expected = _answers(model, moved)
        try:
            with _attending(model), unpadding.given(batch, move):
                found = _answers(model, moved)
        except _FAILURES as error:
            return " ".join(str(error).split())[:200]
    most = (_EXACT if weight.dtype == torch.float32 else _ROUGH) * float(expected.abs().max())
    same = found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=most)
    return None if same else "its answers would not be the same"


def _tried(model: PreTrainedModel) -> Batch:
    """Two rows of made-up tokens, the second one padded. Draws nothing from the global generator."""
    words, padding = next(model.get_input_embeddings().parameters()).shape[0], model.config.pad_token_id or 0
    ids = torch.randint(words - 1, (len(_TRIED), max(_TRIED)), generator=torch.Generator().manual_seed(0))
    ids += ids >= padding
    mask = torch.arange(max(_TRIED)) < torch.tensor(_TRIED)[:, None]
    return {"input_ids": ids.masked_fill(~mask, padding), "attention_mask": mask.long()}


def _answers(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The logits of all rows [rows, classes], or of all real tokens [tokens, classes], in fp32."""
    logits: torch.Tensor = model(**batch).logits.float()
    return logits if logits.dim() == 2 else logits[batch["attention_mask"].bool()]


@contextmanager
def _still(model: PreTrainedModel) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


@contextmanager
def _attending(model: PreTrainedModel) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
