"""A run's directory is there whole or not at all, and holds no secret."""

import errno
import json
import os
import resource
import subprocess
import sys

import pytest
from runs_support import RECIPE

from workbench.contracts.events import read_all
from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.runs import provenance
from workbench.runs.create import create
from workbench.runs.spawn import launch
from workbench.tasks.experiment import Experiment


def test_a_run_is_made_with_its_recipe_byte_for_byte(home, tmp_path, monkeypatch):
    file = tmp_path / "recipes" / "x.toml"
    file.parent.mkdir()
    source = RECIPE.replace("\n", "\r\n").encode() + "# größer\n".encode()
    file.write_bytes(source)
    monkeypatch.chdir(tmp_path)
    experiment = Experiment.read(file, overrides=["train.epochs=1"], tags=["a"])
    run = create(home, experiment, argv=["workbench", "run", "x.toml"])
    assert run.recipe.read_bytes() == source
    facts = run.read_facts()
    assert (facts["id"], facts["name"], facts["v"]) == (run.id, "pretence", 1)
    assert facts["search"] == [str(file.parent), str(tmp_path)]
    assert facts["recipe_file"] == str(file)
    assert facts["recipe"]["train"]["epochs"] == 1.0
    assert facts["recipe"]["tags"] == ["a"]
    assert facts["overrides"] == ["train.epochs=1"]
    assert facts["argv"] == ["workbench", "run", "x.toml"]
    assert facts["versions"]["workbench"]
    (created,) = read_all(run.user_log)
    assert (created.type, created.seq, created.run) == ("created", 1, run.id)
    assert created.digest == facts["digest"]


def test_only_the_owner_can_read_a_run(home):
    old = os.umask(0)
    try:
        run = create(home, Experiment.read(RECIPE))
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [run.path, *run.path.iterdir()]}
    assert modes == {run.id: 0o700, "recipe.toml": 0o600, "run.json": 0o600, "user.jsonl": 0o600}


def test_name_and_tags_override_the_recipes(home):
    run = create(home, Experiment.read('tags = ["old"]\n' + RECIPE, name='a "quoted" 名', tags=["new", "old"]))
    recipe = run.read_facts()["recipe"]
    assert recipe["name"] == 'a "quoted" 名'
    assert recipe["tags"] == ["old", "new"]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".hidden", "a\\b", "", " x", "a\nb", "a\x1b[2J", "\x7f"])
def test_a_name_that_could_leave_the_directory_or_act_on_a_terminal_is_refused(home, name):
    with pytest.raises(RecipeError):
        create(home, Experiment.read(RECIPE, name=name))
    assert not home.runs.exists() or list(home.runs.iterdir()) == []


def test_a_recipe_that_is_not_there_is_said(home, tmp_path):
    with pytest.raises(RecipeError, match="no such recipe"):
        create(home, Experiment.read(tmp_path / "missing.toml"))
    assert not home.path.exists()


