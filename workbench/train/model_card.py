"""`model/README.md`: what a model is, what it was trained on, how good it is, by which recipe, and how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit

from workbench.contracts.events import EvalEvent, read_all
from workbench.core.text import clean
from workbench.models.adapter_files import ADAPTER
from workbench.recipe import Recipe
from workbench.tasks.interface import Prepared
from workbench.tasks.spec import TaskSpec, spec_of

CARD: Final = "README.md"
# Where it runs is of one machine, and may hold what is not for others.
_SECTIONS: Final = ("model", "data", "train", "evaluate", "generate")


def write(directory: Path, log: Path, prepared: Prepared[Any, Any], step: int) -> None:
    """The card beside the weights of a step; `log` is the run's events. Raises OSError."""
    recipe, spec = prepared.recipe, spec_of(prepared.recipe.task)
    adapters = _json(directory / ADAPTER)
    config = _json(directory / "config.json")
    parts = [
        _head(recipe, spec, adapters),
        f"# {_one(recipe.name)}",
        _what(recipe, step, prepared),
        *_labels(prepared, config),
        *_results(log, step),
        _data(prepared),
        "## How to load it",
        _loading(prepared, spec, adapters),
        "## Recipe",
        f"```toml\n{_toml(recipe)}```",
    ]
    (directory / CARD).write_text("\n\n".join(parts) + "\n", "utf-8")


def _head(recipe: Recipe, spec: TaskSpec, adapters: Mapping[str, Any]) -> str:
    """The front matter that hubs read. A directory of this machine is no base for others."""
    base = str(adapters.get("base_model_name_or_path") or recipe.model.name or "")
    lines = [f"library_name: {'peft' if adapters else 'transformers'}"]
    lines += [f"base_model: {json.dumps(base)}"] if base.count("/") == 1 and not base.startswith((".", "/")) else []
    lines += [f"pipeline_tag: {spec.pipeline}"] if spec.pipeline else []
    return "\n".join(["---", *lines, "tags:", "- workbench", "---"])


def _what(recipe: Recipe, step: int, prepared: Prepared[Any, Any]) -> str:
    base = recipe.model.name or f"{recipe.model.architecture}, from scratch"
    kind = f" ({prepared.problem})" if prepared.problem else ""
    told = f"{recipe.task}{kind}: {_one(base)}, method {recipe.train.method}; its weights are of step {step}."
    notes = f"\n\n{clean(recipe.notes, newlines=True)}" if recipe.notes else ""
    return told + notes


def _labels(prepared: Prepared[Any, Any], config: Mapping[str, Any]) -> Iterator[str]:
    if prepared.labels:
        yield f"Labels: {', '.join(f'`{_one(name)}`' for name in prepared.labels)}."
    if thresholds := config.get("thresholds"):
        yield f"A label is predicted from its threshold on: {', '.join(f'{number:.4g}' for number in thresholds)}."
    if mean := config.get("target_mean"):
        yield f"Plain transformers' answers lack `target_mean`: add {', '.join(f'{number:.6g}' for number in mean)}."
    if prefix := getattr(prepared.recipe.data, "prefix", ""):
        yield f"Before every text goes the prefix `{_one(prefix)}`."


def _results(log: Path, step: int) -> Iterator[str]:
    found = {event.split: event for event in read_all(log) if isinstance(event, EvalEvent) and event.step == step}
    if found:
        yield "## Results"
    for split, event in found.items():
        intervals = event.intervals or {}
        rows = ["| metric | value | 95 % interval |", "|---|---|---|"]
        for key, value in event.scalars.items():
            name = key.rpartition("/")[2]
            span = intervals.get(name)
            between = "" if span is None else f"{span[0]:.4f} to {span[1]:.4f}"
            rows.append(f"| {_one(name)} | {value:.4f} | {between} |")
        yield f"On {_one(split)}:\n\n" + "\n".join(rows)


def _data(prepared: Prepared[Any, Any]) -> str:
    origins = [
        f"- {_one(split)}: {table.num_rows} rows of `{_one(Path(str(prepared.splits.origins[split])).name)}`"
        for split, table in prepared.splits.tables().items()
    ]
    source = prepared.recipe.data.source
    return "\n".join(["## Data", "", *([f"From `{_one(source)}`."] if source else []), *origins])


def _loading(prepared: Prepared[Any, Any], spec: TaskSpec, adapters: Mapping[str, Any]) -> str:
    auto, base = spec.head.auto_class, str(adapters.get("base_model_name_or_path") or "")
    cut = f"\nA text is cut at {prepared.max_length} tokens (`model_max_length`)." if spec.cuts else ""
    if spec.pipeline and not adapters:
        more = ", truncation=True" if spec.cuts and spec.pipeline == "text-classification" else ""
        return (
            f'```python\nfrom transformers import pipeline\n\nask = pipeline("{spec.pipeline}", "."{more})\n```\n{cut}'
        )
    lines = [f"from transformers import AutoConfig, {auto}, AutoTokenizer", ""]
    lines += ['tokenizer = AutoTokenizer.from_pretrained(".")']
    if not adapters:
        return "\n".join(["```python", *lines, f'model = {auto}.from_pretrained(".")', "```", cut])
    lines = ["from peft import PeftModel", *lines]
    lines += ['config = AutoConfig.from_pretrained(".")  # the classes and their names']
    lines += [f"base = {auto}.from_pretrained({json.dumps(base)}, config=config, ignore_mismatched_sizes=True)"]
    lines += ['model = PeftModel.from_pretrained(base, ".")']
    links = f'\nWhere the links to the weights of the base are whole, `{auto}.from_pretrained(".")` does the same.'
    return "\n".join(["```python", *lines, "```", links, cut])


def _toml(recipe: Recipe) -> str:
    told = recipe.resolved()
    kept = {name: told[name] for name in ("name", "task", "seed", *_SECTIONS) if name in told}
    return tomlkit.dumps(_without_none(kept)).replace("```", "'''")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _json(file: Path) -> Mapping[str, Any]:
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def _one(text: str) -> str:
    """A name in a line of Markdown."""
    return clean(str(text)).replace("|", "\\|").replace("`", "'")
