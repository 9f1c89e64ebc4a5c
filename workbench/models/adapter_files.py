"""A directory with adapters in it: low-rank updates, the head, and the name of the model they belong to.

`adapter_model.safetensors` and `adapter_config.json` are peft's own. `config.json` beside them has the classes and
their names. With it transformers looks for the weights of the base there too: beside a finished model they are links.
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
CONFIG: Final = "config.json"
_OLD_CONFIG: Final = "model_config.json"  # as runs before had it
GENERATION: Final = "generation_config.json"


def config_of(directory: Path) -> Path:
    """The config of a model directory, adapters or whole."""
    old = directory / _OLD_CONFIG
    return old if old.is_file() else directory / CONFIG


def link_base(directory: Path) -> None:
    """Links to the weights of the base beside its adapters, so that plain `from_pretrained` opens the directory.

    Where the base is gone, or its weights are no safetensors, there are none. Raises OSError.
    """
    try:
        base = base_of(directory).path
    except ModelError:
        return
    for file in [*base.glob("*.safetensors"), *base.glob("*.safetensors.index.json")]:
        (directory / file.name).symlink_to(file.resolve())


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
    found = _found(base, revision, asked.get("name"), directory)
    if found is None:
        raise ModelError(
            f"the base of these adapters, {clean(base) or 'which has no name'}, is not there",
            where=str(directory),
            hint="put it back, or write where it is now into base_model_name_or_path of adapter_config.json",
        )
    return Base(found, bool(asked.get("allow_pickle")))


def _found(base: str, revision: str | None, asked: str | None, beside: Path) -> Path | None:
    if base and Path(base).is_dir():
        return Path(base)
    if asked == locate.MINILM:
        # The packaged model moves with the environment it is installed in.
        return locate.minilm_directory()
    if asked and not Path(asked).is_absolute():
        # On another machine, and after a move, it may stand where the recipe names it from.
        places = (Path(), *beside.absolute().parents)
        if (there := next((place / asked for place in places if (place / asked / CONFIG).is_file()), None)) is not None:
            return there.absolute()
    snapshot = hub.model_snapshot(base, revision) if base and not Path(base).is_absolute() else None
    return None if snapshot is None else Path(snapshot.path)


def open_adapted(head: Any, directory: Path) -> PeftModel:
    """The base with its adapters in it, in the base's own precision. Raises ModelError, OSError, ValueError."""
    from peft import PeftModel
    from transformers import AutoConfig, GenerationConfig

    base = base_of(directory)
    file = config_of(directory)
    config = AutoConfig.from_pretrained(str(file)) if file.is_file() else None
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