def test_a_recipe_that_does_not_validate_changes_nothing(home):
    with pytest.raises(RecipeError, match="batch_size"):
        create(home, Experiment.read(RECIPE, overrides=["train.batch_size=0"]))
    assert not home.path.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_leaves_nothing(home, monkeypatch, number):
    def fail(fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("workbench.core.rundir.os.fsync", fail)
    with pytest.raises(BadInput, match="home") as caught:
        create(home, Experiment.read(RECIPE))
    assert ("no space" in str(caught.value)) == (number != errno.EIO)
    assert list(home.runs.iterdir()) == []


def test_a_write_the_kernel_refuses_leaves_nothing(tmp_path):
    code = "import sys; from pathlib import Path; from workbench.core.home import Home; "
    code += "from workbench.runs.create import create; from workbench.tasks.experiment import Experiment; "
    code += "create(Home(Path(sys.argv[1])), Experiment.read(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "home"), RECIPE],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "BadInput" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "home" / "runs").iterdir()) == []


def test_a_home_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--home"):
        create(Home(tmp_path / "file" / "home"), Experiment.read(RECIPE))


def test_an_id_that_is_taken_is_made_anew(home, monkeypatch):
    ids = iter(["same00000", "same00000", "other0000"])
    monkeypatch.setattr("workbench.runs.create.new_run_id", lambda: next(ids))
    assert [create(home, Experiment.read(RECIPE)).id, create(home, Experiment.read(RECIPE)).id] == [
        "same00000",
        "other0000",
    ]
    assert sorted(os.listdir(home.runs)) == ["other0000", "same00000"]


@pytest.mark.parametrize(
    "line",
    ['env = { HF_TOKEN = "x" }', 'env = { THING = "hf_abcdefghijklmnopqrstuvwxyz012345" }'],
)
def test_a_secret_in_the_recipe_is_refused_and_not_repeated(home, line):
    with pytest.raises(BadInput, match="environment of `workbench run`") as caught:
        create(home, Experiment.read(RECIPE + f"[launch]\n{line}\n"))
    assert "hf_abc" not in str(caught.value)
    with pytest.raises(BadInput, match="secret"):
        create(home, Experiment.read(RECIPE, overrides=["launch.env.MY_API_KEY=x"]))
    assert not home.path.exists()


@pytest.mark.parametrize(
    "setting",
    [
        "launch.env.PGPASSWORD=x", "launch.env.DB=postgres://me:pw@host/db", f"name=sk-{'aB1' * 8}",
        f'generate.prompts=["my key is ghp_{"a1B2" * 9}"]', f"notes=hf_{'a' * 30}",
    ],
)  # fmt: skip
def test_a_secret_that_is_set_beside_the_file_is_refused_whatever_field_it_is_in(home, setting):
    with pytest.raises(BadInput, match="secret") as caught:
        create(home, Experiment.read(RECIPE, overrides=[setting]))
    assert setting.partition("=")[0] in str(caught.value)
    assert not home.path.exists()


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "PATH", "GIT_SSH_COMMAND"])
def test_a_recipe_that_would_run_code_unseen_is_refused_and_resumed_only_if_accepted(home, variable, new_run):
    with pytest.raises(BadInput, match=f"launch.env.{variable} can have the trainer run code"):
        create(home, Experiment.read(RECIPE, overrides=[f"launch.env.{variable}=/x"]))
    run = new_run("launch.env.OMP_NUM_THREADS='1'", "launch.env.PYTHONHASHSEED='0'")
    run.facts.write_text(run.facts.read_text().replace("OMP_NUM_THREADS", variable))
    with pytest.raises(BadInput, match=f"{variable}=1.*--accept env"):
        launch(run, resume=True, from_start=True)


def test_git_runs_no_program_that_a_repository_names(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "x")
    mark = tmp_path / "ran"
    for key in ("filter.odd.name.clean", "filter.odd.name.process", "core.fsmonitor"):
        git(tmp_path, "config", key, f"touch {mark}; cat")
    (tmp_path / ".git" / "info" / "attributes").write_text("*.txt filter=odd.name\n")
    (tmp_path / "a.txt").write_text("two")
    assert provenance.git_state(tmp_path)["dirty"] is True
    assert not mark.exists()


def test_a_secret_elsewhere_in_the_recipe_is_refused_with_its_line(home):
    with pytest.raises(BadInput, match="recipe:2"):
        create(home, Experiment.read(f'notes = "a\\nb"\n# token: ghp_{"a1B2" * 9}\n{RECIPE}'))


def test_secrets_of_the_command_line_are_not_written(home):
    run = create(home, Experiment.read(RECIPE), argv=["workbench", "run", "--token", "abc123", "x=hf_" + "a" * 30])
    text = run.facts.read_text()
    assert "abc123" not in text
    assert "aaaa" not in text
    assert json.loads(text)["argv"][:3] == ["workbench", "run", "--token"]


def git(directory, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_is_recorded_and_whether_it_was_changed(tmp_path):
    git(tmp_path, "init")
    assert provenance.git_state(tmp_path) is None, "no commit yet"
    (tmp_path / "x.py").write_text("1")
    git(tmp_path, "add", "x.py")
    git(tmp_path, "commit", "-m", "x")
    state = provenance.git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "x.py").write_text("2")
    assert provenance.git_state(tmp_path)["dirty"] is True


def test_a_place_without_git_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path) is None
    assert provenance.git_state(tmp_path / "missing") is None
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(tmp_path) is None


def test_versions_come_without_importing_anything():
    code = "import sys; from workbench.runs.provenance import versions; found = versions(); "
    code += (
        "assert found['torch'] and found['python']; assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
