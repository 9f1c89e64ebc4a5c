"""`run` and `check`: from a recipe to a run that goes on by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workbench.cli import completion
from workbench.cli.context import home_of
from workbench.cli.follow import Status, follow
from workbench.cli.help import Command
from workbench.cli.output import AsJson, emit, say
from workbench.contracts.check_report import CheckReport, FoundModel, as_record
from workbench.core.errors import BadInput
from workbench.core.home import recipe_file
from workbench.core.text import clean
from workbench.display.data_report import measured_lines, report_lines
from workbench.display.spans import Line, plain
from workbench.models.locate import BPE

if TYPE_CHECKING:
    from workbench.recipe import ModelSource
    from workbench.tasks.experiment import Experiment

_WIDTH: Final = 80
RecipePath = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A recipe file, or the name of a shipped one.", autocompletion=completion.recipes
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a field; may be repeated.")
]

Gpus = Annotated[
    str | None, typer.Option("--gpu", metavar="N[,N…]", help="Train on this GPU, or on these, a process each.")
]


def register(cli: typer.Typer) -> None:
    cli.command("run", cls=Command)(run)
    cli.command("check", cls=Command)(check)


def run(
    context: typer.Context,
    recipe: RecipePath,
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name for the run.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")] = None,
    gpu: Gpus = None,
    following: Annotated[bool, typer.Option("--follow", help="Show progress until the end.")] = False,
    as_json: AsJson = False,
) -> int:
    """Validate a recipe and start it as a run that goes on without this terminal."""
    from workbench.runs import session_life
    from workbench.runs.start import start  # with pydantic, which no help text needs
    from workbench.tasks.experiment import Experiment

    waiting = Status(sys.stderr)
    try:
        chosen = [*_on_gpus(gpu), *(overrides or [])]
        experiment = Experiment.read(recipe_file(recipe), chosen, name=name, tags=tags or [], to_check=True)
        progress = waiting.show if waiting.on_terminal else lambda text: None
        started = start(home_of(context), experiment, argv=sys.argv, progress=progress)
    finally:
        waiting.clear()
    if (life := session_life.here()).ends and not life.whole_machine:
        print(f"workbench: {clean(f'this run ends {life.ends}: {life.hint}')}", file=sys.stderr)
    if as_json:
        emit({"id": started.id, "dir": str(started.path)})
    else:
        print(started.id, flush=True)
    return follow(home_of(context), started, out=sys.stderr if as_json else sys.stdout) if following else 0


def check(
    context: typer.Context,
    recipe: RecipePath,
    overrides: Overrides = None,
    gpu: Gpus = None,
    measuring: Annotated[
        bool, typer.Option("--measure", help="Try the longest batch, an evaluation batch and a save.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Validate a recipe, find its model and data, and tell all there is to know before it runs."""
    from workbench.runs.preflight import measure, preflight
    from workbench.tasks.experiment import Experiment

    experiment = Experiment.read(recipe_file(recipe), [*_on_gpus(gpu), *(overrides or [])], to_check=True)
    report = preflight(experiment, home_of(context))
    if not as_json:
        _print_plan(experiment, report)
    if measuring:
        measured = measure(experiment, home_of(context))
        report = replace(report, measured=measured)
        if not as_json:
            _print_lines(measured_lines(measured))
    if as_json:
        emit(as_record(report))
    return 0


def _on_gpus(asked: str | None) -> list[str]:
    """What `--gpu` sets. Raises BadInput."""
    if asked is None:
        return []
    numbers = [number.strip() for number in asked.split(",")]
    if not all(map(str.isdecimal, numbers)) or len(set(numbers)) < len(numbers):
        raise BadInput(f"{clean(asked)!r} names no GPUs", where="--gpu", hint="write their numbers, such as 1 or 0,1")
    several = [f"launch.processes={len(numbers)}"] if len(numbers) > 1 else []
    return ["launch.device=cuda", f"launch.env.CUDA_VISIBLE_DEVICES={','.join(numbers)}", *several]


def _print_plan(experiment: Experiment, report: CheckReport) -> None:
    recipe, steps, train = experiment.recipe, report.steps, experiment.recipe.train
    say(f"{Path(experiment.where).name} is fine: {recipe.name}, {recipe.task}")
    say(f"  model      {_model(recipe.model, report.model)}")
    _print_lines(report_lines(report.data, _WIDTH - 2))
    for variable, value in sorted(recipe.launch.env.items()):
        say(f"  env        {variable}={value}")
    about = "about " if steps.estimated else ""
    say(
        f"  train      {about}{steps.total:,} steps ({steps.per_epoch:,} an epoch), batch {train.batch_size}"
        f" × {train.gradient_accumulation}, learning rate {train.learning_rate:g}, {train.schedule}"
    )


def _model(asked: ModelSource, found: FoundModel) -> str:
    """Which weights, where they are and how many; from scratch also which tokenizer."""
    if found.where == "scratch":
        own = f", a bpe tokenizer of {asked.vocab_size:,} trained on the rows" if asked.tokenizer == BPE else ""
        return f"{asked.architecture} from scratch{own or f', tokenizer of {asked.tokenizer}'}"
    size = f"{found.parameters / 1e6:,.1f} M parameters" if found.parameters else None
    facts = (found.where, found.type, size)
    return f"{asked.name} ({', '.join(fact for fact in facts if fact)})"


def _print_lines(lines: Iterable[Line]) -> None:
    for line in plain(lines):
        print(f"  {line}".rstrip())
