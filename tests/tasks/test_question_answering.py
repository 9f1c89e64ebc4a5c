"""Questions are answered out of contexts, with the models made here."""

from __future__ import annotations

import json
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

from workbench.core.errors import BadInput, DataError
from workbench.models.locate import locate
from workbench.tasks import recipe_union as recipe
from workbench.tasks import spec
from workbench.tasks.loading import splits_for
from workbench.tasks.question_answering.loss import step_loss
from workbench.tasks.shared.rows import IGNORED

SCRATCH = """
name = "x"
task = "question-answering"
[model]
architecture = "bert"
tokenizer = "words"
dropout = 0.0
[model.config]
num_hidden_layers = 2
hidden_size = 32
num_attention_heads = 2
intermediate_size = 64
max_position_embeddings = 64
initializer_range = 0.2
[data]
train = "train.jsonl"
validation = "validation.jsonl"
max_length = 48
stride = 12
[train]
epochs = 6
batch_size = 16
learning_rate = 5e-3
warmup_ratio = 0.1
precision = "fp32"
[evaluate]
max_answer_length = 4
[launch]
device = "cpu"
"""
THINGS = {
    "animal": ["cat", "dog", "big owl", "small owl", "红龙", "😀"],
    "colour": ["red", "dark red", "blue", "pale blue", "墨绿"],
    "place": ["the old barn", "a cellar", "the attic", "北京"],
}
FILLER = "it rained and nobody came along then ; so they all went home again".split()  # noqa: SIM905


