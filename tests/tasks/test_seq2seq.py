"""One text is written after another: by every family, in every language, and counted where it is cut."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedConfig

from workbench.core.errors import BadInput, DataError, ModelError
from workbench.models import weights
from workbench.models.locate import locate
from workbench.models.positions import Limits
from workbench.recipe import Generate
from workbench.tasks import interface, spec
from workbench.tasks import recipe_union as recipe
from workbench.tasks.loading import splits_for
from workbench.tasks.seq2seq import languages, searching
from workbench.tasks.seq2seq.data import SideFacts, sides_of
from workbench.tasks.seq2seq.encode import Sides
from workbench.tasks.seq2seq.predict import TextWriter
from workbench.tasks.seq2seq.shifting import Shift, ShiftedPadding
from workbench.tasks.seq2seq.spec import Seq2SeqData as Data
from workbench.tasks.shared import generation
from workbench.tasks.shared.rows import IGNORED, Padding, TokenRows
from workbench.tasks.shared.token_loss import TokenCrossEntropy

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "a", "cat", "dog", "sits", "eine", "katze", "hund", "sitzt", "猫", "坐"]

MONTHS = (
    "January February March April May June July August September October November December".split(" ")  # noqa: SIM905
)

DATES = """
name = "dates"
task = "seq2seq"
[model]
architecture = "t5"
tokenizer = "bpe"
vocab_size = 300
dropout = 0.0
config = { d_model = 64, d_kv = 16, d_ff = 128, num_layers = 1, num_decoder_layers = 1, num_heads = 4 }
[data]
train = "train.jsonl"
validation = "validation.jsonl"
text = "translation.en"
target = "translation.iso"
max_length = 32
max_target_length = 16
[train]
epochs = 12
batch_size = 32
learning_rate = 5e-3
precision = "fp32"
[evaluate]
every = 188
beams = 2
[launch]
device = "cpu"
"""

# What is small in all of them, under each family's own names.
SMALL = {
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2},
    "bart": {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "max_position_embeddings": 40,
    },
}
FAMILIES = {"t5": "t5", "bart": "bart", "marian": "bart", "mbart": "bart", "m2m_100": "bart"}


def date(chance):
    year, month, day = chance.randint(1990, 2009), chance.randint(1, 12), chance.randint(1, 28)
    return {"en": f"{MONTHS[month - 1]} {day}, {year}", "iso": f"{year}-{month:02d}-{day:02d}"}


@pytest.fixture
def dates(tmp_path):
    """1,500 dates to learn from and 40 to be judged by, as hub translation sets hold their rows."""
    chance = random.Random(0)
    for name, rows in (("train", 1500), ("validation", 40)):
        lines = [json.dumps({"translation": date(chance)}) for _ in range(rows)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture(scope="module")
def words():
    """A tokenizer of words that sets its end token itself."""
    return fast(post=True)


def fast(*, post):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if post:
        inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", bos_token="<s>"
    )


def multilingual(kind):
    import transformers

    if kind == "NllbTokenizer":
        return transformers.NllbTokenizer()
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(f"▁{word}", -1.0) for word in WORDS[4:]]
    return getattr(transformers, kind)(vocab=vocabulary)


def built(family, tokenizer):
    """A random model of the family, as the task makes it from scratch."""
    parsed = recipe.parse(DATES, overrides=["model.tokenizer=words", f"model.architecture={family}"])
    fields = {**parsed.model.model_dump(), "config": SMALL[FAMILIES[family]]}
    parsed = parsed.model_copy(update={"model": type(parsed.model).model_validate(fields)})
    task = spec.task_of(parsed.task)
    torch.manual_seed(0)
    model, new = task.model(rows([[4]], [[4]], tokenizer, parsed), locate(parsed.model, []))
    assert new == ["*"]
    return task, model.eval()


def rows(sources, targets, tokenizer=None, wanted=None):
    packed = {"train": TokenRows.pack(sources, targets=TokenRows.pack(targets))}
    facts = SideFacts(Sides(tokenizer, "", 20, 12), [])
    return interface.Prepared(wanted or recipe.parse(DATES), tokenizer, None, packed, facts, 20, {}, [])


# Rows


def test_what_lacks_an_end_gets_one_and_what_has_one_gets_no_second(words):
    for tokenizer in (words, fast(post=False)):
        sides = Sides(tokenizer, "a ", 5, 4)
        assert sides.sources(["cat sits", "cat sits dog sits dog"]) == ([[4, 5, 7, 2], [4, 5, 7, 6, 2]], 1)
        assert sides.targets(["katze", "eine katze sitzt", "eine katze sitzt hund"]) == (
            [[9, 2], [8, 9, 11, 2], [8, 9, 11, 2]],
            1,
        )


def test_a_tokenizer_without_an_end_is_refused(words):
    tokenizer = fast(post=False)
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="would never end"):
        Sides(tokenizer, "", 5, 5).sources(["cat"])


def test_cut_sources_and_targets_are_counted_and_said(tmp_path, words):
    rows = [("a cat", "eine katze"), ("a cat sits a cat", "eine katze"), ("a dog", "eine katze sitzt sitzt"), ("", "x")]
    lines = [json.dumps({"source": source, "target": target}) for source, target in rows]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    parsed = recipe.parse(
        'name = "x"\ntask = "seq2seq"\n[model]\nname = "x"\n[data]\ntrain = "train.jsonl"\nholdout = 1\n'
        "max_length = 4\nmax_target_length = 4\n[evaluate]\nevery = 'never'"
    )
    whole = parsed.data.model_copy(update={"holdout": None})
    splits = splits_for(parsed.model_copy(update={"data": whole}), [tmp_path])
    prepared = spec.task_of("seq2seq").prepare(parsed, splits, words, PreTrainedConfig())
    counts = prepared.counts["train"]
    assert counts == {
        "rows": 3,
        "dropped": 1,
        "truncated": 1,
        "truncated_targets": 1,
        "tokens": 3 + 4 + 3,
        "target_tokens": 3 + 3 + 4,
    }
    assert "train: 1 of 3 sources cut to data.max_length = 4 tokens" in prepared.notes
    assert "train: 1 of 3 targets cut to data.max_target_length = 4 tokens" in prepared.notes
    assert prepared.rows["train"][2]["targets"].tolist() == [8, 9, 11, 2]
    assert prepared.rows["train"].source.tolist() == [0, 1, 2]


def test_a_dotted_name_leads_into_an_object_and_one_that_does_not_is_said(dates):
    splits = splits_for(recipe.parse(DATES), [dates])
    assert splits.texts("train", "text")[0].as_py() == date(random.Random(0))["en"]
    assert splits.texts("train", "target")[0].as_py() == date(random.Random(0))["iso"]
    with pytest.raises(DataError, match=r"translation.en \(string\), translation.iso \(string\)"):
        splits_for(recipe.parse(DATES, overrides=["data.target=translation.fr"]), [dates])


def test_rows_without_a_translation_are_dropped_and_counted(dates):
    with (dates / "train.jsonl").open("a") as file:
        file.write('\n{"translation": null}\n{"translation": {"en": "May 1, 1999", "iso": null}}')
    splits = splits_for(recipe.parse(DATES), [dates])
    assert (splits.train.num_rows, splits.dropped["train"]) == (1500, 2)


def test_lengths_beyond_what_the_model_has_positions_for_are_refused(words):
    # A resolved recipe has every default written out: it is no wish.
    usual = Data.model_validate(Data().model_dump())
    forty, endless = Limits(40), Limits(None)
    sides = sides_of(words, usual, forty, forty)
    assert sides.longest_target == sides.longest_source == 40
    assert sides_of(words, Data(max_target_length=300), forty, endless).longest_target == 300
    for field in ("max_length", "max_target_length"):
        with pytest.raises(BadInput, match=f"data.{field}: 41 tokens are more than the model's 40"):
            sides_of(words, Data(**{field: 41}), forty, forty)


# Languages


@pytest.mark.parametrize(
    ("kind", "source", "target", "begins"),
    [
        ("MBartTokenizer", "en_XX", "de_DE", False),
        ("MBart50Tokenizer", "en_XX", "zh_CN", True),
        ("NllbTokenizer", "eng_Latn", "zho_Hans", True),
    ],
)
def test_each_side_carries_its_language_and_the_model_begins_with_the_targets(kind, source, target, begins):
    tokenizer = multilingual(kind)
    languages.speak(tokenizer, source, target)
    sides = Sides(tokenizer, "", 10, 10)
    mark, end = tokenizer.convert_tokens_to_ids(target), tokenizer.eos_token_id
    (row,), _ = sides.sources(["cat"])
    assert tokenizer.convert_tokens_to_ids(source) in row
    (row,), _ = sides.targets(["katze"])
    assert row == ([mark, row[1], end] if begins else [row[0], end, mark])
    _, model = built("mbart" if kind.startswith("MBart") else "m2m_100", tokenizer)
    written = searching.search(model, {"input_ids": torch.tensor(sides.sources(["cat"])[0])}, 2, 5)
    if begins:
        assert written[0, 0] == mark
        assert searching.beginning(model)[1:] == [mark]
    else:
        assert searching.beginning(model) == [mark]


def test_a_language_the_tokenizer_does_not_know_is_refused_with_those_near():
    tokenizer = multilingual("MBartTokenizer")
    with pytest.raises(BadInput, match=r"data.target_language: no language 'de' \(25 are known\): use one of de_DE"):
        languages.speak(tokenizer, "en_XX", "de")
    with pytest.raises(BadInput, match=r"data.source_language: the tokenizer marks languages, and none is given"):
        languages.speak(tokenizer, None, "de_DE")
    with pytest.raises(BadInput, match="zho_Hans"):
        languages.speak(multilingual("NllbTokenizer"), "eng_Latn", "zh_CN")


def test_a_tokenizer_without_languages_takes_any_and_it_is_said(tmp_path, words):
    languages.speak(words, "english", None)
    row = json.dumps({"source": "a cat", "target": "eine katze"})
    (tmp_path / "train.jsonl").write_text("\n".join([row] * 4))
    parsed = recipe.parse(
        'name = "x"\ntask = "seq2seq"\n[model]\nname = "x"\n[data]\ntrain = "train.jsonl"\ntarget_language = "de"'
    )
    notes = spec.task_of("seq2seq").prepare(parsed, splits_for(parsed, [tmp_path]), words, PreTrainedConfig()).notes
    assert any(note.startswith("data.target_language: the tokenizer marks no languages") for note in notes)


def test_what_needs_sentencepiece_says_so(tmp_path):
    pytest.importorskip("transformers")
    try:
        import sentencepiece  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("sentencepiece is here")
    (tmp_path / "config.json").write_text('{"model_type": "marian"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    for name in ("source.spm", "target.spm", "vocab.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="pip install sentencepiece"):
        weights.open_tokenizer(tmp_path)


# Batches and loss


@given(st.lists(st.lists(st.integers(3, 13), min_size=1, max_size=6), min_size=1, max_size=5))
def test_labels_are_padded_and_the_decoder_sees_them_a_place_later(targets):
    packed = rows([[5]] * len(targets), targets).rows["train"]
    items = [packed[place] for place in range(len(targets))]
    batch = ShiftedPadding(Padding(1), Shift(start=0, pad=1))(items)
    for place, row in enumerate(targets):
        assert batch["labels"][place].tolist() == row + [IGNORED] * (batch["labels"].shape[1] - len(row))
        given = batch["decoder_input_ids"][place].tolist()
        assert given[: len(row)] == [0, *row[:-1]]
        assert IGNORED not in given
    assert ShiftedPadding(Padding(1), Shift(0, 1), width=9)(items)["labels"].shape == (len(targets), 9)


@pytest.mark.parametrize("family", FAMILIES)
def test_shifting_and_loss_are_those_of_the_model(family, words):
    task, model = built(family, words)
    prepared = rows([[4, 5, 2], [6, 2]], [[8, 9, 2], [8, 9, 11, 10, 2]], words)
    batch = task.collator(prepared, model)([prepared.rows["train"][place] for place in (0, 1)])
    if own := getattr(model, "prepare_decoder_input_ids_from_labels", None):
        assert torch.equal(batch["decoder_input_ids"], own(batch["labels"]))
    with torch.no_grad():
        outputs = model(**batch)
    assert TokenCrossEntropy()(outputs, batch["labels"]).item() == pytest.approx(outputs.loss.item(), rel=1e-5)
    # The model makes the same of labels alone.
    alone = {name: value for name, value in batch.items() if name != "decoder_input_ids"}
    assert model(**alone).loss.item() == pytest.approx(outputs.loss.item(), rel=1e-5)
    # A step's batches add up to the loss of the step.
    parts = [TokenCrossEntropy()(outputs_of(outputs, row), batch["labels"][row : row + 1], 8) for row in (0, 1)]
    assert sum(parts).item() == pytest.approx(outputs.loss.item(), rel=1e-5)


def outputs_of(outputs, row):
    from types import SimpleNamespace

    return SimpleNamespace(logits=outputs.logits[row : row + 1])


def test_smoothing_spreads_a_share_of_the_label_over_all():
    from types import SimpleNamespace

    logits, labels = torch.randn(1, 3, 7), torch.tensor([[2, 5, IGNORED]])
    shares = logits[0, :2].log_softmax(-1)
    exact = -shares[[0, 1], [2, 5]].mean()
    even = -shares.mean()
    found = TokenCrossEntropy(0.1)(SimpleNamespace(logits=logits), labels)
    assert found.item() == pytest.approx((0.9 * exact + 0.1 * even).item(), rel=1e-5)


def test_smoothing_is_a_choice_that_makes_sense_here():
    smoothed = recipe.parse(DATES, overrides=["train.label_smoothing=0.1"])
    assert spec.task_of("seq2seq").loss(rows([[4]], [[4]], None, smoothed)).smoothing == 0.1


def test_accumulated_batches_make_the_step_of_the_whole_batch(dates, trained, said):
    short = ("train.max_steps=4", "evaluate.every=never", "data.subset.rows=32", "train.learning_rate=1e-3")
    whole = trained(DATES, *short, "train.batch_size=8", name="whole")
    parts = trained(DATES, *short, "train.batch_size=2", "train.gradient_accumulation=4", name="parts")
    for one, other in zip(said(whole, "step"), said(parts, "step"), strict=True):
        for name in ("train/loss", "train/grad_norm"):
            assert other.scalars[name] == pytest.approx(one.scalars[name], rel=1e-3)


# Models


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_writes_is_saved_and_writes_the_same_again(family, words, tmp_path):
    _, model = built(family, words)
    sides = Sides(words, "", 20, 12)
    before = searching.write(model, sides, 1, ["a cat", "a dog sits"])
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    opened = TextWriter(tmp_path, max_length=20)
    opened._sides = sides
    assert isinstance(opened, interface.Predictor)
    assert [answer.text for answer in opened.predict(["a cat", {"text": "a dog sits"}])] == before
    # Written token by token it is the same.
    stream = "".join(opened.generate("a dog sits", Generate(max_new_tokens=12, temperature=0)))
    assert stream.strip() == before[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert len(searching.write(model, sides, 3, ["a cat"])) == 1


def test_within_what_distributes_or_compiles_it_a_model_still_writes(words):
    _, model = built("t5", words)
    wrapped = torch.nn.Module()
    wrapped.module = torch.nn.Module()
    wrapped.module._orig_mod = model
    assert searching.bare(wrapped) is model is searching.bare(model)


def test_the_same_seed_writes_the_same_and_stops_when_closed(words, tmp_path):
    _, model = built("bart", words)
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    opened = TextWriter(tmp_path)
    drawn = [
        "".join(opened.generate("a cat", Generate(temperature=1.5, seed=seed, max_new_tokens=30))) for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    stream = opened.generate("a cat", Generate(temperature=1.5, seed=1))
    next(stream)
    stream.close()
    assert list(stream) == []
    # It would never end, and learned positions do, at 40.
    opened._model.generation_config.bad_words_ids = [[token] for token in (0, 1, 2, 3)]
    endless = "".join(opened.generate("a cat", Generate(temperature=1.5, max_new_tokens=500)))
    assert len(endless.split()) == 40


def test_tokens_that_are_forbidden_are_never_drawn(words):
    _, model = built("marian", words)
    with torch.no_grad():
        model.final_logits_bias[0, 1] = 100.0
    draw = Generate(temperature=1.0, max_new_tokens=5)
    assert set(generation.answered(model, [4, 2], searching.beginning(model), draw)) == {1}
    model.generation_config.bad_words_ids = [[1]]
    assert 1 not in set(generation.answered(model, [4, 2], searching.beginning(model), draw))


def test_chinese_of_a_tokenizer_of_words_comes_without_spaces_and_in_whole_characters():
    from transformers import BertTokenizer

    vocabulary = {
        word: place
        for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"猫坐在垫子上，", "ok", "the"])
    }
    tokenizer = BertTokenizer(vocab=vocabulary)
    ids = tokenizer("猫坐在垫子上，ok the 猫")["input_ids"]
    assert generation.text_of(tokenizer, ids) == "猫坐在垫子上， ok the 猫"
    pieces = list(generation.shown(tokenizer, iter(ids)))
    assert "".join(pieces) == generation.text_of(tokenizer, ids)
    bpe = weights.train_bpe(["some text"], 300)
    text = "猫坐在垫子上 😀，好。"
    pieces = list(generation.shown(bpe, iter(bpe(text)["input_ids"])))
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


def test_what_is_no_encoder_decoder_is_refused(words):
    parsed = recipe.parse(DATES.replace("t5", "gpt2").replace("config =", "# config ="))
    with pytest.raises(ModelError, match="gpt2 is no encoder-decoder"):
        spec.task_of("seq2seq").config(parsed, locate(parsed.model, []), words)


# Runs


def test_texts_that_do_not_end_are_counted(dates, trained, said):
    (event,) = said(trained(DATES, "train.max_steps=1", "data.max_target_length=5", "data.holdout=none"), "eval")
    table = pq.read_table(dates / "runs/run/predictions/validation.parquet")
    assert event.unended > 0
    assert table.num_rows == 40


def test_a_small_t5_learns_to_write_dates(dates, trained, said):
    run = trained(DATES)
    judged = said(run, "eval")
    losses = [event.scalars["eval/loss"] for event in judged]
    assert losses[-1] < losses[0] / 3
    best = min(judged, key=lambda event: event.scalars["eval/loss"])
    # A copy of the source is never right; chance would have to find one of 6,720 dates.
    assert best.scalars["eval/exact_match"] > 0.5

    table = pq.read_table(run.predictions / "validation.parquet").to_pydict()
    rows = [json.loads(line)["translation"] for line in (dates / "validation.jsonl").read_text().splitlines()]
    assert table["row"] == list(range(40))
    assert table["text"] == [row["en"] for row in rows]
    assert table["label"] == [row["iso"] for row in rows]
    right = [written == gold for written, gold in zip(table["prediction"], table["label"], strict=True)]
    assert np.mean(right) == pytest.approx(best.scalars["eval/exact_match"])
    for score, exact in zip(table["score"], right, strict=True):
        assert 0 <= score <= 1
        assert (score > 0.9999) == exact

    assert best.unended == 0

    # Whoever opens the model gets what the evaluation got.
    opened = spec.predictor("seq2seq", run.model)
    assert [answer.text for answer in opened.predict(table["text"])] == table["prediction"]
    shown = said(run, "sample")
    assert [event.prompt for event in shown[:3]] == table["text"][:3]
    assert [event.text for event in shown[-3:]] == table["prediction"][:3]


def test_without_writing_the_loss_is_all_there_is(dates, trained, said):
    run = trained(DATES, "evaluate.generate=false", "train.max_steps=3")
    (event,) = said(run, "eval")
    assert event.scalars.keys() == {"eval/loss"}
    assert "eval/bleu" in event.undefined
    table = pq.read_table(run.predictions / "validation.parquet").to_pydict()
    assert set(table["prediction"]) == set(table["score"]) == {None}
    assert all(loss > 0 for loss in table["loss"])
    assert not said(run, "sample")


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(dates, trained, said):
    short = ("train.max_steps=8", "train.save_every=2", "evaluate.generate=false", "evaluate.every=4")
    whole = trained(DATES, *short, name="whole")
    trained(DATES, *short, name="parts", stop_at=5)
    parts = trained(DATES, *short, name="parts")
    losses = [{event.step: event.scalars["train/loss"] for event in said(run, "step")} for run in (whole, parts)]
    assert losses[0] == losses[1]
    assert said(parts, "eval")[-1].scalars == said(whole, "eval")[-1].scalars
