"""Would this recipe run? Asked before anything is created, and answered without torch.

`python -m workbench.train.check RECIPE.toml [--base-dir DIR]… [--set FIELD=VALUE]… [--home DIR]` prints what
`workbench.contracts.check_report` says, and exits 0 or 2. With `-` as the recipe it reads an experiment from stdin.

Rows are prepared as training prepares them, all of them, so that a recipe that passes cannot fail there. What is made
of them stays in the home's cache for the run. Rows of a model that would be downloaded first, or that comes with code
of its own, are not: nothing is fetched and no foreign code is run for a check.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from workbench.contracts.check_report import CheckReport, DataReport, FoundModel, StepCount, dump, refusal
from workbench.contracts.events.data_event import LengthLedger
from workbench.core.errors import BadInput, RecipeError, WorkbenchError
from workbench.core.home import Home
from workbench.data.cache.token_cache import TokenCache
from workbench.data.formats.text_lines import are_lines
from workbench.data.report import row_report, unknown_tokens
from workbench.data.tables import columns, problem, splits
from workbench.data.tables.problem import Labelled
from workbench.metrics import catalog
from workbench.models import architectures, chat_templates, locate
from workbench.recipe import Recipe
from workbench.recipe.schema import Problem
from workbench.tasks.experiment import Experiment
from workbench.tasks.loading import splits_for
from workbench.tasks.spec import load, spec_of
from workbench.train import lengths, light_imports, optimizer_options, preparing
from workbench.train.futile import futile
from workbench.train.rhythm import Rhythm

T = TypeVar("T")

_BYTES_PER_TOKEN = 4  # of English in a vocabulary of tens of thousands: good enough to say how long a run is
_DEFAULT_BLOCK = 512
# Weights in fp32 and Adam's two moments: what a sealed checkpoint holds of each parameter.
_CHECKPOINT_BYTES = 12
_WEIGHT_BYTES = 4


def check(experiment: Experiment, home: Home, *, alone: bool = False) -> CheckReport:
    """All there is to know of an experiment that would run. Raises RecipeError, every problem that can be found beside
    another.

    `alone` says that this process does nothing else, so that transformers may be imported without torch.
    """
    with _cache(home) as cache:
        return _checked(experiment, home, cache, alone=alone)


def _checked(experiment: Experiment, home: Home, cache: TokenCache, *, alone: bool) -> CheckReport:
    problems: list[str] = []
    wanted = experiment.recipe
    model = _attempt(lambda: experiment.model, problems)
    if wanted.model.tokenizer:
        _attempt(lambda: experiment.tokenizer, problems)
    problems += device_problems(wanted) + optimizer_options.problems(wanted)
    loaded = _attempt(lambda: splits_for(wanted, experiment.search, cache), problems)
    data = _attempt(lambda: row_report.whole(loaded, wanted.data), problems) if loaded else None
    problems += choice_problems(wanted, loaded if data else None)
    if model is not None and loaded is not None:
        problems += chat_problems(experiment, loaded)
    if model is not None:
        problems += fit_problems(experiment) + length_problems(experiment) + disk_problems(experiment, home)
        problems += padding_problems(experiment)
    about_model: list[str] = []
    if not problems and loaded is not None:
        about_model = _attempt(lambda: preparation_notes(experiment, loaded, alone=alone), problems) or []
    if problems or model is None or loaded is None or data is None:
        raise RecipeError(list(dict.fromkeys(problems)))
    data = tokenized(experiment, loaded, replace(data, notes=(*data.notes, *about_model)))
    counted = steps(wanted, loaded, lengths.limits(experiment).positions, windows=_windows(data.ledger or {}))
    return CheckReport(
        recipe=wanted.resolved(),
        model=FoundModel(path=model.path_or_id, where=model.kind, type=model.type, parameters=model.parameters()),
        data=replace(data, warnings=(*data.warnings, *_futile(wanted, loaded, data, counted))),
        steps=counted,
    )


def _futile(wanted: Recipe, loaded: splits.Splits, data: DataReport, counted: StepCount) -> list[str]:
    """What is asked for in vain; with an estimate of the steps that may be some too many or too few."""
    report = data.splits.get("validation")
    rhythm = Rhythm.of(wanted, per_epoch=counted.per_epoch, total=counted.total, evaluated=report is not None)
    kind = problem.of(loaded, wanted.data) if isinstance(wanted.data, Labelled) else None
    labels = report.labels if report is not None and kind == "single-label" else None
    return futile(wanted, rhythm, preparing.rule_of(wanted, kind), labels)


@contextmanager
def _cache(home: Home) -> Iterator[TokenCache]:
    """Where rows are kept that were read. A check makes no home: without one they lie in a place of its own for its
    time, so that large files are mapped rather than held.
    """
    if home.path.is_dir():
        yield TokenCache(home.tokens)
        return
    with tempfile.TemporaryDirectory(prefix="workbench-check-") as place:
        yield TokenCache(Path(place))


def _attempt(do: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return do()
    except RecipeError as error:
        problems += error.problems
    except BadInput as error:
        problems.append(error.sentence)
    return None


def preparation_notes(experiment: Experiment, loaded: splits.Splits, *, alone: bool = False) -> list[str]:
    """What is to be noted of the model for these rows. Rows that passed before are not looked at again.

    Raises WorkbenchError for what would stop a run while its rows are made into tokens.
    """
    if not preparing.can_be_tried(experiment):
        return []
    if (noted := preparing.tried_before(experiment, loaded)) is not None:
        return noted
    if alone:
        light_imports.transformers_without_torch()
    return preparing.try_out(experiment, loaded)


def tokenized(experiment: Experiment, loaded: splits.Splits, data: DataReport) -> DataReport:
    """The report with what only the tokenizer tells: the ledger of lengths, and a note of what it does not know.

    Where it is trained, or comes with no tokenizer.json, a note says that nothing of it is known yet.
    """
    located = experiment.tokenizer
    file = located.directory / "tokenizer.json" if located and located.directory else None
    if file is None or not file.is_file():
        return replace(data, ledger={}, notes=(*data.notes, _untold(located)))
    from tokenizers import Tokenizer

    tokenizer = lengths.uncut(Tokenizer.from_file(str(file)))
    notes = (*data.notes, *unknown_tokens.notes(loaded, tokenizer))
    return replace(data, ledger=lengths.ledgers(experiment, loaded, tokenizer), notes=notes)


def _untold(located: locate.Located | None) -> str:
    why = (
        "the tokenizer is trained when the run begins"
        if located is None
        else f"{located.name} is here without a tokenizer.json"
    )
    return f"lengths in tokens are not known yet: {why}, and the run's own report has them"


def choice_problems(wanted: Recipe, loaded: splits.Splits | None) -> list[str]:
    """Metrics the task has not, and choices that make no sense together; of rows whose labels can be used also those
    that labels of this kind, or with these names, do not allow.
    """
    data = wanted.data
    kind = problem.of(loaded, data) if loaded is not None and isinstance(data, Labelled) else None
    choices = spec_of(wanted.task).choices
    return metric_problems(wanted, kind) + (load(choices)(wanted, loaded) if choices else [])


def metric_problems(wanted: Recipe, kind: Problem | None = None) -> list[str]:
    """Metrics the recipe names that its task has not; with `kind`, that labels of this kind have not."""
    problems: list[str] = []
    asked, own = wanted.evaluate, spec_of(wanted.task).metrics
    _attempt(lambda: catalog.chooses(wanted.task, asked.best, asked.direction, kind, own), problems)
    for name in asked.metrics or []:
        _attempt(partial(catalog.asked_for, wanted.task, name, where="evaluate.metrics", kind=kind, own=own), problems)
    return problems


def device_problems(wanted: Recipe) -> list[str]:
    """A device or precision the recipe names that this machine has not; only then is torch asked, which is slow."""
    if wanted.launch.device != "cuda" and wanted.train.precision in {"auto", "fp32"}:
        return []
    from workbench.train import device

    problems: list[str] = []
    _attempt(lambda: device.choose(wanted), problems)
    return problems


def fit_problems(experiment: Experiment) -> list[str]:
    """A model that cannot learn the task. Code of its own may do what transformers cannot."""
    if experiment.recipe.model.trust_remote_code:
        return []
    config = {"model_type": experiment.model.type} | lengths.config_of(experiment)
    why = architectures.unfit(experiment.recipe.task, experiment.spec.head, config)
    return [] if why is None else [f"{experiment.model.name}: {why}"]


def padding_problems(experiment: Experiment) -> list[str]:
    """A model that needs padding; transformers is asked, which is slow, only where none is wanted."""
    if not experiment.recipe.train.padding_free:
        return []
    from workbench.train import unpadding

    problems: list[str] = []
    return _attempt(lambda: unpadding.problems(experiment.recipe, experiment.model), problems) or problems


def chat_problems(experiment: Experiment, loaded: splits.Splits) -> list[str]:
    """Chats whose tokenizer does not say how a chat is written."""
    if loaded.columns.shape.name != "chat":
        return []
    if (asked := experiment.recipe.model.chat_template) is not None:
        problems: list[str] = []
        _attempt(lambda: chat_templates.text_of(asked, experiment.search), problems)
        return problems
    located = experiment.tokenizer
    if located is not None and (located.directory is None or locate.has_chat_template(located.directory)):
        return []
    return [
        'data.messages: the tokenizer has no chat template: set model.chat_template = "chatml", or a file with one, or '
        "use a model tuned for chat"
    ]


def length_problems(experiment: Experiment) -> list[str]:
    """Lengths beyond the positions the model has learned."""
    data, problems = experiment.recipe.data, []
    usual = type(data)()
    for length in experiment.spec.lengths:
        there = lengths.limits(experiment, target=length.role == "target").positions
        asked = getattr(data, length.field)
        if there is not None and asked != getattr(usual, length.field) and asked is not None and asked > there:
            problems.append(
                f"data.{length.field} = {asked} is more than the {there} positions of the model: use at most {there}"
            )
    return problems


def disk_problems(experiment: Experiment, home: Home) -> list[str]:
    """Too little room for the checkpoints: those that stay, the best, and the one being written."""
    parameters, train = experiment.model.parameters(), experiment.recipe.train
    if parameters is None:
        return []
    kept = 0 if train.save_every == "never" else train.keep_checkpoints + 2
    needed = parameters * (_CHECKPOINT_BYTES * kept + _WEIGHT_BYTES)
    place = next((path for path in (home.path, *home.path.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    if needed <= free:
        return []
    return [
        f"{home.path}: the checkpoints need about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free: "
        "lower train.keep_checkpoints, free some, or choose another home"
    ]


def steps(wanted: Recipe, loaded: splits.Splits, longest: int | None = None, *, windows: float = 1.0) -> StepCount:
    """Optimizer steps an epoch and in all, as Trainer counts them.

    An estimate of plain text in blocks and of batches by tokens, from their bytes, and of rows that take so many
    `windows` on average.
    """
    rows, estimated = round(loaded.train.num_rows * windows), windows > 1
    if loaded.columns.shape.blocks:
        rows, estimated = _blocks(wanted, loaded, longest), True
    train = wanted.train
    batches = math.ceil(rows / (train.batch_size * wanted.launch.processes))
    if train.batch_tokens is not None:
        tokens = loaded.train.nbytes / _BYTES_PER_TOKEN
        batches, estimated = math.ceil(tokens / (train.batch_tokens * wanted.launch.processes)), True
    per_epoch = max(1, math.ceil(batches / train.gradient_accumulation))
    total = train.max_steps or math.ceil(train.epochs * per_epoch)
    return StepCount(per_epoch=per_epoch, total=total, estimated=estimated)


def _windows(ledger: Mapping[str, LengthLedger]) -> float:
    """How many windows a row takes at the chosen length."""
    for kept in ledger.values():
        for entry in kept.entries:
            if entry.max_length == kept.chosen and entry.windows is not None:
                return entry.windows
    return 1.0


def _blocks(wanted: Recipe, loaded: splits.Splits, longest: int | None) -> int:
    """About how many blocks the training text makes."""
    texts = loaded.texts("train")
    tokens = columns.bytes_of(texts) / _BYTES_PER_TOKEN
    block = wanted.data.longest or min(longest or _DEFAULT_BLOCK, _DEFAULT_BLOCK)
    least = 1 if loaded.columns.shape.blocks == "stream" or are_lines(loaded.train) else len(texts) - texts.null_count
    return max(least, round(tokens / block))


def arguments(module: str, description: str) -> argparse.ArgumentParser:
    """What a check of a recipe is called with."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--base-dir", type=Path, action="append", default=[])
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--home", default=None)
    return parser


def given_experiment(given: argparse.Namespace) -> Experiment:
    """Raises RecipeError."""
    if str(given.recipe) == "-":
        return Experiment.parse(sys.stdin.read())
    return Experiment.read(given.recipe, given.overrides, search=given.base_dir)


def said(error: WorkbenchError) -> list[str]:
    """The problems that an error tells, each with its place."""
    if not isinstance(error, RecipeError):
        return [error.sentence]
    return [f"{error.where}: {problem}" if error.where else problem for problem in error.problems]


def main(argv: Sequence[str] | None = None) -> int:
    given = arguments("workbench.train.check", str(__doc__)).parse_args(argv)
    light_imports.arrow_without_pandas()
    try:
        print(dump(check(given_experiment(given), Home.resolve(given.home), alone=True)))
    except WorkbenchError as error:
        print(refusal(said(error)))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
