"""A directory with adapters in it: low-rank updates, the head, and the name of the model they belong to.

`adapter_model.safetensors` and `adapter_config.json` are peft's own. There is no `config.json` beside them: with one,
transformers would look for a whole model there. The config with the labels is `model_config.json` instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import ModelError
from workbench.core.text import clean
from workbench.models import hub, locate

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
CONFIG: Final = "model_config.json"
GENERATION: Final = "generation_config.json"


def is_adapter(directory: Path) -> bool:
    return (directory / ADAPTER).is_file() and not (directory / "config.json").is_file()


@dataclass(frozen=True, slots=True)
class Base:
    """The model that adapters were trained on. `allow_pickle` is what the recipe said of its weights."""

    path: Path
    allow_pickle: bool


def base_of(directory: Path) -> Base:
    """Raises ModelError where the base is no longer there."""
    named = _read(directory / ADAPTER)
    base, revision = str(named.get("base_model_name_or_path") or ""), named.get("revision")
    card = _read(directory / "workbench.json") if (directory / "workbench.json").is_file() else {}
    asked: Mapping[str, Any] = (card.get("recipe") or {}).get("model") or {}
    found = _found(base, revision, asked.get("name"))
    if found is None:
        raise ModelError(
            f"the base of these adapters, {clean(base) or 'which has no name'}, is not there",
            where=str(directory),
            hint="put it back, or write where it is now into base_model_name_or_path of adapter_config.json",
        )
    return Base(found, bool(asked.get("allow_pickle")))


def _found(base: str, revision: str | None, asked: str | None) -> Path | None:
    if base and Path(base).is_dir():
        return Path(base)
    if asked == locate.MINILM:
        # The packaged model moves with the environment it is installed in.
        return locate.minilm_directory()
    snapshot = hub.model_snapshot(base, revision) if base and not Path(base).is_absolute() else None
    return None if snapshot is None else Path(snapshot.path)


def open_adapted(head: Any, directory: Path) -> PeftModel:
    """The base with its adapters in it, in the base's own precision. Raises ModelError, OSError, ValueError."""
    from peft import PeftModel
    from transformers import AutoConfig, GenerationConfig

    base = base_of(directory)
    config = AutoConfig.from_pretrained(str(directory / CONFIG)) if (directory / CONFIG).is_file() else None
    model = head.from_pretrained(
        base.path,
        config=config,
        dtype="auto",
        use_safetensors=None if base.allow_pickle else True,
        ignore_mismatched_sizes=True,
        trust_remote_code=False,
    )
    if (directory / GENERATION).is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(directory))
    return PeftModel.from_pretrained(model, str(directory))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot be read ({error})", where=str(file)) from error
    return value if isinstance(value, dict) else {}
