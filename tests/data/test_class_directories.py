"""A directory for each class, a text in each file; and files that lie beside the data and are none."""

from __future__ import annotations

import pytest

from workbench.core.errors import DataError
from workbench.data.tables import sources


@pytest.fixture
def corpus(tmp_path):
    """Writes files, by their paths, under a directory."""

    def made(*paths: str, **texts: str):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(texts.get("text", f"What {path} says.\nIn two lines.\n"), "utf-8")
        return tmp_path

    return made


REVIEWS = [f"{split}/{label}/{n}_9.txt" for split in ("train", "test") for label in ("pos", "neg") for n in range(3)]
BESIDE = ["README", "imdb.vocab", "train/urls_pos.txt", "train/urls_neg.txt", "train/labeledBow.feat", "test/urls.txt"]


def rows(source: sources.Source, split: str) -> list[tuple[str | None, str]]:
    table = source.table(split)
    return list(zip(table.column("label").to_pylist(), table.column("text").to_pylist(), strict=True))


def test_a_file_is_a_text_and_its_directory_the_label(corpus):
    made = sources.from_directory(corpus(*REVIEWS, *BESIDE))
    assert made.names == ["train", "test"]
    assert [label for label, _ in rows(made, "train")] == ["neg"] * 3 + ["pos"] * 3
    assert rows(made, "train")[0] == ("neg", "What train/neg/0_9.txt says.\nIn two lines.")
    assert made.place("train", 4).endswith("train/pos/1_9.txt")
    said = " ".join(made.part("train").notes)
    assert "not read, by name no data: README, train/urls_neg.txt, train/urls_pos.txt, test/urls.txt" in said
    assert "each of 6 files is a text, and its directory the label" in said


@pytest.mark.parametrize(
    "paths",
    [
        ["sport/1.txt", "sport/2.txt", "politics/1.txt", "README.TXT"],
        ["data/sport/1.txt", "data/sport/2.txt", "data/politics/1.txt"],
        ["bbc/sport/1.txt", "bbc/sport/2.txt", "bbc/politics/1.txt", "README"],
        ["alt.sport/49960", "alt.sport/49961", "alt.politics/51060"],
        ["sport/1.txt", "sport/2.txt", "politics/1.txt", "politics/README.txt", "devices/.hidden"],
    ],
)
def test_classes_without_splits_are_all_train(corpus, paths):
    made = sources.from_directory(corpus(*paths))
    assert made.names == ["train"]
    assert [str(label).removeprefix("alt.") for label, _ in rows(made, "train")] == ["politics", "sport", "sport"]


def test_splits_are_told_by_the_directories_names(corpus):
    made = sources.from_directory(
        corpus(*(f"20news-bydate-{s}/{c}/{n}" for s in ("train", "test") for c in "ab" for n in "12"))
    )
    assert {name: len(rows(made, name)) for name in made.names} == {"train": 4, "test": 4}


def test_a_class_that_begins_like_a_split_is_a_class(corpus):
    made = sources.from_directory(corpus("devices/1.txt", "testimony/1.txt"))
    assert [label for label, _ in rows(made, "train")] == ["devices", "testimony"]


def test_texts_without_a_class_are_dropped_by_a_classifier_and_read_by_a_language_model(corpus, load):
    corpus(*(path for path in REVIEWS), "train/unsup/0_0.txt", "train/unsup/1_0.txt")
    labelled = load("text-classification", source="train", validation="train")
    assert (labelled.dropped["train"], labelled.train.num_rows) == (2, 6)
    plain = load("masked-lm", source="train", validation="train")
    assert plain.train.num_rows == 8


def test_a_text_that_is_empty_is_dropped_and_counted(corpus, load):
    corpus(*REVIEWS)
    corpus("train/pos/9_9.txt", text="")
    assert load("text-classification", source="train", validation="train").dropped["train"] == 1


def test_a_text_that_is_no_utf_8_is_named(corpus):
    (corpus(*REVIEWS) / "train/pos/1_9.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"train/pos/1_9.txt"):
        sources.from_directory(corpus()).table("train")


def test_a_readme_and_a_vocabulary_are_not_trained_on(corpus):
    made = sources.from_directory(corpus("train/a.txt", "train/README.txt", "train/vocab.txt", "LICENSE.txt"))
    assert made.table("train").column("text").to_pylist() == ["What train/a.txt says.", "In two lines."]
    assert any("not read, by name no data: LICENSE.txt, train/README.txt" in note for note in made.part("train").notes)


def test_a_directory_of_nothing_but_a_readme_says_so_and_the_hint_works(corpus, load):
    where = corpus("README.txt")
    with pytest.raises(DataError, match=r"no data file but README.txt, which by name is none: name it in data.train"):
        sources.from_directory(where)
    assert load("masked-lm", train="README.txt", validation="README.txt").train.num_rows == 2


def test_tables_beside_directories_of_notes_are_still_the_data(corpus):
    corpus("train.csv", text="text,label\na,b\n")
    made = sources.from_directory(corpus("notes/1.txt", "notes/2.txt", "drafts/1.txt"))
    assert made.table("train").column("label").to_pylist() == ["b"]
