"""Words are tagged: in windows, through their pieces, and back to the entities of a text."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedConfig

from workbench.contracts.answers import EntitiesAnswer
from workbench.core.errors import BadInput, DataError, WorkbenchError
from workbench.recipe import Generate
from workbench.tasks import interface, spec
from workbench.tasks import recipe_union as recipe
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.rows import IGNORED
from workbench.tasks.shared.token_loss import TokenCrossEntropy

SCRATCH = """
name = "x"
task = "token-classification"
[model]
architecture = "bert"
tokenizer = "bpe"
vocab_size = 400
dropout = 0.0
[model.config]
num_hidden_layers = 2
hidden_size = 48
num_attention_heads = 2
intermediate_size = 96
max_position_embeddings = 48
[data]
train = "train.jsonl"
validation = "validation.jsonl"
[train]
epochs = 6
batch_size = 8
learning_rate = 5e-3
[launch]
device = "cpu"
"""
# How an entity of each kind begins, and how it goes on.
NAMES = {"PER": (["Karl", "Ana", "Bo"], ["Ove", "Knausgård"]), "LOC": (["New", "北京", "San"], ["York", "City"])}
OTHER = ["the", "cat", "sat", "on", "a", "mat", "and", "slept", ",", "."]


def sentence(chance, words):
    """Tokens and BIO tags: about a third of it names, of one to three words."""
    tokens, tags = [], []
    while len(tokens) < words:
        kind = chance.choice(["PER", "LOC", "O", "O", "O", "O"])
        if kind == "O":
            tokens.append(chance.choice(OTHER))
            tags.append("O")
            continue
        further = chance.randint(0, 2)
        tokens += [chance.choice(NAMES[kind][0]), *(chance.choice(NAMES[kind][1]) for _ in range(further))]
        tags += [f"B-{kind}", *[f"I-{kind}"] * further]
    return tokens, tags


def write(place, **rows):
    for name, listed in rows.items():
        lines = (json.dumps({"tokens": tokens, "ner_tags": tags}) for tokens, tags in listed)
        (place / f"{name}.jsonl").write_text("\n".join(lines))


@pytest.fixture
def people(tmp_path):
    chance = random.Random(0)
    train = [sentence(chance, chance.randint(3, 20)) for _ in range(120)] + [sentence(chance, 60) for _ in range(10)]
    # The last is far longer than a window, and so are its entities spread.
    write(tmp_path, train=train, validation=[sentence(chance, 8) for _ in range(20)] + [sentence(chance, 300)])
    return tmp_path


def opened(place, *overrides):
    parsed = recipe.parse(SCRATCH, overrides=list(overrides))
    task, splits = spec.task_of(parsed.task), splits_for(parsed, [place])
    tokenizer = task.tokenizer(parsed, splits, [place])
    return (
        task,
        splits,
        tokenizer,
        task.prepare(parsed, splits, tokenizer, PreTrainedConfig(max_position_embeddings=48)),
    )


def tagged(prepared, split="train", row=0):
    """Name of the tag of each token of a row, - for none."""
    tags = prepared.rows[split][row]["tags"]
    return ["-" if tag == IGNORED else prepared.labels[tag] for tag in tags]


UNKNOWN = (["Zweibrücken", "Q"], ["B-LOC", "O"])


def test_the_first_piece_of_a_word_carries_its_tag_or_all_do(tmp_path):
    write(tmp_path, train=[UNKNOWN, (["Q", "Q"], ["O", "O"])] * 3, validation=[UNKNOWN])
    _, _, tokenizer, prepared = opened(tmp_path, "model.vocab_size=258")
    pieces = len(tokenizer(" Zweibrücken")["input_ids"])
    assert pieces > 3
    assert tagged(prepared) == ["B-LOC", *["-"] * (pieces - 1), "O", "-"]
    _, _, _, prepared = opened(tmp_path, "model.vocab_size=258", "data.tag_subwords=all")
    assert tagged(prepared) == ["B-LOC", *["I-LOC"] * (pieces - 1), "O", "O"]


def test_what_is_read_is_counted(people):
    _, splits, _, prepared = opened(people)
    counts = prepared.counts["validation"]
    flat = [tag for row in splits.validation.column("ner_tags").to_pylist() for tag in row]
    assert counts["rows"] == 21
    assert counts["windows"] > 27
    assert counts["words"] == len(flat) == sum(counts["labels"].values())
    assert counts["entities"] == {kind: flat.count(f"B-{kind}") for kind in ("LOC", "PER")}
    assert counts["unseen_words"] == counts["unseen_entities"] == counts["truncated"] == 0
    assert any(note.startswith("validation: 21 rows are read in") for note in prepared.notes)
    tags = prepared.rows["validation"].tags
    assert (tags != IGNORED).sum() == len(flat), "each word is trained on once, however many windows see it"


def test_the_loss_is_of_the_whole_step():
    logits, labels = torch.randn(4, 6, 3), torch.randint(0, 3, (4, 6))
    labels[:, 4:] = IGNORED

    class Outputs:
        def __init__(self, part):
            self.logits = logits[part]

    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    parts = [TokenCrossEntropy()(Outputs(part), labels[part], 16) for part in (slice(0, 1), slice(1, 4))]
    assert sum(parts) == pytest.approx(whole)
    assert TokenCrossEntropy()(Outputs(slice(0, 4)), labels) == pytest.approx(whole)


def evaluated(task, prepared, split="validation", *, ranks=1):
    """The result of a model that is always right, gathered by so many processes."""
    collate, rows = task.collator(prepared, None), prepared.rows[split]
    parts = []
    for rank in range(ranks):
        evaluator = task.evaluator(prepared, split)
        for places in np.array_split(np.random.default_rng(0).permutation(len(rows)), 2)[rank::ranks]:
            batch = collate([rows[place] for place in places])
            right = torch.nn.functional.one_hot(batch["labels"].clamp(min=0), len(prepared.labels)) * 10.0
            evaluator.add(places, batch, evaluator.ask(lambda right=right, **_: SimpleNamespace(logits=right), batch))
        parts.append(evaluator.part())
    return task.evaluator(prepared, split).result(parts)


@pytest.mark.parametrize("pieces", ["first", "all"])
def test_who_is_always_right_finds_every_entity_of_a_long_text(people, pieces):
    task, _, _, prepared = opened(people, f"data.tag_subwords={pieces}")
    result = evaluated(task, prepared, ranks=2)
    assert result.scalars["f1"] == result.scalars["f1_all"] == result.scalars["token_accuracy"] == 1
    assert result.report["gold"] == result.report["seen"] == sum(prepared.counts["validation"]["entities"].values())
    table = result.predictions().to_pylist()
    assert [entry["row"] for entry in table] == list(range(21))
    assert all(entry["label"] == entry["prediction"] and entry["score"] == 1 for entry in table)
    assert all(entry["gold"] == entry["called"] for entry in table)


def test_an_entity_at_the_end_of_three_thousand_words_is_scored(tmp_path):
    words = ["the"] * 2998 + ["Ana", "Oslo"]
    tags = ["O"] * 2998 + ["B-PER", "B-LOC"]
    write(
        tmp_path, train=[(["Ana", "sat"], ["B-PER", "O"]), (["Oslo", "a"], ["B-LOC", "O"])], validation=[(words, tags)]
    )
    task, _, _, prepared = opened(tmp_path)
    (row,) = evaluated(task, prepared).predictions().to_pylist()
    assert row["label"] == row["prediction"] == "PER: Ana; LOC: Oslo"
    assert len(row["tokens"]) == len(row["called"]) == 3000


ZERO = "\u200b"


@pytest.fixture
def unseen(tmp_path):
    """Rows with words that BERT's tokenizer turns into nothing: within an entity, at its edges, and one all of them."""
    rows = [
        (["Karl", ZERO, "Ove"], ["B-PER", "I-PER", "I-PER"]),
        (["Ana", ZERO, "Karl"], ["B-PER", "B-PER", "I-PER"]),
        ([ZERO, "sat", ZERO], ["B-LOC", "O", "O"]),
        ([ZERO, ZERO], ["B-LOC", "I-LOC"]),
        (["Oslo"], ["B-LOC"]),
    ]
    write(tmp_path, train=[(["Ana", "a"], ["B-PER", "O"]), (["Oslo", "a"], ["B-LOC", "O"])], validation=rows)
    return tmp_path


