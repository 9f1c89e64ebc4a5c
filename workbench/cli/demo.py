"""`demo`: the whole story in one command, offline: a pretrained model, real text, a live chart, predictions."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workbench.cli.context import home_of, registry_of
from workbench.cli.follow import follow
from workbench.cli.help import Command
from workbench.cli.launch import Overrides
from workbench.cli.output import say
from workbench.cli.predict import print_answer
from workbench.core.home import Home, recipe_file
from workbench.core.rundir import RunDir
from workbench.core.text import can_redraw
from workbench.display.figures import figure
from workbench.lab.opened import Model

SENTENCES = (
    "I cannot stand it anymore!",
    "Not the cheapest room in town, but we would go back tomorrow.",
    "The plot is thin, the acting is wooden, and it still managed to bore me twice.",
)


def register(cli: typer.Typer) -> None:
    cli.command("demo", cls=Command)(demo)


def demo(
    context: typer.Context,
    overrides: Overrides = None,
    tui: Annotated[
        bool,
        typer.Option(
            "--tui/--no-tui", help="Print progress, metrics and predictions; else the TUI opens on the live run."
        ),
    ] = True,
) -> int:
    """Fine-tune the packaged MiniLM on the built-in reviews and watch it."""
    from workbench.runs.start import start
    from workbench.tasks.experiment import Experiment

    home = home_of(context)
    recipe = recipe_file("demo-sentiment")
    run = start(home, Experiment.read(recipe, overrides or [], search=[recipe.parent]), argv=sys.argv)
    if tui and sys.stdin.isatty() and can_redraw(sys.stdout):
        from workbench.tui.app import run_tui

        return run_tui(home, open_run=run.id)
    print(run.id, flush=True)
    status = follow(home, run)
    if status == 0:
        _conclude(home, run)
    return status


def _conclude(home: Home, run: RunDir) -> None:
    with registry_of(home) as registry:
        row = registry.find(run.id)
    for key in (
        "eval/accuracy",
        "test/accuracy",
        "test/precision",
        "test/recall",
        "test/specificity",
        "test/f1",
    ):
        if key in row.metrics:
            say(f"  {key:<18}{figure(key, row.metrics[key].last)}")
    say()
    with Model(run.path) as model:
        for text, answer in zip(SENTENCES, model.answers(SENTENCES), strict=True):
            print_answer({"text": text}, answer, model.labels)
    say(f'\nNext: `workbench` opens the TUI; `workbench predict {run.id} "…"` tries a sentence.')
