"""A recipe becomes a run: a directory that is there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.contracts.events import CreatedEvent, EventWriter
from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.core.rundir import RunDir, new_run_id, sync, write_atomic
from workbench.recipe import Recipe
from workbench.runs import provenance, redact
from workbench.tasks import recipe_union


def create(
    home: Home,
    recipe: Path | str,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    tags: Sequence[str] = (),
    search: Sequence[Path] | None = None,
    argv: Sequence[str] = (),
    download: bool = False,
) -> RunDir:
    """Make a run of a recipe file, or of a recipe's text, and return its directory.

    `overrides` are `field=value` as after `--set`; `name` and `tags` override and add to the recipe's. `search` is
    where relative paths of the recipe are looked up (default: the recipe's directory, then the current one).
    `download` lets the trainer reach the hub. Raises RecipeError for a recipe that does not validate, BadInput where
    the home cannot take the run; in both cases nothing is left behind.
    """
    source, where = _read(recipe)
    chosen = [*overrides, *_name_and_tags(source, where, overrides, name, tags)]
    parsed = recipe_union.parse(source.decode("utf-8"), where=where, overrides=chosen)
    _refuse_secrets(source.decode("utf-8"), parsed, where)
    file = recipe.absolute() if isinstance(recipe, Path) else None
    looked_up = [Path(path).absolute() for path in search] if search else _default_search(file)
    facts = {
        "v": 1,
        "name": parsed.name,
        "created": round(time.time(), 3),
        "recipe": parsed.resolved(),
        "overrides": redact.argv(overrides),
        "digest": parsed.digest(),
        "argv": redact.argv(argv),
        "search": [str(path) for path in looked_up],
        "recipe_file": str(file) if file else None,
        "download": download,
        "git": provenance.git_state(looked_up[0]) or provenance.git_state(looked_up[-1]),
        "versions": provenance.versions(),
        "host": socket.gethostname(),
    }
    return _place(home.ensure(), source, facts, parsed)


def _read(recipe: Path | str) -> tuple[bytes, str]:
    """The recipe's bytes, and what messages call it."""
    if isinstance(recipe, str):
        return recipe.encode("utf-8"), "recipe"
    try:
        source = recipe.read_bytes()
        source.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        recipe_union.load(recipe)  # says the same in a user's words
        raise RecipeError([f"cannot be read ({error})"], where=str(recipe)) from error
    return source, str(recipe)


def _default_search(file: Path | None) -> list[Path]:
    return [file.parent, Path.cwd()] if file else [Path.cwd()]


def _name_and_tags(
    source: bytes, where: str, overrides: Sequence[str], name: str | None, tags: Sequence[str]
) -> list[str]:
    """`--name` and `--tag` as overrides, so that they are validated like any field."""
    chosen = [] if name is None else [f"name={json.dumps(name, ensure_ascii=False)}"]
    if tags:
        known = recipe_union.parse(source.decode("utf-8"), where=where, overrides=[*overrides, *chosen]).tags
        chosen.append(f"tags={json.dumps(list(dict.fromkeys([*known, *tags])), ensure_ascii=False)}")
    return chosen


def _refuse_secrets(source: str, recipe: Recipe, where: str) -> None:
    """A recipe is stored byte for byte, so a secret in it would be too."""
    hint = "set it in the environment of `workbench run`, which the trainer inherits"
    for variable, value in recipe.launch.env.items():
        if redact.secret_name(variable) or redact.secret_shape(value):
            raise BadInput(f"launch.env.{variable} looks like a secret", where=where, hint=hint)
    for number, line in enumerate(source.splitlines(), start=1):
        if redact.secret_shape(line):
            raise BadInput("this line holds what looks like a secret", where=f"{where}:{number}", hint=hint)


def _place(home: Home, source: bytes, facts: dict[str, Any], recipe: Recipe) -> RunDir:
    """Write the directory under a name that nobody looks at, then rename it."""
    run = RunDir(home.runs / new_run_id())
    draft = home.runs / f".new-{run.id}"
    try:
        draft.mkdir(mode=0o700)
        _fill(RunDir(draft), run.id, source, facts, recipe)
        os.rename(draft, run.path)
        sync(home.runs)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return _place(home, source, facts, recipe)  # another run took the id within the same second
        raise _refused(error, home) from error
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return run


def _fill(draft: RunDir, run_id: str, source: bytes, facts: dict[str, Any], recipe: Recipe) -> None:
    with open(os.open(draft.recipe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(source)
        file.flush()
        os.fsync(file.fileno())
    write_atomic(draft.facts, json.dumps({"id": run_id} | facts, indent=1, ensure_ascii=False) + "\n")
    log = EventWriter(draft.user_log)
    try:
        log.append(
            CreatedEvent(
                run=run_id,
                name=recipe.name,
                task=recipe.task,
                model=recipe.model.name or recipe.model.architecture or "",
                digest=facts["digest"],
            )
        )
        log.sync()
    finally:
        log.close()
    sync(draft.path)


def _refused(error: OSError, home: Home) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput(
            "no space left for a new run",
            where=str(home.path),
            hint="free some, or choose another home with --home or WORKBENCH_HOME",
        )
    return BadInput(
        f"a run cannot be made here ({error.strerror or error})",
        where=str(home.path),
        hint="choose another home with --home or WORKBENCH_HOME",
    )
