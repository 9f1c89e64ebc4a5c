"""A run's model taken out of it: as it is, or with its adapters merged into their base."""

from __future__ import annotations

import pytest

from workbench.core.errors import BadInput
from workbench.runs.model_export import export
from workbench.tasks.spec import predictor

TEXTS = ["good film", "a bad phone and a poor plot", "great food"]


@pytest.fixture
def adapted(runs):
    run = runs.make("lora", "train.method=dora", "train.max_steps=4", "train.learning_rate=2e-2", "train.save_every=2")
    runs.train(run)
    return run


def shares(directory) -> list[float]:
    answers = predictor("text-classification", directory, device="cpu").predict(TEXTS)
    return [answer.probabilities["positive"] for answer in answers]


def test_merged_adapters_answer_the_same_without_peft(adapted, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    made = export(adapted, tmp_path / "out", merge=True)
    assert made.merged
    assert not made.adapters
    files = {file.name for file in made.path.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "workbench.json"} <= files
    assert not {name for name in files if "adapter" in name}
    assert shares(made.path) == pytest.approx(shares(adapted.model), abs=1e-5)
    model = AutoModelForSequenceClassification.from_pretrained(made.path).eval()
    assert type(model).__name__ == "BertForSequenceClassification"
    inputs = AutoTokenizer.from_pretrained(made.path)(TEXTS[0], return_tensors="pt")
    place = model.config.label2id["positive"]
    assert float(model(**inputs).logits.softmax(-1).detach()[0, place]) == pytest.approx(shares(made.path)[0], abs=1e-5)


def test_a_checkpoint_is_taken_out_without_what_training_needs(adapted, tmp_path):
    made = export(adapted, tmp_path / "out", source=adapted.checkpoints / "step-2")
    assert made.adapters
    files = {file.name for file in made.path.iterdir()}
    assert "adapter_model.safetensors" in files
    assert not files & {"optimizer.pt", "MANIFEST.json", "rng_state.pth", "state.json"}


def test_nothing_is_written_over_and_nothing_is_left_behind(adapted, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="something is there already"):
        export(adapted, tmp_path / "taken")
    (adapted.model / "adapter_config.json").write_text("{}")
    with pytest.raises(BadInput, match="the base of these adapters"):
        export(adapted, tmp_path / "out", merge=True)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
