"""Loading or building what a recipe names: tokenizer and model. Never runs code that comes with a model unasked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import ModelError
from workbench.core.text import clean
from workbench.models import adapter_files, locate
from workbench.models.positions import Limits, advised, positions
from workbench.recipe import ModelSource

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

END: Final = "<|endoftext|>"
PAD: Final = "<|pad|>"


def load_tokenizer(asked: ModelSource, search: Sequence[Path], texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of the recipe; `bpe` trains one on `texts`. Raises ModelError."""
    if asked.tokenizer == locate.BPE:
        return train_bpe(texts, asked.vocab_size)
    located = locate.locate_tokenizer(asked, search)
    assert located is not None, "only a trained tokenizer has no place"
    return open_tokenizer(located.path_or_id, revision=located.revision, trust=asked.trust_remote_code)


def open_tokenizer(path: str | Path, *, revision: str | None = None, trust: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in a directory or on the hub, with a token to pad with. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path), revision=revision, trust_remote_code=trust)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _unloadable("tokenizer", path, error) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def train_bpe(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer as GPT-2's (Radford et al. 2019), trained on `texts`. Any text can be written."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocab_size, len(alphabet) + 2),
        special_tokens=[END, PAD],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer=trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=END, bos_token=END, unk_token=END, pad_token=PAD, padding_side="right"
    )


def load_model(
    head: Any, asked: ModelSource, located: locate.Located, config: Mapping[str, object]
) -> tuple[PreTrainedModel, list[str]]:
    """The model with the head `head` (an Auto class), and the names of its weights that are new.

    It is in fp32, unless it is stored in bf16 and may stay so (`located.bf16`).

    `config` are fields the task sets; `model.config` and `model.dropout` of the recipe go over them. Every weight of a
    model from scratch is new: `["*"]`. Raises ModelError.
    """
    settings = read_config(asked, located, config)
    if located.kind == "scratch":
        return head.from_config(settings, trust_remote_code=False), ["*"]
    set_dropout(settings, asked.dropout)
    try:
        model, report = head.from_pretrained(
            located.path_or_id,
            config=settings,
            dtype="bfloat16" if located.bf16 and _is_bf16(settings) else "float32",
            use_safetensors=None if asked.allow_pickle else True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            revision=located.revision,
            trust_remote_code=asked.trust_remote_code,
            **(_four_bit() if located.four_bit else {}),
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise _unloadable("model", located.path_or_id, error) from error
    mismatched = {str(entry[0] if isinstance(entry, tuple) else entry) for entry in report["mismatched_keys"]}
    return model, sorted({str(name) for name in report["missing_keys"]} | mismatched)


def _is_bf16(config: PreTrainedConfig) -> bool:
    """Whether the weights are stored in bf16, as the config of a checkpoint says."""
    return str(getattr(config, "dtype", None)).removeprefix("torch.") == "bfloat16"


def _four_bit() -> dict[str, object]:
    """How QLoRA loads a model (Dettmers et al. 2023): NF4, its scales quantized again, onto the GPU at once."""
    import torch
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": settings, "device_map": {"": torch.cuda.current_device()}}


def read_config(asked: ModelSource, located: locate.Located, config: Mapping[str, object]) -> PreTrainedConfig:
    """The config alone, with `config` and the recipe's own fields set. Raises ModelError."""
    from transformers import AutoConfig

    fields = {**config, **asked.config}
    if located.kind == "scratch":
        return _scratch(located.type or "", fields, asked.dropout)
    try:
        found: PreTrainedConfig = AutoConfig.from_pretrained(
            located.path_or_id, revision=located.revision, trust_remote_code=asked.trust_remote_code, **fields
        )
        return found
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise _unloadable("config", located.path_or_id, error) from error


def vocabulary(located: locate.Located, tokenizer: PreTrainedTokenizerBase, *tokens: str) -> dict[str, object]:
    """What a config from scratch must know of the tokenizer: its size and the ids of these `tokens`, by their fields.

    Nothing for weights that are loaded: they bring their own.
    """
    if located.kind != "scratch":
        return {}
    return {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in tokens}


def open_model(head: Any, model_dir: Path, device: str | None) -> tuple[Any, str]:
    """A model that was trained, in eval mode, and the device it is on. Raises ModelError."""
    import torch

    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if locate.is_adapter(model_dir):
            return adapter_files.open_adapted(head, model_dir).to(place).eval(), place
        model = head.from_pretrained(model_dir, dtype="auto", use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise _unloadable("model", model_dir, error) from error
    return model.to(place).eval(), place


def _scratch(architecture: str, fields: Mapping[str, object], dropout: float | None) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        settings = AutoConfig.for_model(architecture, **fields)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(clean(str(error)), where="model.config") from error
    set_dropout(settings, dropout)
    return settings


def set_dropout(config: PreTrainedConfig, rate: float | None) -> None:
    """Set every dropout the config has to `rate`; one that is None follows another, and stays so."""
    if rate is None:
        return
    for name, value in config.to_dict().items():
        if ("dropout" in name or name.endswith("_pdrop")) and isinstance(value, int | float):
            setattr(config, name, float(rate))


def limits(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> Limits:
    """How many tokens the model can take at once, and how many its tokenizer advises."""
    return Limits(positions(config.to_dict()), advised(tokenizer.model_max_length))


def target_limits(config: PreTrainedConfig) -> Limits:
    """How many tokens the decoder beside an encoder can write. What a tokenizer advises is about sources."""
    return Limits(positions(config.to_dict(), target=True))


def _unloadable(what: str, path: str | Path, error: Exception) -> ModelError:
    said = clean(" ".join(str(error).split()))[:300]
    # Without sentencepiece transformers tries tiktoken, and then asks for that.
    wants = any(word in str(error).lower() for word in ("sentencepiece", "tiktoken"))
    hint = "pip install sentencepiece, or use a directory with a tokenizer.json" if wants else ""
    return ModelError(f"the {what} cannot be loaded ({said})", where=str(path), hint=hint)
