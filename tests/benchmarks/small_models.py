"""Random models with tokenizers: a BERT with MiniLM's words, a GPT-2 and a T5 with words learnt from the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import training_rows


def write(place: Path, *, width: int, layers: int) -> Path:
    """`encoder`, `decoder` and `writer` in `place`, each `layers` deep and `width` wide."""
    import torch

    torch.manual_seed(0)
    for name, (model, tokenizer) in _made(width, layers).items():
        model.save_pretrained(place / name)
        tokenizer.save_pretrained(place / name)
    return place


def _made(width: int, layers: int) -> dict[str, tuple[Any, Any]]:
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForMaskedLM,
        GPT2Config,
        GPT2LMHeadModel,
        T5Config,
        T5ForConditionalGeneration,
    )

    from workbench.models.locate import minilm_directory
    from workbench.models.weights import train_bpe

    pieces = AutoTokenizer.from_pretrained(minilm_directory())
    words = train_bpe((row["text"] for row in training_rows.documents(400_000)["train"]), 4096)
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    heads = 4
    bert = BertConfig(
        vocab_size=len(pieces),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
    )
    gpt2 = GPT2Config(vocab_size=len(words), n_embd=width, n_layer=layers, n_head=heads, **ends)
    t5 = T5Config(
        vocab_size=len(words),
        d_model=width,
        d_kv=width // heads,
        d_ff=4 * width,
        num_layers=layers,
        num_heads=heads,
        decoder_start_token_id=words.pad_token_id,
        **ends,
    )
    return {
        "encoder": (BertForMaskedLM(bert), pieces),
        "decoder": (GPT2LMHeadModel(gpt2), words),
        "writer": (T5ForConditionalGeneration(t5), _ending(words)),
    }


def _ending(tokenizer: Any) -> Any:
    """A copy that sets the end token after each text, as T5's does."""
    from copy import deepcopy

    from tokenizers.processors import TemplateProcessing

    copy = deepcopy(tokenizer)
    copy.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {copy.eos_token}", special_tokens=[(copy.eos_token, copy.eos_token_id)]
    )
    return copy
