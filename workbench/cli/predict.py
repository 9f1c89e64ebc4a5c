"""`predict`: what a run, a checkpoint or a model directory answers: labels, entities, an answer, or generated text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import tee
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from workbench.cli import given
from workbench.cli.context import find
from workbench.cli.given import Complete
from workbench.cli.help import Command
from workbench.cli.output import AsJson, JsonLines, JsonList, say
from workbench.cli.predicted_file import PredictedFile
from workbench.contracts.answers import Answer, dump
from workbench.core.errors import BadInput
from workbench.core.paths import expanded
from workbench.core.rundir import RunDir
from workbench.core.text import clean, cut
from workbench.display.answer_lines import answer_lines
from workbench.display.spans import plain
from workbench.lab.opened import Model, RefusedRow
from workbench.tasks.spec import spec_of

Listing = JsonList | JsonLines | PredictedFile

_WIDTH: Final = 80
_HEIGHT: Final = 60


def register(cli: typer.Typer) -> None:
    cli.command("predict", cls=Command)(predict)


def predict(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a directory with a model in it.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Default: lines of standard input.")] = None,
    second: Annotated[
        str | None,
        typer.Option("--with", metavar="TEXT", help="The second text: of a pair, or the context of the questions."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="A text on each line, or rows: .jsonl, .csv, .tsv, .json, .parquet."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write rows and answers there: .jsonl, .csv, .tsv, .parquet; every column stays.",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", metavar="C", help="step-N or N; default: the best.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="N", min=1, help="So many labels; or sample from so many tokens.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", metavar="N", min=1, help="Length generated.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", metavar="T", min=0.0, help="0 is greedy.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="P", min=0.0, max=1.0, help="Sample from the smallest set with this mass."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Of the sampling.")
    ] = None,
    as_json: AsJson = False,
    as_lines: Annotated[
        bool, typer.Option("--jsonl", help="Print JSON, one object a line: faster for very many rows.")
    ] = False,
) -> None:
    """Predict on texts: from the arguments, a file, or standard input."""
    if as_json + as_lines + (out is not None) > 1:
        raise BadInput("--json, --jsonl and --out ask for several forms", hint="give one of them")
    listing = JsonLines() if as_lines else JsonList() if as_json else PredictedFile(expanded(out)) if out else None
    where, data = _model_path(context, run, checkpoint)
    asked = given.read(texts, file)
    options = {
        "top_k": top_k,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    with Model(where) as model:
        rows = given.complete(asked, model.fields, second, given.names_of(model.task, data))
        # Text is asked for whole (by beams, say) unless how it is sampled was said, or there is no other way.
        if model.generates and (chosen or not spec_of(model.task).answers):
            _generate(model, rows, chosen, listing)
        else:
            _answer(model, rows, top_k, listing)
    if isinstance(listing, PredictedFile):
        say(f"{out}  {listing.rows:,} rows")


def _model_path(context: typer.Context, handle: str, checkpoint: str | None) -> tuple[Path, dict[str, Any]]:
    """The directory to load: a model directory given as such, or one of a run's; and the `[data]` it was made by."""
    path = expanded(handle)
    if ("/" in handle or path.is_dir()) and checkpoint is None:
        if not path.is_dir():
            raise BadInput(
                f"no such model directory: {handle}", hint="give a run, or a directory with config.json in it"
            )
        return path.absolute(), _made_by(path)
    _, row, run = find(context, handle)
    return run.path if checkpoint is None else checkpoint_of(run, checkpoint), row.recipe.get("data", {})


def _made_by(directory: Path) -> dict[str, Any]:
    """The `[data]` by which a model directory was made; nothing of one from elsewhere."""
    from workbench.recipe import Recipe
    from workbench.tasks.shared.card import recipe_of

    made = next((found for place in (directory, directory / "model") if (found := recipe_of(place, Recipe))), None)
    return {} if made is None else made.data.model_dump(mode="json")


def checkpoint_of(run: RunDir, checkpoint: str) -> Path:
    """The directory of a checkpoint by `step-N` or N. Raises BadInput."""
    from workbench.train.checkpoints import in_order, step_of  # with OpenSSL: only where a checkpoint is named

    there = in_order(run.checkpoints)
    for path in there:
        if checkpoint in (path.name, str(step_of(path))):
            return path
    known = ", ".join(path.name for path in there)
    raise BadInput(f"no checkpoint {checkpoint!r} in {run.id}", hint=f"it has {known or 'none'}")


def _answered(model: Model, rows: Iterator[Complete], top_k: int | None) -> Iterator[tuple[Complete, Answer]]:
    """Each row with its answer, while later rows are read. Raises BadInput for one that is refused, with its place."""
    ours, theirs = tee(rows)
    answers = model.answer_each((row.fields for row in theirs), top_k=top_k)
    try:
        for answer in answers:
            yield next(ours), answer
    except RefusedRow as refused:
        raise BadInput(refused.what, where=next(ours).where or refused.where, hint=refused.hint) from refused
    finally:
        answers.close()


def _answer(model: Model, rows: Iterator[Complete], top_k: int | None, into: Listing | None) -> None:
    if into is None:
        for row, answer in _answered(model, rows, top_k):
            print_answer({name: row.fields[name] for name in model.fields}, answer, model.labels)
        return
    with into:
        for row, answer in _answered(model, rows, top_k):
            made = dump(answer)
            # Of two keys alike the answer's is meant: what a seq2seq model was given is its "source".
            asked = {"source" if name in made else name: value for name, value in row.fields.items()}
            _add(into, row, asked | made, made)


def _add(into: Listing, row: Complete, listed: dict[str, Any], answer: Mapping[str, Any]) -> None:
    """What is listed of a row; a file has all that was given of it and the answer."""
    if isinstance(into, PredictedFile):
        into.add(row.given, answer)
    else:
        into.add(listed)


def print_answer(row: dict[str, str], answer: Answer, labels: list[str]) -> None:
    """A row and the answer to it, as Try shows it."""
    say(cut(clean(next(iter(row.values()))), _WIDTH))
    for line in plain(answer_lines(answer, row, _WIDTH - 2, _HEIGHT, labels)):
        print(f"  {line}".rstrip())


def _generate(model: Model, rows: Iterator[Complete], options: dict[str, Any], into: Listing | None) -> None:
    asked = ((row, row.fields[model.fields[0]]) for row in rows)
    if into is None:
        for _, prompt in asked:
            print(clean(prompt, newlines=True), end="", flush=True)
            for piece in model.generate(prompt, **options):
                print(clean(piece, newlines=True), end="", flush=True)
            print()
        return
    with into:
        for row, prompt in asked:
            written = {"text": "".join(model.generate(prompt, **options))}
            _add(into, row, {"prompt": prompt} | written, written)
