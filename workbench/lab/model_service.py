"""Models for Try and `predict`: found, opened, asked. The last two stay loaded."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from workbench.contracts.lab.model_requests import (
    AnswersPiece,
    ModelAnswers,
    ModelBatch,
    ModelBatchReply,
    ModelFeed,
    ModelGenerate,
    ModelOpen,
    ModelOpenReply,
    ModelPredict,
    ModelPredictReply,
    TextPiece,
)
from workbench.core.errors import BadInput, ModelError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.lab import places
from workbench.lab.batch_jobs import BatchJob
from workbench.models import locate
from workbench.models.adapter_files import base_of, config_of
from workbench.models.locate import is_adapter
from workbench.recipe import Generate, ModelSource
from workbench.tasks.spec import specs
from workbench.train import checkpoints

if TYPE_CHECKING:
    from workbench.tasks.interface import Predictor

KEPT: Final = 2


@dataclass(frozen=True)
class ModelFacts:
    """A directory that holds a model, and what is known of it before it is loaded."""

    directory: Path
    task: str
    name: str
    step: int | None
    max_length: int | None
    generate: Mapping[str, object]


@dataclass(frozen=True)
class _Loaded:
    facts: ModelFacts
    stamp: tuple[int, ...]
    predictor: Predictor


class ModelService:
    """`model.*` of the lab. A handle is the model's directory: it outlives both the cache and the process."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._jobs: dict[str, BatchJob] = {}

    def open(self, request: ModelOpen) -> ModelOpenReply:
        """Raises UnknownRun, ModelError, BadInput."""
        handle = str(self._directory(request))
        loaded = self._load(handle, fresh=True)
        predictor = loaded.predictor
        return ModelOpenReply(
            handle=handle,
            task=loaded.facts.task,
            labels=tuple(predictor.labels),
            fields=tuple(predictor.fields),
            generates=predictor.generates,
            name=loaded.facts.name,
            step=loaded.facts.step,
        )

    def predict(self, request: ModelPredict) -> ModelPredictReply:
        return ModelPredictReply(tuple(self._load(request.handle).predictor.predict(request.rows, request.top_k)))

    def batch(self, request: ModelBatch) -> ModelBatchReply:
        job = uuid.uuid4().hex
        self._jobs[job] = BatchJob(self._load(request.handle).predictor, request.top_k)
        return ModelBatchReply(job)

    def feed(self, request: ModelFeed) -> None:
        """Tokenized here, in a lane of its own."""
        found = self._jobs.get(request.job)
        if found is None:
            return  # whoever wanted the answers has left
        if request.rows is None:
            found.end()
        else:
            found.feed(request.rows)

    def answers(self, request: ModelAnswers) -> Iterator[AnswersPiece]:
        try:
            yield from self._jobs[request.job].answers()
        finally:
            del self._jobs[request.job]

    def generate(self, request: ModelGenerate) -> Iterator[TextPiece]:
        """Raises BadInput where an option is out of range."""
        loaded = self._load(request.handle)
        options = _options({**loaded.facts.generate, **request.options})
        yield from map(TextPiece, loaded.predictor.generate(request.prompt, options))

    def _directory(self, request: ModelOpen) -> Path:
        if request.place == "base":
            return _base(self._home, request.value)
        if request.place == "run":
            return _of_run(places.run_dir(self._home, request.value))
        return _of_path(expanded(request.value).absolute())

    def _load(self, handle: str, *, fresh: bool = False) -> _Loaded:
        """The model of a handle, loaded if need be; with `fresh`, loaded again where its files have changed."""
        kept = self._loaded.get(handle)
        if kept is None or (fresh and kept.stamp != _stamp(Path(handle))):
            self._loaded.pop(handle, None)
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            kept = self._loaded[handle] = _open(Path(handle))
        self._loaded.move_to_end(handle)
        return kept