def write(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def words(path, texts):
    """A tokenizer whose tokens are the words of the texts, a Chinese character one each."""
    inner = Tokenizer(models.WordLevel({}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=False)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found = Counter(word for text in texts for word, _ in inner.pre_tokenizer.pre_tokenize_str(normal(inner, text)))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(found)]
    inner.model = models.WordLevel({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]")
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **marks).save_pretrained(path)
    # A tokenizer needs a config beside it to be found in a directory.
    BertConfig().save_pretrained(path)


def normal(inner, text):
    return inner.normalizer.normalize_str(text)


def told(chance, filler=3):
    """One thing of each kind, in any order, with words between."""
    known = {kind: chance.choice(things) for kind, things in THINGS.items()}
    if chance.random() < 0.4:
        known.pop(chance.choice(list(known)))
    parts = [*known.values(), *(" ".join(chance.choices(FILLER, k=4)) + " ." for _ in range(filler))]
    chance.shuffle(parts)
    return " ".join(parts), known


def asked(chance, context, known, *, unknown=False):
    missing = [kind for kind in THINGS if kind not in known]
    if unknown and missing:
        return {"question": f"which {missing[0]} ?", "context": context, "answers": {"text": [], "answer_start": []}}
    kind = chance.choice(list(known))
    answers = {"text": [known[kind]], "answer_start": [context.index(known[kind])]}
    return {"question": f"which {kind} ?", "context": context, "answers": answers}


@pytest.fixture
def things(tmp_path):
    """`things(unanswerable=share, …)` writes train and validation and their tokenizer; returns the rows."""

    def make(unanswerable=0.0, train=400, validation=80, seed=0, **shape):
        chance = random.Random(seed)
        rows = [
            asked(chance, *told(chance, **shape), unknown=chance.random() < unanswerable)
            for _ in range(train + validation)
        ]
        words(tmp_path / "words", [row[side] for row in rows for side in ("question", "context")])
        write(tmp_path / "train.jsonl", rows[:train])
        write(tmp_path / "validation.jsonl", rows[train:])
        return rows[:train], rows[train:]

    return make


def opened(place, *overrides):
    parsed = recipe.parse(SCRATCH, overrides=list(overrides))
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    tokenizer = task.tokenizer(parsed, splits, [place])
    config = task.config(parsed, locate(parsed.model, [place]), tokenizer)
    return task, splits, tokenizer, task.prepare(parsed, splits, tokenizer, config)


def predictions(run, split="validation"):
    return pq.read_table(run.predictions / f"{split}.parquet").to_pylist()


def test_it_learns_to_answer_and_says_the_same_of_a_row_when_it_is_used(things, trained, said):
    _, validation = things()
    run = trained(SCRATCH)
    first, *_, last = (event.scalars for event in said(run, "eval"))
    assert last["eval/loss"] < first["eval/loss"] * 0.3
    commonest = Counter(row["answers"]["text"][0] for row in validation).most_common(1)[0][1] / len(validation)
    assert last["eval/exact_match"] > 2.5 * commonest
    rows = predictions(run)
    assert [row["row"] for row in rows] == list(range(len(validation)))
    best = max(event.scalars["eval/f1"] for event in said(run, "eval"))
    assert np.mean([row["score"] for row in rows]) == pytest.approx(best, abs=1e-6)
    answerer = spec.predictor("question-answering", run.model, max_length=48)
    answers = answerer.predict(validation)
    for row, answer, source in zip(rows, answers, validation, strict=True):
        assert row["text"] == f"{source['question']}\n{source['context']}"
        assert row["label"] == source["answers"]["text"][0]
        assert row["exact"] == (row["prediction"] == row["label"])
        assert (answer.answer, answer.start, answer.end) == (row["prediction"], row["start"], row["end"])
        assert source["context"][row["start"] : row["end"]] == row["prediction"]
        assert answer.candidates[0].text == answer.answer
        assert answer.score == answer.candidates[0].score


def test_it_learns_when_there_is_no_answer(things, trained, said):
    things(unanswerable=1.0)
    run = trained(SCRATCH)
    last = said(run, "eval")[-1].scalars
    assert last["eval/exact_match_no_answer"] > 0.5
    assert last["eval/exact_match_has_answer"] > 0.5
    assert last["eval/best_f1"] >= last["eval/f1"] - 1e-9
    assert np.isfinite(last["eval/best_f1_threshold"])
    rows = predictions(run)
    for row in rows:
        assert (row["prediction"] == "") == (row["no_answer_probability"] > 0.5)
        assert row["exact"] == (row["prediction"] == row["label"])
    nothing = next(row for row in rows if row["prediction"] == "")
    assert (nothing["start"], nothing["end"]) == (0, 0)
    question, context = nothing["text"].split("\n")
    (answer,) = spec.predictor("question-answering", run.model).predict([{"question": question, "context": context}])
    assert (answer.answer, answer.start, answer.end) == ("", 0, 0)
    assert answer.candidates, "what it would have said is told all the same"


def test_an_answer_far_down_is_found_in_the_last_of_many_windows(things, trained, tmp_path):
    _, validation = things(train=300)
    run = trained(SCRATCH)
    ballast = " ".join(random.Random(7).choices(FILLER, k=80))
    long = [row | {"context": f"{ballast} {row['context']}"} for row in validation]
    for row in long:
        text = row["answers"]["text"][0]
        row["answers"] = {"text": [text], "answer_start": [row["context"].rindex(text)]}
    write(tmp_path / "validation.jsonl", long)
    _, _, _, prepared = opened(tmp_path, "data.max_length=32", "data.stride=8")
    windows = prepared.rows["validation"]
    assert (np.bincount(windows.place) >= 5).all()
    answers = spec.predictor("question-answering", run.model, max_length=32).predict(long)
    right = [answer.answer == row["answers"]["text"][0] for answer, row in zip(answers, long, strict=True)]
    assert np.mean(right) > 0.6
    assert all(answer.start >= len(ballast) for answer, good in zip(answers, right, strict=True) if good)


CHINESE = {"谁": ["安娜", "李明", "王小红", "陈先生"], "哪": ["北京", "上海市", "天津港", "大草原"]}


def test_chinese_is_answered_without_spaces_and_judged_by_character(tmp_path, trained, said):
    chance = random.Random(1)
    rows = []
    for _ in range(380):
        who, where = (chance.choice(CHINESE[word]) for word in "谁哪")
        parts = [who, where, *("".join(chance.choices("天气很好大家都去看了", k=4)) for _ in range(2))]
        chance.shuffle(parts)
        word, answer = chance.choice([("谁", who), ("哪", where)])
        rows.append({"question": f"{word}？", "context": "，".join(parts) + "。", "answers": answer})
    words(tmp_path / "words", [row[side] for row in rows for side in ("question", "context")])
    write(tmp_path / "train.jsonl", rows[:300])
    write(tmp_path / "validation.jsonl", rows[300:])
    run = trained(SCRATCH)
    last = said(run, "eval")[-1]
    assert last.characters is True
    assert last.scalars["eval/exact_match"] > 0.6
    found = predictions(run)
    assert all(row["prediction"] in row["text"] for row in found)
    # By words every near miss would be worth nothing: only by character are there F1 between 0 and 1.
    first = said(run, "eval")[0].scalars
    assert first["eval/f1"] > first["eval/exact_match"]


def test_the_gradient_of_a_step_does_not_depend_on_how_it_is_accumulated():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
    )
    model = BertForQuestionAnswering(config)
    ids, labels = torch.randint(30, (6, 9)), torch.randint(9, (6, 2))

    def gradient(*parts):
        model.zero_grad()
        for rows in parts:
            step_loss(model(input_ids=ids[rows]), labels[rows], torch.tensor(labels.numel())).backward()
        return model.qa_outputs.weight.grad.clone()

    whole = gradient(slice(0, 6))
    assert torch.allclose(gradient(slice(0, 1), slice(1, 6)), whole, atol=1e-7)
    own = model(input_ids=ids, start_positions=labels[:, 0], end_positions=labels[:, 1]).loss
    assert step_loss(model(input_ids=ids), labels).item() == pytest.approx(own.item())


