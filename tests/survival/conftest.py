"""Real runs of the real trainer, tiny: a random BERT made on the fly, a few hundred words to learn from."""

import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))

from runs_support import end_everything
from survival_support import outcome, start, wait_for_end

from workbench.core.home import Home
from workbench.core.rundir import RunDir

WORDS = [
    "good", "great", "nice", "fine", "bad", "awful", "ugly", "poor", "film", "book", "food", "phone", "hotel", "the",
    "a", "was", "is", "it", "very", "not", "quite", "so",
]  # fmt: skip
RECIPE = """\
# workbench run survival.toml
name = "survival"
task = "text-classification"
[model]
name = "model"
[data]
train = "rows.jsonl"
holdout = 32
[train]
epochs = 3
batch_size = 8
learning_rate = 3e-3
save_every = 7
precision = "fp32"
[evaluate]
every = 10
[launch]
device = "cpu"
threads = 1
"""


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    """A directory with a recipe, rows and a model with dropout, whose draws a resume has to find again."""
    place = tmp_path_factory.mktemp("material")
    draw = random.Random(0)
    rows = []
    for _ in range(160):
        positive = draw.random() < 0.5
        words = draw.choices(WORDS[8:], k=draw.randrange(2, 12)) + draw.choices(WORDS[:4] if positive else WORDS[4:8])
        rows.append({"text": " ".join(words), "label": "positive" if positive else "negative"})
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "survival.toml").write_text(RECIPE)
    make_model(place / "model")
    return place


def make_model(place):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = {word: number for number, word in enumerate([*special, *WORDS])}
    words = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=64,
    )  # fmt: skip
    config = BertConfig(
        vocab_size=len(ids), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(place)
    tokenizer.save_pretrained(place)


@pytest.fixture(scope="session")
def uninterrupted(material, tmp_path_factory):
    """What the run comes to when nothing happens to it."""
    home = Home(tmp_path_factory.mktemp("calm") / "home")
    run = start(home, material)
    assert wait_for_end(run)["state"] == "completed", run.console.read_text()
    return outcome(home, run)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    yield home
    for path in home.runs.glob("*"):
        end_everything(RunDir(path))


@pytest.fixture
def chance():
    """Where the blows fall. The seed is printed with a failure; WORKBENCH_SEED=… brings it back."""
    seed = int(os.environ.get("WORKBENCH_SEED", time.time_ns() % 2**32))
    print(f"replay with WORKBENCH_SEED={seed}")
    return random.Random(seed)
