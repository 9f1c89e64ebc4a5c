"""A finished model answers 30 rows in plain transformers as `workbench predict` does, whatever it learned and how."""

from __future__ import annotations

import json
import random

import pytest

from workbench.contracts.answers import CutText
from workbench.recipe import Generate
from workbench.tasks.spec import predictor

WORDS = ("good", "great", "bad", "poor", "the", "film", "book", "was", "not", "very", "it", "plot", "food", "phone")
SMALL_BERT = (
    "{hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64}"
)
METHODS = {
    "full": (),
    "frozen": ("train.freeze_layers=1",),
    "head": ('train.freeze=["bert.*"]',),
    "lora": ("train.method=lora",),
    "scratch": ("model.architecture=bert", f"model.config={SMALL_BERT}"),
}
SHORT = ("train.max_steps=3", "train.save_every=never", "evaluate.every=never", "train.learning_rate=1e-2")


def rows(longest: int = 12) -> list[str]:
    rng = random.Random(3)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(30)]


def finished(runs, tmp_path, name, *overrides, made=None, task=None):
    """A run of a few steps; `made` are its own rows, else the reviews of the recipe."""
    text = runs.text
    if task:
        text = text.replace('task = "text-classification"', f'task = "{task}"').replace('best = "loss"', "")
    if "model.architecture" in " ".join(overrides):
        text = text.replace('name = "/', 'tokenizer = "/', 1)
    if made is not None:
        (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, made)))
        overrides = ("data.train=rows.jsonl", "data.validation=none", "data.test=none", *overrides)
    run = runs.make(name, *SHORT, *overrides, text=text)
    runs.train(run)
    return run.model


def piped(task, directory, **options):
    from transformers import pipeline

    return pipeline(task, str(directory), device="cpu", **options)


@pytest.mark.parametrize("method", METHODS)
def test_labels(runs, tmp_path, method):
    model = finished(runs, tmp_path, method, *METHODS[method], "data.max_length=10")
    ours = predictor("text-classification", model, device="cpu", max_length=10).predict(rows())
    theirs = piped("text-classification", model, top_k=None, truncation=True)(rows())
    for answer, found in zip(ours, theirs, strict=True):
        assert {one["label"]: one["score"] for one in found} == pytest.approx(dict(answer.probabilities), abs=1e-5)
    longest = max(rows(), key=lambda text: len(text.split()))
    assert ours[rows().index(longest)].cut == CutText(10, len(longest.split()) + 2)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_three_labels_on_a_base_of_none(runs, tmp_path, method):
    made = [{"text": text, "label": ("low", "mid", "high")[place % 3]} for place, text in enumerate(rows())]
    model = finished(runs, tmp_path, method, *METHODS[method], made=made)
    ours = predictor("text-classification", model, device="cpu").predict(rows())
    theirs = piped("text-classification", model, top_k=None)(rows())
    for answer, found in zip(ours, theirs, strict=True):
        assert {one["label"]: one["score"] for one in found} == pytest.approx(dict(answer.probabilities), abs=1e-5)


