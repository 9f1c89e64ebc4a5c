"""`predict`: labels with probabilities, or generated text, from a run, a checkpoint or a model directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.output import AsJson, emit, say
from workbench.cli.session import find
from workbench.errors import BadInput
from workbench.lab.client import Lab
from workbench.text import clean, cut, pad


def register(cli: typer.Typer) -> None:
    cli.command("predict")(predict)


def predict(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a directory with a model in it.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT …]", help="Default: lines of stdin.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A text on each line.")] = None,
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
    given = _texts(texts, file)
    options = {
        "top_k": top_k,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    with opened(where) as (lab, model):
        if model["task"] == "causal-lm":
            _generate(lab, model, given, chosen, as_json=as_json)
        else:
            _classify(lab, model, given, top_k, as_json=as_json)


def _model_path(context: typer.Context, handle: str, checkpoint: str | None) -> Path:
    """The directory to load: a model directory given as such, or one of a run's."""
    path = Path(handle).expanduser()
    if ("/" in handle or path.is_dir()) and checkpoint is None:
        if not path.is_dir():
            raise BadInput(
                f"no such model directory: {handle}", mend="give a run, or a directory with config.json in it"
            )
        return path.absolute()
    _, _, run = find(context, handle)
    if checkpoint is None:
        return run.path
    step = run.checkpoints / (checkpoint if checkpoint.startswith("step-") else f"step-{checkpoint}")
    if not step.is_dir() or step.parent != run.checkpoints:
        known = sorted((found.name for found in run.checkpoints.glob("step-*")), key=lambda name: int(name[5:]))
        raise BadInput(f"no checkpoint {checkpoint} in {run.id}", mend=f"it has {', '.join(known) or 'none'}")
    return step


def _texts(arguments: list[str] | None, file: Path | None) -> list[str]:
    if arguments and file:
        raise BadInput("give texts or --file, not both", mend="leave one out")
    lines = arguments or _lines(file)
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise BadInput(
            "there is no text to predict on", mend="give some as arguments, with --file or on standard input"
        )
    return texts


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


def _classify(lab: Lab, model: dict[str, Any], texts: list[str], top_k: int | None, *, as_json: bool) -> None:
    answers = lab.call("model.predict", handle=model["handle"], texts=texts, top_k=top_k)
    if as_json:
        emit([{"text": text, **answer} for text, answer in zip(texts, answers, strict=True)])
        return
    for text, answer in zip(texts, answers, strict=True):
        print_prediction(text, answer)


def print_prediction(text: str, answer: dict[str, Any]) -> None:
    """A text and its labels, the likeliest first, with a bar each."""
    say(cut(clean(text), 78))
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    width = min(24, max(len(clean(label)) for label, _ in ranked) + 2)
    for label, probability in ranked:
        print(f"  {pad(clean(label), width)}{probability:6.3f}  {'█' * round(30 * probability)}")


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
