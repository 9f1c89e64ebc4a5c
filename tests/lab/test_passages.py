"""What a row of each task gives to be made into tokens, and what each token is called then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from workbench.contracts.lab.data_requests import DataRow, DataStats, RowPassage, RowsOf
from workbench.contracts.lab.token_requests import TokensEncode
from workbench.core.home import Home
from workbench.lab.data_service import DataService
from workbench.lab.token_service import TokenService


@pytest.fixture
def row(tmp_path: Path) -> Any:
    """The first row of a recipe's train split, as `data.row` gives it."""

    def read(task: str, rows: list[dict[str, Any]], fields: str = "") -> RowPassage:
        (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        recipe = tmp_path / "r.toml"
        recipe.write_text(
            f'name = "r"\ntask = "{task}"\n[model]\nname = "builtin:minilm"\n'
            f'[data]\ntrain = "rows.jsonl"\n{fields}\n[evaluate]\nevery = "never"\n',
            "utf-8",
        )
        return DataService(Home(tmp_path)).row(DataRow(RowsOf("recipe", str(recipe)), "train", 0)).passage

    return read


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer that knows no word whole, and puts a space before what it reads."""
    directory = tmp_path_factory.mktemp("pieces")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["on on on"], trainers.BpeTrainer(vocab_size=258, initial_alphabet=alphabet))
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def labelled(service: TokenService, tokenizer: Path, passage: RowPassage) -> list[tuple[str, str]]:
    request = TokensEncode(passage.text, passage.pair, str(tokenizer), targets=passage.targets)
    return [(token.piece, token.label) for token in service.encode(request).tokens]


def test_a_row_of_words_gives_its_words_with_their_tags(row, pieces, tmp_path):
    rows = [{"tokens": ["On", "at"], "ner_tags": ["B-X", "O"]}, {"tokens": ["so"], "ner_tags": ["O"]}]
    passage = row("token-classification", rows)
    assert passage.text == "On at"
    assert passage.targets.spans == ((0, 0, 2, "B-X"), (0, 3, 5, "O"))
    assert labelled(TokenService(Home(tmp_path)), pieces, passage) == [
        ("", "B-X"), ("O", "-100"), ("n", "-100"), ("", "O"), ("a", "-100"), ("t", "-100"),
    ]  # fmt: skip


def test_every_piece_has_the_tag_where_the_recipe_asks_for_it(row, pieces, tmp_path):
    rows = [{"tokens": ["At"], "ner_tags": ["B-X"]}, {"tokens": ["so"], "ner_tags": ["O"]}]
    passage = row("token-classification", rows, 'tag_subwords = "all"')
    assert {label for _, label in labelled(TokenService(Home(tmp_path)), pieces, passage)} == {"B-X"}


def test_a_question_gives_its_context_and_where_the_answer_stands(row, pieces, tmp_path):
    context = "Ada 去了 Rome."
    rows = [{"question": "谁？", "context": context, "answers": {"text": ["Ada"], "answer_start": [0]}}]
    passage = row("question-answering", rows)
    assert (passage.text, passage.pair) == ("谁？", context)
    answer = [piece for piece, label in labelled(TokenService(Home(tmp_path)), pieces, passage) if label == "answer"]
    assert "".join(answer) == "Ada"


def test_of_a_prompt_nothing_is_learnt(row, pieces, tmp_path):
    passage = row("causal-lm", [{"prompt": "1+1=", "completion": " 2"}])
    found = labelled(TokenService(Home(tmp_path)), pieces, passage)
    assert "".join(piece for piece, label in found if label == "-100") == "1+1="
    assert [label for piece, label in found if "2" in piece] == ["learnt"]


def test_a_pair_gives_both_its_texts(row):
    rows = [{"premise": "a", "hypothesis": "b", "label": "x"}, {"premise": "c", "hypothesis": "d", "label": "y"}]
    passage = row("text-classification", rows)
    assert (passage.text, passage.pair, passage.targets.spans) == ("a", "b", ())


def test_repeats_are_of_all_that_is_read_of_a_row(tmp_path):
    rows = [
        {"question": "who?", "context": f"{n} Ada", "answers": {"text": ["Ada"], "answer_start": [2]}} for n in "12"
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "r"\ntask = "question-answering"\n[model]\nname = "builtin:minilm"\n[data]\ntrain = "rows.jsonl"\n'
        '[evaluate]\nevery = "never"\n'
    )
    assert DataService(Home(tmp_path)).stats(DataStats(RowsOf("recipe", str(recipe)), "train")).repeated == 0


def test_a_text_without_a_recipe_has_no_labels(pieces, tmp_path):
    assert {label for _, label in labelled(TokenService(Home(tmp_path)), pieces, RowPassage("on it"))} == {""}
