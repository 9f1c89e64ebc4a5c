"""Disk space is given back in two steps: what is to go is shown with its size, and a word is typed."""

import json

from workbench.train.checkpoints import publish


def checkpoint(run, step):
    written = run.checkpoints / f".partial-{step}"
    written.mkdir(parents=True)
    (written / "model.safetensors").write_bytes(b"w" * 100_000)
    return publish(written, run.checkpoints, step)[0]


def test_a_run_is_purged_once_it_is_deleted_and_its_id_was_given(shell, finished_run):
    run, other = finished_run("gone"), finished_run("kept")
    assert f"workbench rm {run.id}" in shell("purge", run.id, code=2).stderr
    shell("rm", run.id)
    assert "completed, deleted" in shell("ls", "--deleted").stdout
    told = shell("purge", run.id, code=2).stderr
    assert f"give --confirm {run.id}" in told
    assert "not confirmed" in shell("purge", run.id, "--confirm", "yes", code=2).stderr
    assert run.path.is_dir()
    done = json.loads(shell("purge", run.id, "--confirm", run.id, "--json").stdout)
    assert done["ids"] == [run.id]
    assert done["bytes"] > 0
    assert [path.name for path in run.path.parent.iterdir()] == [other.id]
    assert run.id not in shell("ls", "--deleted").stdout


def test_all_deleted_runs_are_purged_at_once(shell, finished_run):
    runs = [finished_run(name) for name in ("a", "b", "c")]
    assert "no run is deleted" in shell("purge", "--deleted", code=2).stderr
    for run in runs[:2]:
        shell("rm", run.id)
    shell("purge", "--deleted", "--confirm", "purge-2")
    assert [run.path.exists() for run in runs] == [False, False, True]
    assert "give a run or --deleted" in shell("purge", code=2).stderr


def test_checkpoints_are_pruned_but_the_newest_and_the_sizes_are_shown(shell, finished_run):
    run = finished_run()
    paths = [checkpoint(run, step) for step in (1, 2, 3)]
    assert "DISK" in shell("ls", "--disk").stdout
    before = json.loads(shell("ls", "--disk", "--json").stdout)[0]["bytes"]
    assert before > 300_000
    told = shell("prune", run.id, code=2)
    assert "step-1" in told.stdout
    assert "step-3" not in told.stdout
    shell("prune", run.id, "--confirm", run.id)
    assert [path.exists() for path in paths] == [False, False, True]
    shell("prune", run.id, "--keep", "0", "--confirm", run.id)
    assert not paths[2].exists()
    assert json.loads(shell("ls", "--disk", "--json").stdout)[0]["bytes"] < before - 300_000
