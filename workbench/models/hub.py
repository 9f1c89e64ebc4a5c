"""The Hugging Face hub: what of it is on this machine, and whether it can be reached.

The caches are read by their layout, which is documented and stable, because importing the libraries costs more than
all the rest of a check, and because an id that is nowhere takes them 46 s to say so without a network.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 3.0  # seconds for the hub to answer

_TRUE = {"1", "ON", "YES", "TRUE"}


def home() -> Path:
    """`HF_HOME`, else `$XDG_CACHE_HOME/huggingface`."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser()


def models_cache() -> Path:
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(named).expanduser() if named else home() / "hub"


def datasets_cache() -> Path:
    named = os.environ.get("HF_DATASETS_CACHE")
    return Path(named).expanduser() if named else home() / "datasets"


def offline() -> bool:
    """Whether the user forbids the network."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    return any(os.environ.get(name, "").upper() in _TRUE for name in names)


def endpoint() -> tuple[str, int]:
    """Host and port of the hub, or of the proxy that leads to it."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    parts = urlsplit(address)
    scheme = parts.scheme or "https"
    proxy = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
    if proxy:
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        scheme = parts.scheme
    return parts.hostname or "huggingface.co", parts.port or (443 if scheme == "https" else 80)


def why_unreachable(patience: float = PATIENCE) -> str | None:
    """None where the hub answers, else the reason it does not. Takes at most `patience` seconds."""
    if offline():
        return "HF_HUB_OFFLINE is set"
    host, port = endpoint()
    try:
        socket.create_connection((host, port), timeout=patience).close()
    except OSError as error:
        return f"the hub cannot be reached ({host}: {error.strerror or error})"
    return None


def dataset_commit(repository: str, revision: str) -> str:
    """The commit that a branch or tag of a data set stood for when it was last seen; the revision itself otherwise."""
    return _commit(models_cache() / ("datasets--" + repository.replace("/", "--")), revision)


def _commit(root: Path, revision: str) -> str:
    try:
        return (root / "refs" / revision).read_text("utf-8").strip()
    except OSError:
        return revision


@dataclass(frozen=True)
class Snapshot:
    """A repository's files in the cache, as one commit had them."""

    path: Path
    commit: str


def model_snapshot(repository: str, revision: str | None) -> Snapshot | None:
    """The cached snapshot of a model, by branch, tag or (abbreviated) commit. It may lack files."""
    root = models_cache() / ("models--" + repository.replace("/", "--"))
    commit = _commit(root, revision or "main")
    try:
        found = sorted(path for path in (root / "snapshots").iterdir() if path.name.startswith(commit))
    except OSError:
        return None
    return Snapshot(found[0], found[0].name) if len(found) == 1 else None


def dataset_configs(repository: str) -> dict[str, Path]:
    """The prepared data sets in the cache: configuration → the directory of its newest build.

    Laid out as `namespace___name/config/version/hash/name-split.arrow`.
    """
    root = datasets_cache() / repository.replace("/", "___")
    builds: dict[str, Path] = {}
    for info in sorted(root.glob("*/*/*/dataset_info.json"), key=lambda path: path.stat().st_mtime):
        builds[info.parts[-4]] = info.parent
    return builds
