"""A seventh task, in a folder of its own outside the package, is found wherever the six are, by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench import Workbench
from workbench.core.errors import RecipeError
from workbench.tasks import recipe_union
from workbench.tasks.spec import spec_of, specs

SPEC = '''
"""stance as plain data: is a text for it or against it?"""

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import LABEL, TEXT, Shape
from workbench.metrics.catalog import SHARE, Metric
from workbench.models.architectures import Head
from workbench.tasks.spec import TaskSpec
from workbench.tasks.text_classification.spec import TextClassificationData, TextClassificationRecipe


class StanceData(TextClassificationData):
    """Texts and what they are for or against."""

    topic: str = Field("", description="what the texts are for or against; put before each")


class StanceRecipe(TextClassificationRecipe):
    """A recipe for stance."""

    task: Literal["stance"] = "stance"
    data: StanceData = StanceData()


SPEC = TaskSpec(
    name="stance",
    recipe=StanceRecipe,
    shapes=(Shape("text", (TEXT, LABEL), ("text",)),),
    head=Head(
        "AutoModelForSequenceClassification", "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", ("ForStance",), "BERT"
    ),
    peft_type="SEQ_CLS",
    new_head=True,
    asks=("text",),
    metrics=(Metric("agreement", "max", SHARE, "rows whose stance is right"),),
    code="outside_stance.task:TASK",
)
'''
TASK = """
from dataclasses import replace

from workbench.tasks.text_classification.predict import TextClassifier
from workbench.tasks.text_classification.task import TASK as CLASSIFICATION


class StanceEvaluator:
    def __init__(self, inner):
        self.ask, self.add, self.part, self._inner = inner.ask, inner.add, inner.part, inner

    def result(self, parts):
        found = self._inner.result(parts)
        scalars = {"loss": found.scalars["loss"], "agreement": found.scalars["accuracy"]}
        return replace(found, scalars=scalars, undefined=[])


class StanceClassifier(TextClassifier):
    task = "stance"


def evaluator(prepared, split):
    return StanceEvaluator(CLASSIFICATION.evaluator(prepared, split))


TASK = replace(CLASSIFICATION, evaluator=evaluator, predictor=StanceClassifier)
"""
RECIPE = """
name = "nuclear"
task = "stance"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 300
config = { hidden_size = 16, num_hidden_layers = 1, num_attention_heads = 2, intermediate_size = 16 }
[data]
train = "rows.jsonl"
holdout = 8
topic = "nuclear power"
max_length = 16
[train]
epochs = 1
batch_size = 8
[launch]
device = "cpu"
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the task, installed as a package is: on the path, its entry point beside it."""
    package, facts = tmp_path / "site/outside_stance", tmp_path / "site/outside_stance-1.0.dist-info"
    for place in (package, facts):
        place.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "spec.py").write_text(SPEC)
    (package / "task.py").write_text(TASK)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-stance\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[workbench.tasks]\nstance = outside_stance.spec:SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    specs.cache_clear()
    rows = [{"text": f"{word} plants {n}", "label": side} for n in range(12) for word, side in SIDES.items()]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "stance.toml").write_text(RECIPE)
    yield tmp_path
    specs.cache_clear()
    sys.modules.pop("outside_stance", None)


SIDES = {"build": "for", "close": "against", "more": "for", "no": "against"}


def workbench(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench", "--home", str(place / "home"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=place, check=False, timeout=240)


def test_its_recipe_is_one_of_the_union_and_its_field_is_of_it_alone(outside: Path):
    assert recipe_union.parse(RECIPE).data.topic == "nuclear power"
    assert list(specs())[-1] == "stance"
    assert recipe_union.fields()["stance"]["data.topic"].startswith("what the texts are for")
    with pytest.raises(RecipeError, match=r"data\.topic is of stance: leave it out"):
        recipe_union.parse(RECIPE.replace('task = "stance"', 'task = "text-classification"'))
    with pytest.raises(RecipeError, match=r"evaluate\.beams is of seq2seq"):
        recipe_union.parse(RECIPE, overrides=["evaluate.beams=2"])
    assert spec_of("stance").metrics[0].name == "agreement"


def test_check_speaks_of_it(outside: Path):
    fine = workbench(outside, "check", "stance.toml", "--json")
    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert json.loads(fine.stdout)["recipe"]["task"] == "stance"
    bad = workbench(outside, "check", "stance.toml", "--set", "evaluate.best=agreemnt")
    assert bad.returncode == 2
    assert "stance has no metric 'agreemnt' (did you mean 'agreement'?)" in bad.stderr


def test_it_is_trained_evaluated_by_its_own_metric_shown_and_asked(outside: Path):
    ran = workbench(outside, "run", "stance.toml", "--follow")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = Workbench(outside / "home").runs("task:stance")
    assert (run.state, run.facts.best_key) == ("completed", "eval/agreement")
    assert 0 <= run.metrics["eval/agreement"].last <= 1
    shown = workbench(outside, "show", "last").stdout
    assert "agreement" in shown
    asked = workbench(outside, "predict", "last", "build plants", "--json")
    assert json.loads(asked.stdout)[0]["label"] in {"for", "against"}, asked.stderr


def test_the_screens_have_it_too(outside: Path):
    from workbench.registry.current import current
    from workbench.tui.modes.metrics.requests import MetricsRequest
    from workbench.tui.modes.try_.requests import TryRequest

    assert workbench(outside, "run", "stance.toml", "--follow").returncode == 0
    with current(Workbench(outside / "home").home, print) as registry:
        (run,) = registry.runs("")
        view = MetricsRequest(run.id, ()).read(registry)
        tried = TryRequest(run.id).read(registry).run
    assert "eval/agreement" in [column.key for column in view.columns]
    assert (tried.task, tried.second) == ("stance", "")