def test_a_window_that_points_nowhere_has_no_part_in_the_loss():
    logits = torch.randn(2, 3, 5)
    outputs = SimpleNamespace(start_logits=logits[0], end_logits=logits[1])
    some = SimpleNamespace(start_logits=logits[0, :2], end_logits=logits[1, :2])
    labels = torch.tensor([[1, 2], [0, 0], [IGNORED, IGNORED]])
    assert step_loss(outputs, labels).item() == pytest.approx(step_loss(some, labels[:2]).item())


def rows_with(place, *rows):
    whole = [{"question": "which animal ?", "context": "a cat came"} | row for row in rows]
    words(place / "words", ["which animal ? a cat came along then on"])
    for name in ("train", "validation"):
        write(place / f"{name}.jsonl", whole)


def test_what_cannot_be_pointed_at_is_not_learnt_but_judged_and_said(tmp_path):
    rows_with(
        tmp_path,
        {"answers": "cat"},
        {"answers": "owl"},
        {"answers": ""},
        {"answers": "cat " + "came along then on " * 9 + "cat", "context": "cat " + "came along then on " * 9 + "cat"},
        {"answers": "cat", "question": "which animal came " * 12 + "?"},
    )
    _, _, _, prepared = opened(tmp_path, "data.max_length=24", "data.stride=6")
    train, validation = prepared.counts["train"], prepared.counts["validation"]
    assert train["rows"] == validation["rows"] == 5
    assert (train["dropped"], validation["dropped"]) == (2, 0)
    for counts in (train, validation):
        assert (counts["unmatched"], counts["lost"], counts["unanswerable"], counts["truncated"]) == (1, 1, 1, 1)
    assert sorted(set(prepared.rows["train"].source)) == [0, 2, 4]
    assert (prepared.rows["train"].labels >= 0).all()
    assert sorted(set(prepared.rows["validation"].source)) == [0, 1, 2, 3, 4]
    notes = "\n".join(note for note in prepared.notes if note.startswith("validation"))
    assert "answer that does not stand in the context" in notes
    assert "1 answers stand whole in no window of 24 tokens" in notes
    assert "1 questions of more than 10 tokens, half of the window, are cut" in notes
    assert notes.count("validation.jsonl:") == 4, "each with its file and row"


def test_squad_files_are_rows_like_any_other(tmp_path):
    words(tmp_path / "words", ["which animal ? a cat came"])
    asked = [
        {"id": "1", "question": "which animal ?", "answers": [{"text": "cat", "answer_start": 2}]},
        {"id": "2", "question": "which place ?", "answers": [], "is_impossible": True},
    ]
    document = {"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "a cat came", "qas": asked}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(document))
    _, _, tokenizer, prepared = opened(tmp_path, "data.train=squad.json", "data.validation=squad.json")
    windows = prepared.rows["validation"]
    first, last = windows.labels[0]
    assert tokenizer.decode(windows[0]["input_ids"][first : last + 1]) == "cat"
    assert windows.labels[1].tolist() == [0, 0], "no answer is at [CLS]"
    assert prepared.counts["train"]["unanswerable"] == 1
    assert windows[0]["token_type_ids"].tolist() == [0] * windows.first[0] + [1] * (windows.held[0] + 1)


def test_a_row_whose_answer_is_nowhere_counts_as_wrong_and_has_no_loss(tmp_path, trained):
    rows_with(tmp_path, {"answers": "cat"}, {"answers": "owl"})
    run = trained(SCRATCH, "train.epochs=1")
    there, nowhere = predictions(run)
    assert there["loss"] > 0
    assert nowhere["loss"] is None
    assert (nowhere["label"], nowhere["score"], nowhere["exact"]) == ("owl", 0.0, False)


def test_data_without_a_single_answer_to_point_at_is_refused(tmp_path):
    rows_with(tmp_path, {"answers": "owl"})
    with pytest.raises(DataError, match="no question has an answer that stands in its context"):
        opened(tmp_path)
    rows_with(tmp_path, {"answers": "cat"})
    with pytest.raises(BadInput, match="80 tokens are more than the model's 64 positions"):
        opened(tmp_path, "data.max_length=80")


def test_a_model_from_elsewhere_always_answers_and_a_row_needs_both_fields(tmp_path):
    words(tmp_path / "words", ["which animal ? a cat came 😀"])
    torch.manual_seed(3)
    config = BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertForQuestionAnswering(config).save_pretrained(tmp_path / "words")
    answerer = spec.predictor("question-answering", tmp_path / "words")
    assert answerer.max_length == 384
    context = "a cat came 😀 a cat"
    (answer,) = answerer.predict([{"question": "which ?", "context": context}], top_k=3)
    assert answer.answer == context[answer.start : answer.end] != ""
    assert len(answer.candidates) == 3
    for one in answer.candidates:
        assert context[one.start : one.end] == one.text
    assert answerer.predict([]) == []
    (nothing,) = answerer.predict([{"question": "which ?", "context": ""}])
    assert (nothing.answer, nothing.candidates, nothing.score) == ("", (), 1.0)
    with pytest.raises(BadInput, match="a row lacks its context"):
        answerer.predict(["which animal ?"])
