"""What changes a run, and what takes it back."""

import json
import shutil


def test_deleting_is_undone_by_restore(shell, finished_run):
    run = finished_run()
    shell("rm", run.id)
    assert json.loads(shell("ls", "--json").stdout) == []
    assert json.loads(shell("restore", run.id, "--json").stdout) == {"id": run.id, "deleted": False}
    assert [row["id"] for row in json.loads(shell("ls", "--json").stdout)] == [run.id]
    assert "not deleted" in shell("restore", run.id, code=2).stderr


def test_tags_and_notes_are_found_again(shell, finished_run):
    run = finished_run()
    assert json.loads(shell("tag", run.id, "keep", "最好", "--json").stdout)["tags"] == ["made", "keep", "最好"]
    shell("tag", run.id, "made", "--remove")
    shell("note", run.id, "the one with the small head")
    row = json.loads(shell("ls", "small head", "--json").stdout)[0]
    assert sorted(row["tags"]) == ["keep", "最好"]
    assert json.loads(shell("ls", "tag:最好", "--json").stdout)


def test_reindex_gives_the_same_registry(shell, finished_run):
    run = finished_run()
    finished_run("second", accuracy=0.9)
    shell("tag", run.id, "kept")
    before = shell("ls", "--json").stdout
    for path in shell.home.glob("registry.db*"):
        path.unlink()
    assert json.loads(shell("reindex", "--json").stdout) == {"runs": 2}
    assert shell("ls", "--json").stdout == before


def test_a_damaged_registry_is_set_aside_and_rebuilt(shell, finished_run):
    finished_run()
    before = shell("ls", "--json").stdout
    shutil.os.truncate(shell.home / "registry.db", 5000)
    for extra in shell.home.glob("registry.db-*"):
        extra.unlink()
    (shell.home / "registry.db").write_bytes(b"this is no database" * 500)
    after = shell("ls", "--json")
    assert after.stdout == before
    assert "registry" in after.stderr


def test_stopping_what_does_not_run_says_so(shell, finished_run):
    run = finished_run()
    assert "not running" in shell("stop", run.id, code=2).stderr
    assert "completed" in shell("stop", run.id, code=2).stderr


def test_resuming_without_a_checkpoint_says_what_to_do(shell, finished_run):
    run = finished_run(state="failed")
    assert "checkpoint" in shell("resume", run.id, code=2).stderr


def test_the_mend_of_a_run_that_never_saved_is_the_whole_command_that_made_it(shell, finished_run):
    run = finished_run(state="failed")
    facts = json.loads(run.facts.read_text()) | {"overrides": ["train.epochs=1", 'notes="two words"']}
    run.facts.write_text(json.dumps(facts))
    told = shell("resume", run.id, code=2).stderr
    assert f"`workbench run {run.recipe} --set train.epochs=1 --set 'notes=\"two words\"'`" in told