def test_entities_that_no_token_shows_are_missed_and_not_forgotten(unseen):
    task, _, _, prepared = opened(unseen, "model.tokenizer=builtin:minilm", "model.vocab_size=8192")
    counts = prepared.counts["validation"]
    assert counts["unseen_words"] == 6
    assert counts["unseen_entities"] == 2
    assert any("sees nothing of 6 words, and 2 entities with them" in note for note in prepared.notes)
    result = evaluated(task, prepared)
    # Karl Ove; Ana and the other Karl beside her; Oslo. Two at places that cannot be seen.
    assert result.report["seen"] == 4
    assert result.report["gold"] == 6
    assert result.scalars["recall"] == result.scalars["f1"] == 1
    assert result.scalars["recall_all"] == pytest.approx(4 / 6)
    assert result.scalars["f1_all"] == pytest.approx(8 / 10)
    table = result.predictions().to_pylist()
    assert table[0]["called"] == ["B-PER", None, "I-PER"]
    assert table[1]["prediction"] == "PER: Ana; PER: Karl"
    assert table[3] | {"text": ""} == {
        "row": 3, "label": "LOC: \u200b \u200b", "prediction": "(none)", "score": 0.0, "loss": None, "text": "",
        "tokens": [ZERO, ZERO], "gold": ["B-LOC", "I-LOC"], "called": [None, None],
    }  # fmt: skip