def test_several_labels(runs, tmp_path):
    made = [{"text": text, "label": [word for word in ("good", "bad", "film") if word in text]} for text in rows()]
    model = finished(runs, tmp_path, "several", "evaluate.best=none", made=made)
    ours = predictor("text-classification", model, device="cpu").predict(rows())
    theirs = piped("text-classification", model, top_k=None)(rows())
    for answer, found in zip(ours, theirs, strict=True):
        assert {one["label"]: one["score"] for one in found} == pytest.approx(dict(answer.probabilities), abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_numbers_in_the_users_units(runs, tmp_path, method):
    made = [{"text": text, "price": 2e5 + 1000 * len(text.split())} for text in rows()]
    asked = ("data.label=price", "data.problem=regression")
    model = finished(runs, tmp_path, method, *METHODS[method], *asked, made=made)
    ours = predictor("text-classification", model, device="cpu").predict(rows())
    theirs = piped("text-classification", model)(rows())
    assert [one["score"] for one in theirs] == pytest.approx([answer.values["price"] for answer in ours], rel=1e-5)
    assert min(one["score"] for one in theirs) > 1e5


def test_a_head_without_a_bias_says_what_is_left_to_add(runs, tmp_path):
    small = "{n_embd=16, n_layer=1, n_head=2, n_positions=64}"
    made = [{"text": text, "price": 2e5 + 1000 * len(text.split())} for text in rows()]
    asked = ("data.label=price", "data.problem=regression", "model.architecture=gpt2", f"model.config={small}")
    model = finished(runs, tmp_path, "gpt", *asked, made=made)
    ours = predictor("text-classification", model, device="cpu").predict(rows())
    theirs = piped("text-classification", model)(rows())
    (mean,) = json.loads((model / "config.json").read_text())["target_mean"]
    assert [one["score"] + mean for one in theirs] == pytest.approx([a.values["price"] for a in ours], rel=1e-5)
    assert "Plain transformers' answers lack `target_mean`" in (model / "README.md").read_text()


@pytest.mark.parametrize("method", METHODS)
def test_tags(runs, tmp_path, method):
    made = [
        {"tokens": text.split(), "tags": ["B-X" if word in WORDS[:6] else "O" for word in text.split()]}
        for text in rows()
    ]
    model = finished(runs, tmp_path, method, *METHODS[method], made=made, task="token-classification")
    ours = predictor("token-classification", model, device="cpu").predict(rows())
    theirs = piped("token-classification", model)(rows())
    for answer, found in zip(ours, theirs, strict=True):
        tagged = [(one["start"], one["end"]) for one in found if one["entity"] != "O"]
        assert [(one.start, one.end) for one in answer.entities] == tagged


def written(auto, model, texts, **options):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    loaded = getattr(transformers, auto).from_pretrained(model).eval()
    for text in texts:
        asked = tokenizer(text, return_tensors="pt", truncation=True, return_token_type_ids=False)
        found = loaded.generate(**asked, **options)[0]
        start = 0 if loaded.config.is_encoder_decoder else asked["input_ids"].shape[1]
        yield tokenizer.decode(found[start:], skip_special_tokens=True).strip()


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("tokenizer", ["bpe", "words"])
def test_what_a_causal_model_from_scratch_writes(runs, tmp_path, tiny_bert, tokenizer, method):
    small = "{n_embd=16, n_layer=1, n_head=2, n_positions=64}"
    asked = ("model.architecture=gpt2", f"model.config={small}", "model.vocab_size=300")
    asked += ("model.tokenizer=bpe",) if tokenizer == "bpe" else ()
    made = [{"text": text} for text in rows()]
    model = finished(runs, tmp_path, "base", *asked, made=made, task="causal-lm")
    if method == "lora":
        again = (f"model.name={model}", "train.method=lora")
        model = finished(runs, tmp_path, "lora", *again, made=made, task="causal-lm")
    asked = predictor("causal-lm", model, device="cpu")
    greedy = Generate(temperature=0, max_new_tokens=8)
    ours = ["".join(asked.generate(text, greedy)).strip() for text in rows()]
    assert ours == list(written("AutoModelForCausalLM", model, rows(), max_new_tokens=8, do_sample=False))


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("tokenizer", ["bpe", "words"])
def test_what_a_seq2seq_model_from_scratch_writes(runs, tmp_path, tokenizer, beams):
    small = "{d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2}"
    asked = ("model.architecture=t5", f"model.config={small}", "model.vocab_size=300", f"evaluate.beams={beams}")
    asked += ("model.tokenizer=bpe",) if tokenizer == "bpe" else ()
    asked += ("data.max_length=8", "data.max_target_length=9")
    made = [{"text": text, "target": " ".join(reversed(text.split()))} for text in rows()]
    model = finished(runs, tmp_path, "pairs", *asked, made=made, task="seq2seq")
    ours = predictor("seq2seq", model, device="cpu", max_length=8).predict(rows())
    assert [answer.text for answer in ours] == list(written("AutoModelForSeq2SeqLM", model, rows()))


def test_what_fills_a_mask(runs, tmp_path):
    made = [{"text": text} for text in rows()]
    asked = ("model.architecture=bert", f"model.config={SMALL_BERT}")
    model = finished(runs, tmp_path, "masked", *asked, made=made, task="masked-lm")
    fill = piped("fill-mask", model, top_k=3)
    texts = [f"{text} {fill.tokenizer.mask_token}" for text in rows()]
    ours = predictor("masked-lm", model, device="cpu").predict(texts, top_k=3)
    for answer, found in zip(ours, fill(texts), strict=True):
        assert [one.score for one in answer.fills[0]] == pytest.approx([one["score"] for one in found], abs=1e-6)


def test_the_card_says_what_how_good_and_how(runs):
    run = runs.make("carded", "train.max_steps=4", "evaluate.every=2", 'notes="tried"')
    runs.train(run)
    card = (run.model / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    for said in ("text-classification (single-label)", "`positive`", "| accuracy |", " to ", "- train: 75 rows"):
        assert said in card
    assert 'pipeline("text-classification", ".", truncation=True)' in card
    assert "learning_rate = 0.005" in card
