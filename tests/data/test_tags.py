"""Tags are told by their scheme, made classes, and every fault in them has a file and a row."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.report.writing import Writing
from workbench.data.tables import tagged, tags
from workbench.data.tables.tags import Tagset
from workbench.metrics.entities import spans
from workbench.tasks import recipe_union as recipe
from workbench.tasks.loading import splits_for

RECIPE = """
name = "x"
task = "token-classification"
[model]
name = "builtin:minilm"
[data]
train = "train.jsonl"
validation = "validation.jsonl"
"""


def flat(rows):
    """Rows of tags as `scheme_of` takes them."""
    names = sorted({tag for row in rows for tag in row})
    ids = np.array([names.index(tag) for row in rows for tag in row], np.int64)
    return names, ids, np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


@pytest.mark.parametrize(
    ("scheme", "rows"),
    [
        ("bio", [["B-PER", "I-PER", "O"], ["O", "B-LOC"]]),
        ("bio", [["B-PER", "O", "B-PER"]]),
        ("bio", [["B_PER", "I_PER", "O"]]),
        ("bio", [["B", "I", "O"]]),
        ("iob1", [["I-PER", "I-PER", "O"], ["I-LOC", "B-LOC", "O"]]),
        ("iob1", [["I-PER", "O"]]),
        ("iobes", [["B-PER", "E-PER", "O", "S-LOC"]]),
        ("iobes", [["B-PER", "L-PER", "O", "U-LOC"]]),
        ("iobes", [["B-名", "M-名", "E-名", "O"]]),
        ("iobes", [["B", "M", "E", "S"]]),
        ("plain", [["DET", "NOUN", "VERB"]]),
        ("plain", [["O", "PER", "PER"]]),
        ("plain", [["0", "3", "4"]]),
        ("plain", [["S-NP", "DET", "NOUN", "NOUN"] * 3]),
    ],
)
def test_the_scheme_is_told_by_the_tags(scheme, rows):
    assert tags.scheme_of(*flat(rows)) == scheme


def test_plain_tags_beside_o_are_types_of_entities():
    assert Tagset(["LOC", "O", "PER"], "plain").types == ["LOC", "PER"]
    assert spans(["O", "PER", "PER", "LOC", "O", "PER"], "plain") == [("PER", 1, 3), ("LOC", 3, 4), ("PER", 5, 6)]


def test_classes_have_an_order_and_every_prefix_of_their_scheme():
    assert tags.ordered(["I-PER", "O", "B-PER", "B-LOC"], "bio") == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert tags.ordered(["U_X", "O", "B_X"], "iobes") == ["O", "B_X", "I_X", "E_X", "U_X"]
    assert tags.ordered(["B", "I"], "bio") == ["O", "B", "I"]
    assert tags.ordered(["10", "9", "0"], "plain") == ["0", "9", "10"]
    assert tags.ordered(["VERB", "DET"], "plain") == ["DET", "VERB"]


def test_further_pieces_of_a_word_do_not_begin_an_entity_again():
    known = Tagset(["O", "B-X", "I-X", "E-X", "S-X"], "iobes")
    assert [known.names[place] for place in known.continued] == ["O", "I-X", "I-X", "E-X", "E-X"]
    alone = Tagset(["B-X", "O"], "bio")
    assert alone.continued.tolist() == [0, 1], "where there is no I- the tag itself goes on"


_TAGS = {
    "bio": ["O", "B-A", "I-A", "B-C", "I-C"],
    "iob1": ["O", "B-A", "I-A", "B-C", "I-C"],
    "iobes": ["O", "B-A", "I-A", "E-A", "S-A", "B-C", "E-C"],
}


@given(st.data())
def test_entities_are_counted_as_they_are_read(draw):
    scheme = draw.draw(st.sampled_from(["bio", "iob1", "iobes"]))
    row = st.lists(st.sampled_from(_TAGS[scheme]), min_size=1, max_size=8)
    rows = draw.draw(st.lists(row, min_size=1, max_size=5))
    known = Tagset(_TAGS[scheme], scheme)
    ids = np.array([known.names.index(tag) for row in rows for tag in row])
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    found = [kind for row in rows for kind, _, _ in spans(row, scheme)]
    assert tags.entities(known, ids, offsets) == {kind: found.count(kind) for kind in ("A", "C")}


@given(st.data())
def test_entities_are_spelt_as_they_are_read(draw):
    scheme = draw.draw(st.sampled_from(["bio", "iob1", "iobes"]))
    row = draw.draw(st.lists(st.sampled_from(_TAGS[scheme]), max_size=12))
    found = spans(row, scheme)
    assert spans(tags.spelt(found, len(row), scheme), scheme) == found


def loaded(place, train, validation=None, *overrides, **columns):
    for name, rows in (("train", train), ("validation", validation or train)):
        lines = (json.dumps({"tokens": words, "ner_tags": marks}) for words, marks in rows)
        (place / f"{name}.jsonl").write_text("\n".join(lines))
    parsed = recipe.parse(RECIPE, overrides=list(overrides))
    return splits_for(parsed, [place]), parsed.data


GOOD = [(["Karl", "Ove", "sang"], ["B-PER", "I-PER", "O"]), (["in", "Oslo"], ["O", "B-LOC"])]


def test_classes_of_strings(tmp_path):
    splits, asked = loaded(tmp_path, GOOD)
    known = tagged.tagset(splits, asked)
    assert known == Tagset(["O", "B-LOC", "I-LOC", "B-PER", "I-PER"], "bio")
    ids = tagged.encode(splits, "validation", known, asked)
    assert ids.flat.to_pylist() == [3, 4, 0, 0, 1]
    assert ids.offsets.tolist() == [0, 3, 5]
    assert "tags are read as bio" in splits.notes
    assert any("no word of 1 of 5 classes of tags: 'I-LOC'" in note for note in splits.notes)


def test_numbers_are_the_names_given_to_them(tmp_path):
    rows = [(["Karl", "sang"], [1, 0]), (["Ove", "K", "ran"], [1, 2, 0])]
    splits, asked = loaded(tmp_path, rows, None, 'data.labels=["O", "B-PER", "I-PER"]')
    assert tagged.tagset(splits, asked) == Tagset(["O", "B-PER", "I-PER"], "bio")
    splits, asked = loaded(tmp_path, rows)
    assert tagged.tagset(splits, asked) == Tagset(["0", "1", "2"], "plain")
    assert any("name them in data.labels" in note for note in splits.notes)
    splits, asked = loaded(tmp_path, rows, None, 'data.labels=["O", "B-PER"]')
    with pytest.raises(DataError, match=r"train.jsonl:2, word 2: label 2 is outside 0 to 1"):
        tagged.tagset(splits, asked)


def test_class_labels_of_datasets_have_their_names(tmp_path):
    import datasets

    names = ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    rows = {"tokens": [["Karl", "Ove", "sang"]] * 2, "ner_tags": [[1, 2, 0]] * 2}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    parsed = recipe.parse(
        RECIPE, overrides=[f"data.source={tmp_path / 'saved'}", "data.train=train", "data.validation=train"]
    )
    splits = splits_for(parsed, [tmp_path])
    known = tagged.tagset(splits, parsed.data)
    assert known == Tagset(names, "bio")
    assert tagged.encode(splits, "train", known, parsed.data).flat.to_pylist() == [1, 2, 0] * 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ((["a", "b"], ["O"]), r"validation.jsonl:2: 2 words and 1 tags: give every word a tag"),
        ((["a", "b"], ["O", "B-PRE"]), r"validation.jsonl:2: tag 'B-PRE' in validation is not one of the classes "
                                       r"\(did you mean 'B-PER'\?\)"),
        ((["a", "b"], ["O", None]), r"validation.jsonl:2, word 2: the word has no tag"),
        ((["a", "b"], ["O", " "]), r"validation.jsonl:2, word 2: the word has no tag"),
    ],
)  # fmt: skip
def test_faults_have_a_file_and_a_row(tmp_path, bad, said):
    splits, asked = loaded(tmp_path, GOOD, [GOOD[0], bad])
    with pytest.raises(DataError, match=said):
        tagged.tagset(splits, asked)


def test_a_stray_tag_among_entities_is_a_fault_and_makes_nothing_plain(tmp_path):
    rows = [*GOOD * 20, (["Oslo"], ["LOC"])]
    splits, asked = loaded(tmp_path, rows)
    with pytest.raises(DataError, match=r"train.jsonl:41: 'LOC' is no tag of bio"):
        tagged.tagset(splits, asked)
    splits, asked = loaded(tmp_path, rows, None, "data.tag_scheme=plain")
    assert tagged.tagset(splits, asked).scheme == "plain"


def test_texts_where_lists_belong_are_refused(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"tokens": "a b", "ner_tags": "O"}\n{"tokens": "b", "ner_tags": "O"}')
    parsed = recipe.parse(RECIPE, overrides=["data.validation=train.jsonl"])
    with pytest.raises(DataError, match="holds strings, not lists"):
        tagged.tagset(splits_for(parsed, [tmp_path]), parsed.data)


def test_only_one_tag_is_nothing_to_learn(tmp_path):
    splits, asked = loaded(tmp_path, [(["a", "b"], ["O", "O"])] * 2)
    with pytest.raises(DataError, match="nothing to tell apart"):
        tagged.tagset(splits, asked)


def test_what_is_mended_is_said(tmp_path):
    rows = [(["Karl", None, "sang"], ["O", "I-PER", " O"]), (["Bo", "in", "Oslo"], ["B-PER", "O", "B-LOC"])]
    splits, asked = loaded(tmp_path, rows, GOOD)
    tagged.tagset(splits, asked)
    said = "\n".join(splits.notes)
    assert "train: spaces around 1 of 6 tags are no part of the class" in said
    assert "train: 1 words are missing, read as empty ones" in said
    assert "train: 1 entities have no B- (I-PER after O) and are read as begun there" in said
    assert "validation: " not in said


def test_half_entities_of_iobes_are_said(tmp_path):
    rows = [(["a", "b", "c", "d", "e"], ["B-X", "O", "E-X", "S-X", "O"]), (["a", "b"], ["B-X", "E-X"])]
    splits, asked = loaded(tmp_path, rows)
    known = tagged.tagset(splits, asked)
    assert any("train: 2 entities lack their beginning or their end" in note for note in splits.notes)
    ids = tagged.encode(splits, "train", known, asked)
    assert tags.entities(known, np.asarray(ids.flat.combine_chunks()), ids.offsets) == {"X": 2}


# How words stand in a text


def column(words):
    return pa.chunked_array([pa.array(words, pa.string())])


def test_texts_are_parted_as_the_words_of_train_were():
    assert Writing.of(column("The U.N. said , well-known Paris , France .".split())) == Writing("words", True)  # noqa: SIM905
    assert Writing.of(column("Paris, which is in France, rains.".split())) == Writing("spaces", True)  # noqa: SIM905
    assert Writing.of(column(list("我爱北京天安门ABC。"))) == Writing("characters", False)
    assert Writing.of(column([*"我在北京用", "iPhone", "看", "NBA", "。"])) == Writing("words", False)
    assert Writing.of(column(["我", "喜欢", "北京", "天安门", "。"])) == Writing("words", False)


@pytest.mark.parametrize(
    ("writing", "text", "words"),
    [
        (Writing("words"), "D'Agoult (b. 1968), R.H.", ["D'Agoult", "(", "b", ".", "1968", ")", ",", "R.H", "."]),
        (Writing("spaces"), "Paris,  in\tFrance.", ["Paris,", "in", "France."]),
        (Writing("words"), "我用iPhone 看", ["我", "用", "iPhone", "看"]),
        (Writing("characters", False), "我 AB", ["我", "A", "B"]),
        (Writing("words"), "cafe\u0301 नमस्ते 👍🏽!", ["cafe\u0301", "नमस्ते", "👍", "🏽", "!"]),
        (Writing("words"), "", []),
        (Writing("words"), "'tis -", ["'", "tis", "-"]),
    ],
)  # fmt: skip
def test_a_text_is_parted(writing, text, words):
    assert [text[start:end] for start, end in writing.parted(text)] == words


_ODD = st.text(st.sampled_from("aé'-. 北京。か👍🏽\u200d\ufe0f\u0301\u200b\n한1"), max_size=30)


@given(_ODD, st.sampled_from([Writing("words"), Writing("spaces"), Writing("characters", False)]))
def test_every_character_but_white_space_is_in_one_word(text, writing):
    places = [place for start, end in writing.parted(text) for place in range(start, end)]
    assert places == sorted(set(places))
    assert {place for place, character in enumerate(text) if not character.isspace()} == set(places)


@given(st.lists(_ODD, max_size=6), st.booleans())
def test_joined_words_stand_where_it_is_said(words, spaced):
    text, ranges = Writing("words", spaced).joined(words)
    assert [text[start:end] for start, end in ranges] == words


def test_chinese_is_joined_without_spaces_and_the_latin_in_it_stays_apart():
    assert Writing("words", False).joined(["我", "爱", "New", "York", "。"])[0] == "我爱New York。"
    assert Writing("characters", False).joined(["我", "N", "B", "A"])[0] == "我NBA"