def test_it_learns_and_tells_its_figures_again_when_asked(people, trained, said):
    run = trained(SCRATCH)
    last = said(run, "eval")[-1].scalars
    assert last["eval/loss"] < said(run, "step")[0].scalars["train/loss"] * 0.4
    # Nobody finds an entity by calling everything O, or everything the commonest tag.
    assert last["eval/f1"] > 0.8
    assert last["eval/f1"] == last["eval/f1_all"]
    (report,) = [event.per_class for event in said(run, "eval")][-1:]
    assert {entry.label for entry in report} == {"LOC", "PER"}
    table = pq.read_table(run.predictions / "validation.parquet").to_pylist()
    assert sum(entry["score"] for entry in table) / len(table) > 0.7
    assert table[0]["text"] == " ".join(table[0]["tokens"])

    opened = spec.predictor("token-classification", run.model, max_length=48)
    assert isinstance(opened, interface.Predictor)
    assert opened.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    for entry, answer in zip(table, opened.predict([{"tokens": entry["tokens"]} for entry in table]), strict=True):
        named = "; ".join(f"{found.label}: {found.text}" for found in answer.entities)
        assert (named or "(none)") == entry["prediction"]
        assert all(entry["text"][found.start : found.end] == found.text for found in answer.entities)
        assert all(0 < found.score <= 1 for found in answer.entities)
    (answer,) = opened.predict(["the cat,  Karl Ove Knausgård sat"])
    (listed,) = opened.predict([{"tokens": '["the", "cat", ",", "Karl", "Ove", "Knausgård", "sat"]'}])
    assert [found.text for found in answer.entities] == [found.text for found in listed.entities]
    assert opened.predict(["", "  \n "]) == [EntitiesAnswer(())] * 2
    with pytest.raises(BadInput, match="no list of words"):
        opened.predict([{"tokens": "Karl Ove"}])
    with pytest.raises(BadInput, match="lacks its text"):
        opened.predict([{"title": "x"}])
    with pytest.raises(WorkbenchError, match="generates no text"):
        opened.generate("Karl", Generate())


CHINESE = {"LOC": ["北京", "上海", "重庆"], "PER": ["王明", "李小红"]}


def test_chinese_characters_are_read_and_answered_without_spaces(tmp_path, trained, said):
    chance, rows = random.Random(1), []
    for _ in range(120):
        tokens, tags = [], []
        for kind, text in ((k, chance.choice(CHINESE[k])) for k in chance.sample(["LOC", "PER"], 2)):
            for part, tag in ((chance.choice(["我在", "去了", "和他说"]), None), (text, kind)):
                tokens += list(part)
                tags += ["O"] * len(part) if tag is None else [f"B-{tag}", *[f"I-{tag}"] * (len(part) - 1)]
        rows.append((tokens, tags))
    write(tmp_path, train=rows[:100], validation=rows[100:])
    run = trained(SCRATCH, "train.epochs=4")
    assert said(run, "eval")[-1].scalars["eval/f1"] > 0.9
    config = json.loads((run.model / "config.json").read_text())
    assert (config["tag_scheme"], config["word_split"], config["words_spaced"]) == ("bio", "words", False)
    table = pq.read_table(run.predictions / "validation.parquet").to_pylist()
    assert " " not in table[0]["text"]
    assert "LOC: " in table[0]["label"]
    (answer,) = spec.predictor("token-classification", run.model).predict(["我在北京和他说李小红"])
    assert [(found.label, found.text) for found in answer.entities] == [("LOC", "北京"), ("PER", "李小红")]


