"""Models opened in the lab and asked, with tiny random ones made on the fly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from workbench.contracts.lab.model_requests import ModelGenerate, ModelOpen, ModelPredict
from workbench.core.errors import BadInput, ModelError, UnknownRun, WorkbenchError
from workbench.core.home import Home
from workbench.lab.model_service import KEPT, ModelService

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "电影", "很", "好", "the", "a"]
LABELS = ["负面", "positive"]


def save_tokenizer(directory: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(directory)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("classifier")
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    BertForSequenceClassification(config).save_pretrained(directory)
    save_tokenizer(directory)
    return directory


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("writer")
    config = GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=32, eos_token_id=3)
    GPT2LMHeadModel(config).save_pretrained(directory)
    save_tokenizer(directory)
    return directory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def service(home: Home) -> ModelService:
    return ModelService(home)


def facts(name: str, task: str, **recipe: object) -> str:
    model = {"name": "builtin:minilm"}
    resolved = {"name": name, "task": task, "model": model, "data": {"source": "builtin:reviews"}, **recipe}
    return json.dumps({"v": 1, "id": name, "name": name, "recipe": resolved, "search": []})


@pytest.fixture
def make_run(home: Home) -> Callable[..., Path]:
    def make(id: str, task: str, **recipe: object) -> Path:
        path = home.runs / id
        path.mkdir()
        (path / "run.json").write_text(facts(id, task, **recipe))
        return path

    return make


def handle_of(service: ModelService, directory: Path) -> str:
    return service.open(ModelOpen("path", str(directory))).handle


def copy_model(source: Path, target: Path, *, sealed: int | None = None) -> Path:
    target.mkdir(parents=True)
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    if sealed is not None:
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in target.iterdir()
        }
        (target / "MANIFEST.json").write_text(json.dumps({"v": 1, "step": sealed, "files": files}))
    return target


def test_a_model_directory_is_opened_and_answers(service: ModelService, classifier: Path):
    opened = service.open(ModelOpen("path", str(classifier)))
    assert (opened.task, opened.labels, opened.step) == ("text-classification", tuple(LABELS), None)
    first, second = service.predict(
        ModelPredict(
            opened.handle,
            (
                "good film",
                "电影 很 好",
            ),
        )
    ).answers
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert first.label == max(first.probabilities, key=first.probabilities.get)
    assert set(second.probabilities) == set(LABELS)


def test_the_answer_is_the_same_as_of_plain_transformers(service: ModelService, classifier: Path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(classifier)
    model = AutoModelForSequenceClassification.from_pretrained(classifier)
    with torch.inference_mode():
        logits = model(**tokenizer("good film", return_tensors="pt", return_token_type_ids=False)).logits
    wanted = torch.softmax(logits[0], -1).tolist()
    answer = service.predict(ModelPredict(handle_of(service, classifier), ("good film",))).answers[0]
    assert [answer.probabilities[label] for label in LABELS] == pytest.approx(wanted, abs=1e-5)


def test_top_k_leaves_the_likeliest(service: ModelService, classifier: Path):
    answer = service.predict(ModelPredict(handle_of(service, classifier), ("bad",), top_k=1)).answers[0]
    assert list(answer.probabilities) == [answer.label]


def test_of_a_run_the_model_is_taken_before_its_checkpoints(service, make_run, classifier):
    run = make_run("r1", "text-classification")
    copy_model(classifier, run / "checkpoints" / "step-9", sealed=9)
    copy_model(classifier, run / "model")
    (run / "model" / "workbench.json").write_text(json.dumps({"task": "text-classification", "step": 6}))
    assert service.open(ModelOpen("run", "r1")).step == 6
    assert (
        service.open(ModelOpen("run", str(run))).handle
        == service.open(ModelOpen("path", str(run))).handle
        == str(run / "model")
    )


def test_of_a_run_without_a_model_the_newest_sealed_checkpoint_is_taken(service, make_run, classifier):
    run = make_run("r1", "text-classification")
    copy_model(classifier, run / "checkpoints" / "step-2", sealed=2)
    copy_model(classifier, run / "checkpoints" / "step-10", sealed=10)
    copy_model(classifier, run / "checkpoints" / "step-20")
    opened = service.open(ModelOpen("run", "r1"))
    assert (opened.step, opened.name) == (10, "r1")
    assert service.open(ModelOpen("checkpoint", str(run / "checkpoints" / "step-2"))).step == 2


def test_a_checkpoint_without_its_seal_is_refused(service, make_run, classifier):
    torn = copy_model(classifier, make_run("r1", "text-classification") / "checkpoints" / "step-2")
    with pytest.raises(ModelError, match="the checkpoint is not sealed"):
        service.open(ModelOpen("checkpoint", str(torn)))


def test_a_run_that_has_saved_nothing_says_what_to_wait_for(service, make_run):
    make_run("r1", "text-classification")
    with pytest.raises(
        ModelError, match=r"r1: there is nothing to load yet.*: wait for its first checkpoint, or `workbench resume`"
    ):
        service.open(ModelOpen("run", "r1"))


def test_what_is_not_there_is_one_sentence(service, tmp_path):
    with pytest.raises(UnknownRun):
        service.open(ModelOpen("run", "nope"))
    with pytest.raises(ModelError, match="no such directory"):
        service.open(ModelOpen("path", str(tmp_path / "nope")))
    with pytest.raises(ModelError, match=r"no config\.json"):
        service.open(ModelOpen("path", str(tmp_path)))


def test_only_two_models_stay_loaded_and_a_handle_outlives_its_model(service, classifier, tmp_path):
    handles = [
        service.open(ModelOpen("path", str(copy_model(classifier, tmp_path / f"m{i}")))).handle for i in range(KEPT + 1)
    ]
    assert list(service._loaded) == handles[1:]
    assert (
        service.predict(ModelPredict(handles[0], ("good",))).answers
        == service.predict(ModelPredict(handles[1], ("good",))).answers
    )
    assert len(service._loaded) == KEPT


def test_a_model_written_anew_is_loaded_anew_when_opened(service, classifier, writer, tmp_path):
    model = copy_model(classifier, tmp_path / "m")
    assert service.open(ModelOpen("path", str(model))).task == "text-classification"
    for file in writer.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    assert service.open(ModelOpen("path", str(model))).task == "causal-lm"


def test_text_is_generated_in_pieces_and_the_same_again_with_the_same_seed(service, writer):
    handle = handle_of(service, writer)
    options = {"max_new_tokens": 8, "temperature": 1.0, "seed": 3}
    pieces = list(service.generate(ModelGenerate(handle, "the film", options)))
    assert len(pieces) > 1
    assert "".join(p.text for p in pieces).strip()
    assert list(service.generate(ModelGenerate(handle, "the film", options))) == pieces


def test_generation_that_is_closed_stops(service, writer):
    stream = service.generate(ModelGenerate(handle_of(service, writer), "the", {"max_new_tokens": 2000}))
    next(stream)
    stream.close()
    assert list(stream) == []


@pytest.mark.parametrize("option", [{"top_p": 1.5}, {"temperature": "hot"}, {"nonsense": 1}, {"max_new_tokens": 0}])
def test_an_option_out_of_range_is_one_sentence(service, writer, option):
    handle = handle_of(service, writer)
    with pytest.raises(BadInput, match=f"generate: {next(iter(option))} = "):
        list(service.generate(ModelGenerate(handle, "the", option)))


def test_a_run_generates_as_its_recipe_says_where_nothing_else_is_asked(service, make_run, writer):
    run = make_run("g", "causal-lm", generate={"max_new_tokens": 3, "temperature": 0.0})
    copy_model(writer, run / "model")
    handle = service.open(ModelOpen("run", "g")).handle
    three = "".join(piece.text for piece in service.generate(ModelGenerate(handle, "the")))
    one = "".join(piece.text for piece in service.generate(ModelGenerate(handle, "the", {"max_new_tokens": 1})))
    assert three.startswith(one)
    assert len(three) > len(one)


def test_a_model_asked_for_what_it_cannot_do_says_so(service, writer, classifier):
    with pytest.raises(WorkbenchError):
        service.predict(ModelPredict(handle_of(service, writer), ("the",)))
    with pytest.raises(WorkbenchError, match="generates no text"):
        list(service.generate(ModelGenerate(handle_of(service, classifier), "the")))


def test_a_base_model_without_a_head_has_nothing_to_show(service, make_run):
    make_run("r1", "text-classification")
    with pytest.raises(ModelError, match="BertModel has no head to try"):
        service.open(ModelOpen("base", "r1"))


def test_a_base_model_that_was_built_from_scratch_is_not_there(service, make_run):
    scratch = {"architecture": "gpt2", "tokenizer": "bpe"}
    make_run("r1", "causal-lm", model=scratch)
    with pytest.raises(ModelError, match="no base model to show beside it: it was built from scratch"):
        service.open(ModelOpen("base", "r1"))


def test_damaged_weights_are_one_sentence(service, classifier, tmp_path):
    model = copy_model(classifier, tmp_path / "m")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"damaged weights \(it is cut short\)"):
        service.open(ModelOpen("path", str(model)))


def test_the_lab_process_serves_a_model(lab, classifier, writer):
    opened = lab.ask(ModelOpen("path", str(classifier)))
    assert lab.ask(ModelPredict(opened.handle, ("电影",))).answers[0].label in LABELS
    handle = lab.ask(ModelOpen("path", str(writer))).handle
    stream = lab.stream(ModelGenerate(handle, "the", {"max_new_tokens": 2000, "temperature": 1.0}))
    assert next(stream).text
    stream.cancel()
    assert len(list(stream)) < 2000
    with pytest.raises(BadInput, match="generate: top_p"):
        list(lab.stream(ModelGenerate(handle, "the", {"top_p": 7.0})))
