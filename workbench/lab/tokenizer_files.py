"""Finding and loading a tokenizer: `tokenizer.json` by the `tokenizers` library alone, anything else by transformers.

The first takes hundredths of a second, the second imports for seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from workbench import recipe
from workbench.core.errors import BadInput, ModelError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.core.text import clean
from workbench.lab import places
from workbench.models import locate as models
from workbench.models.positions import Limits, advised, positions
from workbench.train.checkpoints import in_order


@dataclass(frozen=True)
class Loaded:
    """A tokenizer that neither cuts nor pads, and what the model it belongs to says of it."""

    name: str
    tokenizer: Tokenizer
    unknown: int | None
    max_length: int | None
    truncation_side: str

    @property
    def kind(self) -> str:
        """WordPiece, BPE, Unigram or WordLevel."""
        return type(self.tokenizer.model).__name__


@dataclass(frozen=True)
class Place:
    """What to call a tokenizer, the directory its files lie in, and where its run cuts texts (tokens), if it says."""

    name: str
    directory: Path
    max_length: int | None = None


def locate(home: Home, name: str | None, run: str | None) -> Place:
    """Where a tokenizer is.

    `name` is a directory (a run's and a checkpoint's, too), a run's id, `builtin:…` or a hub id whose files are in
    the local cache; without it, the tokenizer of `run`. Raises BadInput.
    """
    if name:
        return _named(home, name)
    if run:
        return _of_run(home, run)
    raise BadInput("no tokenizer is chosen", hint="name one, or choose a run")


def _named(home: Home, name: str) -> Place:
    for directory in (expanded(name), home.runs / name):
        if (directory / "run.json").is_file():
            return _of_run(home, str(directory))
        if _has_tokenizer(directory):
            return Place(name, directory)
    return Place(name, _located(recipe.ModelSource(name=name, tokenizer=name), (Path.cwd(),)))


def _of_run(home: Home, run: str) -> Place:
    directory = places.run_dir(home, run)
    origin = places.of_run(home, run)
    model, limit = origin.recipe.model, origin.recipe.data.longest
    if own := _trained_with(directory):
        return Place(f"run {directory.id}", own, limit)
    if model.tokenizer == models.BPE:
        raise ModelError("the run has not trained its tokenizer yet", where=f"run {directory.id}", hint="wait for it")
    return Place(model.tokenizer or model.name, _located(model, origin.search), limit)


@lru_cache(maxsize=4)
def _builtin(name: str) -> Path:
    """Kept, because the weights beside the tokenizer are checked byte by byte each time they are located."""
    return _found(recipe.ModelSource(name=name, tokenizer=name), ())


def _located(model: recipe.ModelSource, search: Sequence[Path]) -> Path:
    chosen = model.tokenizer or model.name
    return _builtin(chosen) if chosen.startswith("builtin:") else _found(model, search)


def _found(model: recipe.ModelSource, search: Sequence[Path]) -> Path:
    found = models.locate_tokenizer(model, search)
    if found is None or found.directory is None:
        raise ModelError(
            f"the tokenizer of {clean(model.tokenizer or model.name)} is not on this machine",
            hint="give a directory, builtin:minilm, or a model that was downloaded before",
        )
    return found.directory


def _trained_with(run: RunDir) -> Path | None:
    """Where a run keeps the tokenizer it trains with: its model, else its newest checkpoint."""
    newest_first = reversed(in_order(run.checkpoints))
    return next((path for path in (run.model, *newest_first) if _has_tokenizer(path)), None)


def _has_tokenizer(directory: Path) -> bool:
    return any((directory / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))


def load(directory: Path) -> Loaded:
    """The tokenizer in a directory, called by its path. Raises ModelError where the files are missing or damaged."""
    file = directory / "tokenizer.json"
    tokenizer = _from_file(file) if file.is_file() else _from_transformers(directory)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    settings = _json(directory / "tokenizer_config.json")
    return Loaded(
        name=str(directory),
        tokenizer=tokenizer,
        unknown=_unknown(tokenizer, settings),
        max_length=_max_length(directory, settings),
        truncation_side="left" if settings.get("truncation_side") == "left" else "right",
    )


def _from_file(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    # The library raises bare Exception, whatever is wrong.
    except Exception as error:
        raise ModelError(f"the tokenizer cannot be read ({error})", where=str(file)) from error


def _from_transformers(directory: Path) -> Tokenizer:
    if not any(directory.glob("*")):
        raise ModelError("the directory is empty", where=str(directory), hint="name one with a tokenizer in it")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False)
    # So does transformers: any class, for a directory it cannot use.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"holds no tokenizer ({reason})", where=str(directory)) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError("the tokenizer has no fast form, so its offsets are unknown", where=str(directory))
    assert isinstance(backend, Tokenizer)
    return backend


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _unknown(tokenizer: Tokenizer, settings: dict[str, Any]) -> int | None:
    """The id that stands for what the vocabulary lacks. A byte-level vocabulary lacks nothing."""
    token = getattr(tokenizer.model, "unk_token", None)
    if token is None and type(tokenizer.model).__name__ == "Unigram":
        token = settings.get("unk_token", "<unk>")
    if isinstance(token, dict):
        token = token.get("content")
    return tokenizer.token_to_id(str(token)) if token else None


def _max_length(directory: Path, settings: dict[str, Any]) -> int | None:
    """What the run trained with, else the least of the tokenizer's own limit and the positions the model has."""
    trained = advised(_json(directory / "workbench.json").get("max_length"))
    own = Limits(positions(_json(directory / "config.json")), advised(settings.get("model_max_length")))
    return trained or own.least


def fingerprint(directory: Path) -> tuple[str, int]:
    """Changes when the tokenizer in `directory` does."""
    file = directory / "tokenizer.json"
    try:
        return str(directory), file.stat().st_mtime_ns
    except FileNotFoundError:
        return str(directory), 0
