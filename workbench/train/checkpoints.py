"""Checkpoints that are whole or not there.

A checkpoint is a directory `step-N`. It is sealed by `MANIFEST.json`, which is renamed in last, when every file it
names has reached the disk: `{"v":1,"step":N,"files":{name:{"bytes","sha256"}}}`. Standard library only: the
supervisor's side reads these too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.core.rundir import sync

MANIFEST: Final = "MANIFEST.json"
_PREFIX: Final = "step-"
_PARTIAL: Final = ".partial-"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file of a sealed checkpoint."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a seal says. File names are relative to the checkpoint, with forward slashes."""

    step: int
    files: dict[str, SealedFile]

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.files.values())


def step_of(path: Path) -> int | None:
    """The N of a directory named `step-N`, else None."""
    digits = path.name.removeprefix(_PREFIX)
    return int(digits) if path.name.startswith(_PREFIX) and digits.isdecimal() else None


def directory(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"{_PREFIX}{step}"


def partial(checkpoints: Path, step: int) -> Path:
    """Where checkpoint `step` is written until it is sealed."""
    return checkpoints / f"{_PARTIAL}{step}"


def read_manifest(path: Path) -> Manifest | None:
    """The seal of the checkpoint at `path`, None where it has none or it cannot be read."""
    try:
        record = json.loads((path / MANIFEST).read_bytes())
        files = {
            str(name): SealedFile(int(entry["bytes"]), str(entry["sha256"])) for name, entry in record["files"].items()
        }
        return Manifest(int(record["step"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sealed(path: Path) -> bool:
    """Whether the checkpoint has its seal and every file its right size. Reads no file's content."""
    manifest = read_manifest(path)
    return manifest is not None and all(_size(path / name) == entry.bytes for name, entry in manifest.files.items())


def verified(path: Path) -> bool:
    """Whether every file of the checkpoint is, byte for byte, what was sealed."""
    manifest = read_manifest(path)
    if manifest is None or not sealed(path):
        return False
    try:
        return all(_sha256(path / name) == entry.sha256 for name, entry in manifest.files.items())
    except OSError:
        return False


def all_sealed(checkpoints: Path) -> list[Path]:
    """Every sealed checkpoint, oldest step first."""
    return [path for path in in_order(checkpoints) if sealed(path)]


def newest_sealed(checkpoints: Path) -> Path | None:
    """The sealed checkpoint of the highest step, None where there is none."""
    return next((path for path in reversed(in_order(checkpoints)) if sealed(path)), None)


def newest_verified(checkpoints: Path) -> tuple[Path | None, list[Path]]:
    """The newest checkpoint whose content verifies, and the newer ones that had to be passed over."""
    passed: list[Path] = []
    for path in reversed(in_order(checkpoints)):
        if verified(path):
            return path, passed
        passed.append(path)
    return None, passed


def seal(path: Path, step: int) -> Manifest:
    """Bring every file under `path` onto the disk, hash it, and rename the manifest in last. Raises OSError."""
    files = {}
    for file in _files(path):
        sync(file)
        files[file.relative_to(path).as_posix()] = SealedFile(file.stat().st_size, _sha256(file))
    manifest = Manifest(step, files)
    body = {name: {"bytes": entry.bytes, "sha256": entry.sha256} for name, entry in sorted(files.items())}
    temporary = path / f".{MANIFEST}"
    temporary.write_text(json.dumps({"v": 1, "step": step, "files": body}, indent=1), "utf-8")
    sync(temporary)
    os.replace(temporary, path / MANIFEST)
    sync(path)
    return manifest


def publish(written: Path, checkpoints: Path, step: int) -> tuple[Path, Manifest]:
    """Seal what was written and give it its name, `step-N`, which is never seen before it is whole. Raises OSError."""
    manifest = seal(written, step)
    final = directory(checkpoints, step)
    if final.exists():
        shutil.rmtree(final)
    os.rename(written, final)
    sync(checkpoints)
    return final, manifest


def discard_partial(checkpoints: Path) -> None:
    """Remove what a save that was cut off has left."""
    for path in _children(checkpoints):
        if path.name.startswith(_PARTIAL):
            shutil.rmtree(path, ignore_errors=True)


def prune(checkpoints: Path, keep: int, spare: Collection[int] = ()) -> list[Path]:
    """Remove all but the newest `keep` sealed checkpoints and those of the steps to `spare`. Returns the removed.

    Only sealed ones count, so that a torn save never pushes a good one out; one without its seal that is older than
    the newest good one goes too.
    """
    good = all_sealed(checkpoints)
    kept = set(good[-keep:]) | {directory(checkpoints, step) for step in spare}
    newest = step_of(good[-1]) if good else None
    removed = []
    for path in in_order(checkpoints):
        step = step_of(path)
        if path in kept or newest is None or step is None or step > newest:
            continue
        # Without its seal a checkpoint that is half removed counts as nothing.
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path)
    return removed


def _children(parent: Path) -> list[Path]:
    try:
        return list(parent.iterdir())
    except OSError:
        return []


def in_order(checkpoints: Path) -> list[Path]:
    """Every checkpoint, sealed or not, oldest step first."""
    named = [(step, path) for path in _children(checkpoints) if (step := step_of(path)) is not None]
    return [path for _, path in sorted(named)]


def _files(path: Path) -> Iterator[Path]:
    return (file for file in sorted(path.rglob("*")) if file.is_file())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
