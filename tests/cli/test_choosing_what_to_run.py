"""`--set`, `--gpu` and `model.name` as a person writes them, and what the shell offers for a word."""

import pytest

from workbench.cli.launch import _on_gpus
from workbench.core.errors import BadInput, RecipeError
from workbench.core.home import Home
from workbench.runs.create import create
from workbench.runs.model_of_run import with_model_of_run
from workbench.tasks.experiment import Experiment

RECIPE = (
    'name = "r"\ntask = "text-classification"\n[model]\nname = "builtin:minilm"\n[data]\nsource = "builtin:reviews"\n'
)


def test_a_field_that_takes_text_takes_it_as_it_is_written():
    chosen = ["launch.env.X=1", "launch.env.Y=01", "name=7", "train.learning_rate=1e-5", 'evaluate.metrics=["f1"]']
    recipe = Experiment.read(RECIPE, chosen).recipe
    assert recipe.launch.env == {"X": "1", "Y": "01"}
    assert (recipe.name, recipe.train.learning_rate, recipe.evaluate.metrics) == ("7", 1e-5, ["f1"])
    with pytest.raises(RecipeError, match="must be a number"):
        Experiment.read(RECIPE, ["name=7", "train.epochs=many"])


def test_gpu_is_a_device_and_a_number_of_processes():
    recipe = Experiment.read(RECIPE, _on_gpus("2,0")).recipe.launch
    assert (recipe.device, recipe.env, recipe.processes) == ("cuda", {"CUDA_VISIBLE_DEVICES": "2,0"}, 2)
    assert Experiment.read(RECIPE, _on_gpus("1")).recipe.launch.processes == 1
    assert _on_gpus(None) == []
    for wrong in ("x", "", "1,1", "-1"):
        with pytest.raises(BadInput, match="--gpu"):
            _on_gpus(wrong)


def of_run(home: Home, name: str) -> str:
    return with_model_of_run(Experiment.read(RECIPE, [f"model.name={name}"]), home).recipe.model.name


def test_a_run_is_a_model_by_its_id_or_its_name(tmp_path):
    home = Home(tmp_path / "home").ensure()
    run = create(home, Experiment.read(RECIPE))
    with pytest.raises(BadInput, match=f"run:{run.id} has saved no model.*resume"):
        of_run(home, f"run:{run.id}")
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")
    for name in (run.id, f"run:{run.id}", "run:last", "run:r"):
        assert of_run(home, name) == str(run.model)
    assert of_run(home, "r") == "r"  # may be a model on the hub
    with pytest.raises(BadInput, match="no run is called 'nobody'"):
        of_run(home, "run:nobody")


def offered(shell, words: str, home: Home) -> list[str]:
    asked = {"_WORKBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return shell(**asked).stdout.split()


def test_the_shell_offers_commands_runs_and_recipes(shell):
    assert offered(shell, "workbench sho", shell) == ["show"]
    assert offered(shell, "workbench show ", shell) == []
    assert not shell.home.exists()
    run = create(Home(shell.home).ensure(), Experiment.read(RECIPE))
    shell("ls")
    assert offered(shell, "workbench show ", shell) == [run.id, "r"]
    assert offered(shell, f"workbench show {run.id[:4]}", shell) == [run.id]
    (shell.directory / "mine.toml").write_text(RECIPE)
    assert offered(shell, "workbench run m", shell) == ["mine.toml", "marian-opus-en-de", "mbart-wmt16-en-ro"]


def test_a_run_without_a_model_says_what_can_be_exported(shell, finished_run):
    begun = create(Home(shell.home).ensure(), Experiment.read(RECIPE))
    said = shell("export", begun.id, code=2).stderr
    assert "its model is there at its end: wait" in said
    stopped = finished_run("early", state="stopped")
    said = shell("export", "early", code=2).stderr
    assert "ended as stopped, before its model was there: resume it" in said
    (stopped.checkpoints / "step-3").mkdir(parents=True)
    (stopped.checkpoints / "step-3" / "MANIFEST.json").write_text("{}")
    assert "give --checkpoint, one of step-3" in shell("export", "early", code=2).stderr
