"""`workbench predict` on files: rows are read, answered and printed as they come."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

ROWS = 700  # more than one window


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier with random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "good", "bad", "film", *map(str, range(10))]
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, initializer_range=0.5, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(place)
    raw = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    ).save_pretrained(place)
    return place


def texts(several: int = ROWS) -> list[str]:
    return [f"good film {number}" + " bad" * (number * 7 % 11) for number in range(several)]


def test_the_rows_of_a_file_are_answered_in_their_order_in_every_form(shell, model):
    (shell.directory / "a.txt").write_text("\n".join(texts()) + "\n")
    listed = json.loads(shell("predict", str(model), "--file", "a.txt", "--json").stdout)
    assert [row["text"] for row in listed] == texts()
    assert len({row["probabilities"]["yes"] for row in listed}) > 100
    lines = shell("predict", str(model), "--file", "a.txt", "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == listed
    shown = shell("predict", str(model), "--file", "a.txt").stdout.splitlines()
    assert [line for line in shown if line.startswith("good")][:2] == texts(2)
    assert "--json, --jsonl and --out" in shell("predict", str(model), "x", "--json", "--jsonl", code=2).stderr


def test_a_row_in_the_middle_that_cannot_be_used_is_told_with_its_place_after_the_answers_before_it(shell, model):
    rows = [json.dumps({"text": text}) for text in texts()]
    rows[500] = '{"txt": "good"}'
    (shell.directory / "a.jsonl").write_text("\n".join(rows))
    failed = shell("predict", str(model), "--file", "a.jsonl", "--json", code=2)
    assert "a.jsonl:501: there is no text among txt" in failed.stderr
    assert [row["text"] for row in json.loads(failed.stdout)] == texts(500)
    rows[0] = rows[500]
    (shell.directory / "a.jsonl").write_text("\n".join(rows))
    assert json.loads(shell("predict", str(model), "--file", "a.jsonl", "--json", code=2).stdout)["ok"] is False


def test_a_reader_that_has_seen_enough_ends_it_quietly(shell, model):
    endless = "while true; do echo good film; done"
    command = f"({endless}) | {sys.executable} -m workbench predict {model} --jsonl | head -n 2"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        cwd=shell.directory,
        env=os.environ | {"WORKBENCH_HOME": str(shell.home), "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
    )
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["good film"] * 2
    assert "Traceback" not in done.stderr


def test_a_file_of_answers_keeps_every_column(shell, model):
    rows = [{"id": n, "text": "good film" if n % 2 else "bad film", "label": "x", "tags": ["a"]} for n in range(3)]
    (shell.directory / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (shell.directory / "rows.csv").write_text("id,text,label\n1,good film,x\n2,bad film,y\n")
    plain = json.loads(shell("predict", str(model), "--file", "rows.csv", "--json").stdout)
    shell("predict", str(model), "--file", "rows.csv", "--out", "made.csv")
    made = list(csv.DictReader((shell.directory / "made.csv").open()))
    assert [(row["id"], row["label"]) for row in made] == [("1", "x"), ("2", "y")]
    assert [row["predicted_label"] for row in made] == [row["label"] for row in plain]
    assert json.loads(made[0]["probabilities"]) == plain[0]["probabilities"]
    said = shell("predict", str(model), "--file", "rows.jsonl", "--out", "made.parquet").stdout
    assert "3 rows" in said
    table = pq.read_table(shell.directory / "made.parquet").to_pylist()
    assert [(row["id"], row["tags"]) for row in table] == [(n, ["a"]) for n in range(3)]
    shell("predict", str(model), "good film", "--out", "made.jsonl")
    assert json.loads((shell.directory / "made.jsonl").read_text())["text"] == "good film"
    assert "is there already" in shell("predict", str(model), "x", "--out", "made.csv", code=2).stderr
    assert ".xls is no form of rows" in shell("predict", str(model), "x", "--out", "made.xls", code=2).stderr
    (shell.directory / "bad.jsonl").write_text('{"text": "good"}\n{"txet": "bad"}\n')
    shell("predict", str(model), "--file", "bad.jsonl", "--out", "half.csv", code=2)
    assert not [path for path in shell.directory.iterdir() if "half" in path.name]
