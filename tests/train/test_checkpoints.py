"""A checkpoint is whole or it does not count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.train import checkpoints


def save(root: Path, step: int, content: bytes = b"weights") -> Path:
    partial = checkpoints.partial(root, step)
    (partial / "inner").mkdir(parents=True)
    (partial / "model.safetensors").write_bytes(content)
    (partial / "inner" / "state.json").write_text("{}")
    path, manifest = checkpoints.publish(partial, root, step)
    assert manifest.bytes == len(content) + 2
    return path


def test_a_published_checkpoint_is_sealed_and_verifies(tmp_path):
    path = save(tmp_path, 7)
    assert path.name == "step-7"
    assert checkpoints.sealed(path)
    assert checkpoints.verified(path)
    assert set(checkpoints.read_manifest(path).files) == {"model.safetensors", "inner/state.json"}
    assert [child.name for child in tmp_path.iterdir()] == ["step-7"]


def test_a_file_that_is_missing_short_or_changed_breaks_the_seal(tmp_path):
    for step, spoil in enumerate([Path.unlink, lambda file: file.write_bytes(b"wei")], start=1):
        path = save(tmp_path, step)
        spoil(path / "model.safetensors")
        assert not checkpoints.sealed(path)
    path = save(tmp_path, 3)
    (path / "model.safetensors").write_bytes(b"weightS")
    assert checkpoints.sealed(path)
    assert not checkpoints.verified(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"step": 1}', '{"step": 1, "files": {"a": {}}}', "null"])
def test_a_manifest_that_makes_no_sense_is_no_seal(tmp_path, content):
    path = save(tmp_path, 1)
    (path / checkpoints.MANIFEST).write_text(content)
    assert not checkpoints.sealed(path)
    assert checkpoints.newest_sealed(tmp_path) is None


def test_the_newest_is_by_number_and_a_save_cut_off_is_not_there(tmp_path):
    for step in (9, 100, 20):
        save(tmp_path, step)
    torn = checkpoints.partial(tmp_path, 200)
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    (tmp_path / "step-300").mkdir()
    (tmp_path / "step-nonsense").mkdir()
    assert checkpoints.newest_sealed(tmp_path) == tmp_path / "step-100"
    assert checkpoints.newest_verified(tmp_path) == (tmp_path / "step-100", [tmp_path / "step-300"])
    checkpoints.discard_partial(tmp_path)
    assert not torn.exists()


def test_pruning_counts_sealed_ones_only_and_spares_the_best(tmp_path):
    for step in (1, 2, 3, 4, 5):
        save(tmp_path, step)
    (tmp_path / "step-5" / "model.safetensors").write_bytes(b"torn")
    (tmp_path / "step-3" / checkpoints.MANIFEST).unlink()
    removed = checkpoints.prune(tmp_path, 1, spare={1})
    assert {path.name for path in removed} == {"step-2", "step-3"}
    # The torn one is newer than every good one: a save may still be at work there.
    assert {path.name for path in tmp_path.iterdir()} == {"step-1", "step-4", "step-5"}


def test_a_step_saved_again_replaces_the_old_one(tmp_path):
    save(tmp_path, 4, b"first")
    path = save(tmp_path, 4, b"second, longer")
    assert (path / "model.safetensors").read_bytes() == b"second, longer"
    assert checkpoints.verified(path)


def test_nothing_is_there_before_the_first(tmp_path):
    assert checkpoints.newest_sealed(tmp_path / "nowhere") is None
    assert checkpoints.newest_verified(tmp_path / "nowhere") == (None, [])


def test_it_needs_the_standard_library_alone():
    code = "import sys, workbench.train.checkpoints; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