def _open(directory: Path) -> _Loaded:
    from workbench.tasks.spec import predictor

    # Says in one sentence what from_pretrained says in thirty lines: torn weights, pickles, no tokenizer.
    locate.locate(_whole(directory), ())
    stamp = _stamp(directory)
    facts = describe(directory)
    return _Loaded(facts, stamp, predictor(facts.task, directory, max_length=facts.max_length))


def _whole(directory: Path) -> ModelSource:
    """The model itself, which adapters only name."""
    if not is_adapter(directory):
        return ModelSource(name=str(directory))
    base = base_of(directory)
    return ModelSource(name=str(base.path), tokenizer=str(directory), allow_pickle=base.allow_pickle)


def _stamp(directory: Path) -> tuple[int, ...]:
    """Changes when the weights do."""
    files = [path.stat() for path in sorted(directory.glob("*.safetensors"))]
    return tuple(number for facts in files for number in (facts.st_mtime_ns, facts.st_size, facts.st_ino))


def _of_run(run: RunDir) -> Path:
    if (run.model / "config.json").is_file() or is_adapter(run.model):
        return run.model
    newest = checkpoints.newest_sealed(run.checkpoints)
    if newest is None:
        raise ModelError(
            "there is nothing to load yet, neither a model nor a sealed checkpoint",
            where=run.id,
            hint="wait for its first checkpoint, or `workbench resume` the run if it has ended",
        )
    return newest


def _of_path(path: Path) -> Path:
    if not path.is_dir():
        raise ModelError("no such directory", where=str(path), hint="give a run, a checkpoint or a model directory")
    if (path / "run.json").is_file():
        return _of_run(RunDir(path))
    if checkpoints.step_of(path) is not None and path.parent.name == "checkpoints" and not checkpoints.sealed(path):
        raise ModelError("the checkpoint is not sealed", where=str(path), hint="use one that has its MANIFEST.json")
    if not (path / "config.json").is_file() and not is_adapter(path):
        raise ModelError("the directory has no config.json", where=str(path), hint="save_pretrained writes one")
    return path


def _base(home: Home, run: str) -> Path:
    origin = places.of_run(home, run)
    located = locate.locate(origin.recipe.model, origin.search)
    if located.directory is None:
        why = "it was built from scratch" if located.kind == "scratch" else "it is not on this machine"
        raise ModelError(f"no base model to show beside it: {why}", where=origin.recipe.name)
    return located.directory


def describe(directory: Path) -> ModelFacts:
    """What a model directory says of itself, by workbench.json, by the run around it, or by its config alone.

    Raises ModelError where none of them says which task it does.
    """
    ours = _json(directory / "workbench.json") or {}
    around = _run_around(directory)
    facts = _json(around.facts) or {} if around else {}
    recipe = ours.get("recipe") or facts.get("recipe") or {}
    task = ours.get("task") or recipe.get("task") or _task_of(directory)
    longest = ours.get("max_length") or (recipe.get("data") or {}).get("max_length")
    return ModelFacts(
        directory=directory,
        task=str(task),
        name=str(recipe.get("name") or directory.name),
        step=checkpoints.step_of(directory) if ours.get("step") is None else int(ours["step"]),
        max_length=None if longest is None else int(longest),
        generate=dict(recipe.get("generate") or {}),
    )


def _run_around(directory: Path) -> RunDir | None:
    """The run whose model/ or checkpoint this is."""
    candidates = (directory.parent, directory.parent.parent)
    return next((RunDir(path) for path in candidates if (path / "run.json").is_file()), None)


def _task_of(directory: Path) -> str:
    config = _json(config_of(directory)) or {}
    named = [str(name) for name in config.get("architectures") or ()]
    for spec in specs().values():
        if any(name.endswith(spec.head.suffixes) for name in named):
            return spec.name
    raise ModelError(
        f"{named[0] if named else 'the model'} has no head to try: it neither classifies nor generates",
        where=str(directory),
        hint="fine-tune it first, and open the run",
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _options(values: Mapping[str, object]) -> Generate:
    try:
        return Generate.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise BadInput(f"{field} = {fault['input']!r}: {fault['msg']}", where="generate") from error
