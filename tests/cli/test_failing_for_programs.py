"""What `--json` prints where a command fails."""

import json

RECIPE = """\
name = "r"
task = "text-classification"
[model]
name = "builtin:minilm"
[data]
source = "rows.csv"
max_length = -3
[train]
epochs = "x"
optimizer = "adafactr"
"""


def refused(shell, *words, code=2):
    done = shell(*words, "--json", code=code)
    record = json.loads(done.stdout)
    assert record["ok"] is False
    assert done.stderr.startswith("workbench: ")
    return record["errors"]


def test_every_problem_of_a_recipe_and_of_its_data_is_told_at_once_with_its_place(shell):
    (shell.directory / "r.toml").write_text(RECIPE)
    (shell.directory / "rows.csv").write_text("text\ngood\nbad\n")
    errors = refused(shell, "check", "r.toml")
    by_field = {error["field"]: error for error in errors}
    assert by_field["data.max_length"]["line"] == 7
    assert by_field["data.max_length"]["file"].endswith("r.toml")
    assert by_field["data.max_length"]["hint"] == "must be at least 1"
    assert by_field["train.epochs"]["message"] == 'train.epochs = "x"'
    assert "did you mean 'adafactor'?" in by_field["train.optimizer"]["hint"]
    assert any("label" in error["message"] for error in errors)
    assert len(errors) == 4
    assert refused(shell, "run", "r.toml") == errors
    assert not (shell.home / "runs").exists() or not list((shell.home / "runs").iterdir())


def test_a_row_of_data_is_told_with_its_number(shell):
    (shell.directory / "r.toml").write_text(RECIPE.split("max_length")[0] + 'label = "label"\n')
    (shell.directory / "rows.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 20 + "fine,c,d\n")
    (error,) = refused(shell, "check", "r.toml")
    assert error["file"].endswith("rows.csv")
    assert 42 in (error["line"], error["row"])


def test_other_failures_have_the_same_form(shell):
    (error,) = refused(shell, "show", "nobody")
    assert error == {
        "file": None, "line": None, "row": None, "field": None,
        "message": "no run is called 'nobody'", "hint": "`workbench ls` lists them",
    }  # fmt: skip
    (error,) = refused(shell, "run")
    assert error["hint"] == "see `workbench run --help`"
    (error,) = refused(shell, "check", "nowhere.toml")
    assert error["file"].endswith("nowhere.toml")
    (shell.directory / "file").write_text("where the home should be")
    assert refused(shell, "ls", "--home", "file")[0]["message"]


def test_without_json_nothing_is_printed_for_programs(shell):
    assert shell("show", "nobody", code=2).stdout == ""