def test_tags_that_spell_no_entities_are_judged_by_how_many_are_right(tmp_path, trained, said):
    chance = random.Random(2)
    kinds = {"the": "DET", "a": "DET", "cat": "NOUN", "mat": "NOUN", "sat": "VERB", "slept": "VERB"}
    rows = [[chance.choice(list(kinds)) for _ in range(6)] for _ in range(80)]
    listed = [(row, [kinds[word] for word in row]) for row in rows]
    write(tmp_path, train=listed[:60], validation=listed[60:])
    run = trained(SCRATCH, "train.epochs=3")
    last = said(run, "eval")[-1]
    assert last.scalars["eval/token_accuracy"] > 0.9
    assert set(last.scalars) == {"eval/loss", "eval/token_accuracy"}
    assert "eval/f1" in last.undefined
    assert last.labels == ("DET", "NOUN", "VERB")
    assert said(run, "plan")[0].best == "eval/token_accuracy"
    (answer,) = spec.predictor("token-classification", run.model).predict(["the cat slept"])
    assert [found.label for found in answer.entities] == ["DET", "NOUN", "VERB"]
    with pytest.raises(BadInput, match="has no metric 'f1'"):
        trained(SCRATCH, "evaluate.best=f1", name="other")


def test_a_run_goes_on_to_the_same_weights(people, trained):
    settings = ("train.epochs=1", "train.save_every=5", "model.dropout=0.1", "evaluate.every=10")
    whole = trained(SCRATCH, *settings, name="whole")
    parts = trained(SCRATCH, *settings, name="parts", stop_at=8)
    trained(SCRATCH, *settings, name="parts")
    weights = [(run.model / "model.safetensors").read_bytes() for run in (whole, parts)]
    assert weights[0] == weights[1]


def test_a_split_of_which_nothing_is_seen_is_refused(tmp_path):
    write(tmp_path, train=[(["Ana", "a"], ["B-PER", "O"])] * 2, validation=[([ZERO], ["O"])])
    with pytest.raises(DataError, match="the tokenizer knows no word of validation"):
        opened(tmp_path, "model.tokenizer=builtin:minilm")


def test_more_tokens_than_positions_are_refused(people):
    with pytest.raises(BadInput, match="49 tokens are more than the model's 48 positions"):
        opened(people, "data.max_length=49")


@pytest.fixture(scope="module")
def any_tagger(tmp_path_factory):
    """Random weights over IOB tags, windows of 12 tokens, and MiniLM's tokenizer, from elsewhere: no card."""
    from transformers import BertConfig, BertForTokenClassification

    from workbench.models.locate import locate_tokenizer
    from workbench.models.weights import open_tokenizer
    from workbench.recipe import ModelSource

    place = tmp_path_factory.mktemp("elsewhere")
    tokenizer = open_tokenizer(locate_tokenizer(ModelSource(name="builtin:minilm"), []).path_or_id)
    labels = ["O", "B-A", "I-A", "B-C", "I-C"]
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=12, id2label=dict(enumerate(labels)), initializer_range=1.0,
    )  # fmt: skip
    BertForTokenClassification(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return spec.predictor("token-classification", place)


@given(st.text(st.sampled_from("aB é北京か。👍🏽👩\u200d\ufe0f\u0301\u200b\n,.-1한"), max_size=60))
@settings(max_examples=60, deadline=None)
def test_an_entity_is_the_text_between_its_places(any_tagger, text):
    (answer,) = any_tagger.predict([text])
    at = 0
    for found in answer.entities:
        assert text[found.start : found.end] == found.text != ""
        assert at <= found.start < found.end
        assert found.label in ("A", "C")
        at = found.end


def test_a_text_alone_or_among_others_has_the_same_entities(any_tagger):
    texts = ["Karl Ove Knausgård lives in Oslo , he said . " * 4, "北京", "Ana"]
    together = any_tagger.predict(texts)
    for text, answer in zip(texts, together, strict=True):
        (alone,) = any_tagger.predict([text])
        assert [(found.start, found.end) for found in alone.entities] == [
            (found.start, found.end) for found in answer.entities
        ]
