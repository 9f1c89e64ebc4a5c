"""`predict`: what a run, a checkpoint or a model directory answers: labels, entities, an answer, or generated text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from workbench.answers import parse
from workbench.cli.output import AsJson, emit, say
from workbench.cli.session import find
from workbench.errors import BadInput
from workbench.lab.client import Lab
from workbench.paths import expanded
from workbench.rundir import RunDir
from workbench.spans import plain
from workbench.text import clean, cut

_WIDTH: Final = 80
_HEIGHT: Final = 60


def register(cli: typer.Typer) -> None:
    cli.command("predict")(predict)


def predict(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a directory with a model in it.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT …]", help="Default: lines of stdin.")] = None,
    second: Annotated[
        str | None, typer.Option("--with", help="The second text: of a pair, or the context of the questions.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A text on each line; of .jsonl, an object with the fields.")
    ] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="step-N or N; default: the best.")] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="So many labels; or sample from so many tokens.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="Length generated.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", min=0.0, max=1.0, help="Nucleus sampling.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the sampling.")] = None,
    as_json: AsJson = False,
) -> None:
    """Predict on texts: from the arguments, a file, or standard input."""
    where = _model_path(context, run, checkpoint)
    given = _rows(texts, file)
    options = {
        "top_k": top_k,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    with opened(where) as (lab, model):
        rows = _complete(given, model["fields"], second)
        # Text is asked for whole (by beams, say) unless how it is sampled was said, or there is no other way.
        if model["generates"] and (chosen or model["task"] == "causal-lm"):
            _generate(lab, model, [row[model["fields"][0]] for row in rows], chosen, as_json=as_json)
        else:
            _answer(lab, model, rows, top_k, as_json=as_json)


def _model_path(context: typer.Context, handle: str, checkpoint: str | None) -> Path:
    """The directory to load: a model directory given as such, or one of a run's."""
    path = expanded(handle)
    if ("/" in handle or path.is_dir()) and checkpoint is None:
        if not path.is_dir():
            raise BadInput(
                f"no such model directory: {handle}", mend="give a run, or a directory with config.json in it"
            )
        return path.absolute()
    _, _, run = find(context, handle)
    return run.path if checkpoint is None else checkpoint_of(run, checkpoint)


def checkpoint_of(run: RunDir, checkpoint: str) -> Path:
    """The directory of a checkpoint by `step-N` or N. Raises BadInput."""
    step = run.checkpoints / (checkpoint if checkpoint.startswith("step-") else f"step-{checkpoint}")
    if not step.is_dir() or step.parent != run.checkpoints:
        known = sorted((found.name for found in run.checkpoints.glob("step-*")), key=lambda name: int(name[5:]))
        raise BadInput(f"no checkpoint {checkpoint} in {run.id}", mend=f"it has {', '.join(known) or 'none'}")
    return step


def _rows(arguments: list[str] | None, file: Path | None) -> list[str | dict[str, str]]:
    """A text or an object of fields for each argument or line. Raises BadInput."""
    if arguments and file:
        raise BadInput("give texts or --file, not both", mend="leave one out")
    lines = arguments or _lines(file)
    objects = file is not None and file.suffix.lower() in {".jsonl", ".ndjson"}
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise BadInput(
            "there is no text to predict on", mend="give some as arguments, with --file or on standard input"
        )
    return [_object(line, f"{file}:{number}") if objects else line for number, line in numbered]


def _object(line: str, where: str) -> dict[str, str]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadInput(f"not JSON ({error})", where=where, mend="write one object a line") from error
    if not isinstance(value, dict):
        raise BadInput("not an object", where=where, mend='write {"text": "…"}')
    return {str(name): field if isinstance(field, str) else json.dumps(field) for name, field in value.items()}


def _complete(given: list[str | dict[str, str]], fields: list[str], second: str | None) -> list[dict[str, str]]:
    """Rows with the fields the model needs. Raises BadInput where one lacks some."""
    rows = [row if isinstance(row, dict) else {fields[0]: row} for row in given]
    if second is not None and len(fields) < 2:
        raise BadInput("the model reads one text", where="--with", mend="leave it out")
    rows = [({} if second is None else {fields[1]: second}) | row for row in rows]
    for row in rows:
        for name in fields:
            if name not in row:
                raise BadInput(f"there is no {name}", mend=_mend(fields))
    return rows


def _mend(fields: list[str]) -> str:
    objects = ", ".join(f'"{name}": "…"' for name in fields)
    whole = f"a .jsonl file of {{{objects}}}"
    return f"give --with the {fields[1]}, or --file {whole}" if len(fields) > 1 else f"give texts, or --file {whole}"


def _lines(file: Path | None) -> list[str]:
    """The lines of a UTF-8 file, or of standard input. Raises BadInput."""
    where = str(file) if file else "standard input"
    try:
        content = file.read_bytes() if file else sys.stdin.buffer.read()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=where, mend="give a UTF-8 text file") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput("not UTF-8", where=f"{where}:{line}", mend="give a UTF-8 text file") from error
    return [line.removesuffix("\r") for line in text.split("\n")]


@contextmanager
def opened(where: Path) -> Iterator[tuple[Lab, dict[str, Any]]]:
    """A lab with the model at `where` loaded, closed again afterwards."""
    lab = Lab()
    try:
        yield lab, lab.call("model.open", path=str(where))
    finally:
        lab.close()


def _answer(lab: Lab, model: dict[str, Any], rows: list[dict[str, str]], top_k: int | None, *, as_json: bool) -> None:
    records = lab.call("model.predict", handle=model["handle"], texts=rows, top_k=top_k)
    if as_json:
        # Of two keys alike the answer's is meant: what a seq2seq model was given is its "source".
        pairs = list(zip(rows, records, strict=True))
        emit([{"source" if name in made else name: row[name] for name in row} | made for row, made in pairs])
        return
    for row, record in zip(rows, records, strict=True):
        print_answer({name: row[name] for name in model["fields"]}, record, model["labels"])


def print_answer(row: dict[str, str], record: dict[str, Any], labels: list[str]) -> None:
    """A row and the answer to it, as Try shows it."""
    say(cut(clean(next(iter(row.values()))), _WIDTH))
    for line in plain(parse(record, labels).lines(row, _WIDTH - 2, _HEIGHT)):
        print(f"  {line}".rstrip())


def _generate(lab: Lab, model: dict[str, Any], prompts: list[str], options: dict[str, Any], *, as_json: bool) -> None:
    answers = []
    for prompt in prompts:
        pieces = []
        if not as_json:
            print(clean(prompt, newlines=True), end="", flush=True)
        for piece in lab.stream("model.generate", handle=model["handle"], prompt=prompt, **options):
            pieces.append(str(piece.get("text", "")))
            if not as_json:
                print(clean(pieces[-1], newlines=True), end="", flush=True)
        answers.append({"prompt": prompt, "text": "".join(pieces)})
        if not as_json:
            print()
    if as_json:
        emit(answers)
