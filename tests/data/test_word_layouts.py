"""Words and tags as other programs export them: a row a word, printed lists, spans of characters."""

from __future__ import annotations

import json

import pytest

from workbench.core.errors import DataError

WORDS = [["Ann", "went", "to", "New", "York", "."], ["It", "rained"]]
TAGS = [["B-PER", "O", "O", "B-LOC", "I-LOC", "O"], ["O", "O"]]
TEXT = "Ann went to New York."
SPANS = [(0, 3, "PER"), (12, 20, "LOC")]


@pytest.fixture
def read(load, write):
    """The splits of a file, for which a word is tagged."""

    def made(name: str, content: str, **data):
        write(name, content)
        return load("token-classification", train=name, validation=name, **data)

    return made


def tagged(splits) -> tuple[list[list[str]], list[list[str]]]:
    return tuple(splits.values("train", role).to_pylist() for role in ("tokens", "tags"))


def table(header: str, number) -> str:
    """A csv with a row a word; `number` makes the first cell of (sentence, word) out of their places."""
    rows = (
        f"{number(at, place)},{word},X,{tag}"
        for at, (words, tags) in enumerate(zip(WORDS, TAGS, strict=True))
        for place, (word, tag) in enumerate(zip(words, tags, strict=True))
    )
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    ("header", "number"),
    [
        ("Sentence #,Word,POS,Tag", lambda at, place: "" if place else f"Sentence: {at + 1}"),
        ("sentence_id,token,pos,ner_tag", lambda at, place: at),
        ("doc_id,words,pos,labels", lambda at, place: f"d{at}"),
    ],
)
def test_a_row_for_each_word_is_read_as_sentences(read, header, number):
    asked = {"tags": "ner_tag"} if "ner_tag" in header else {}
    splits = read("t.csv", table(header, number), **asked)
    assert tagged(splits) == (WORDS, TAGS)
    assert splits.train.column("__row__").to_pylist() == [0, 6]
    assert any("8 rows of a word each are read as 2 sentences, by" in note for note in splits.notes)


def test_sentences_are_sliced_and_shuffled_whole(read, load):
    content = table("nr,Word,POS,Tag", lambda at, place: at)
    read("t.csv", content, sentence="nr")
    splits = load("token-classification", train="t.csv[1:]", validation="t.csv[:1]", sentence="nr", shuffle_seed=1)
    found = [splits.values(split, "tokens").to_pylist() for split in ("train", "validation")]
    assert sorted(map(str, found)) == sorted(map(str, ([WORDS[0]], [WORDS[1]])))


@pytest.mark.parametrize(
    "cell",
    [lambda items: str(items), json.dumps, lambda items: "[" + " ".join(map(repr, items)) + "]", " ".join],
)
def test_lists_in_cells_are_read(read, cell):
    quoted = (
        ",".join('"' + cell(items).replace('"', '""') + '"' for items in row) for row in zip(WORDS, TAGS, strict=True)
    )
    assert tagged(read("t.csv", "text,labels\n" + "\n".join(quoted) + "\n")) == (WORDS, TAGS)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 0, "text": TEXT, "label": SPANS},
        {"text": TEXT, "spans": [{"start": s, "end": e, "label": k, "token_start": 0} for s, e, k in SPANS]},
        {"text": TEXT, "entities": [{"id": 1, "start_offset": s, "end_offset": e, "label": k} for s, e, k in SPANS]},
        {"text": TEXT, "label": [{"start": s, "end": e, "labels": [k], "text": "x"} for s, e, k in SPANS]},
        {
            "text": TEXT,
            "tokens": [{"text": "Ann", "start": 0}],
            "spans": [{"start": s, "end": e, "label": k} for s, e, k in SPANS],
        },
        {
            "text": TEXT,
            "annotations": [{"result": [{"value": {"start": s, "end": e, "labels": [k]}} for s, e, k in SPANS]}],
        },
        {"text": TEXT, "annotations": {"entities": SPANS}},
        {"text": TEXT, "entities": str(SPANS)},
    ],
)
def test_spans_of_characters_become_tags(read, row):
    splits = read("t.jsonl", "\n".join(map(json.dumps, [row, row, {"text": "It rained"}])))
    words, tags = tagged(splits)
    assert (words[0], tags[0]) == (WORDS[0], TAGS[0])
    assert (words[2], tags[2]) == (WORDS[1], TAGS[1])
    assert splits.warnings == []


def test_a_span_that_cuts_a_word_takes_it_whole_and_is_told_with_its_line(read):
    rows = [{"text": TEXT, "label": SPANS}, {"text": TEXT, "label": [[0, 2, "PER"], [12, 20, "LOC"]]}]
    splits = read("t.jsonl", "\n".join(map(json.dumps, rows)))
    assert tagged(splits)[1] == [TAGS[0]] * 2
    (warning, *_) = splits.warnings
    assert warning.startswith("1 of 4 spans do not end where words do, and are taken for whole words: ")
    assert warning.endswith("t.jsonl:2: 'An' is read as 'Ann'")


def test_spans_within_each_other_are_counted(read):
    rows = [{"text": TEXT, "label": [*SPANS, [12, 15, "ADJ"]]}] * 2
    splits = read("t.jsonl", "\n".join(map(json.dumps, rows)))
    assert any("2 of 6 spans overlap one before them, and are left out: " in told for told in splits.warnings)


@pytest.mark.parametrize("span", [[0, 99, "PER"], [5, 5, "PER"], [-1, 3, "PER"]])
def test_a_span_outside_of_its_text_is_refused_with_its_line(read, span):
    rows = [{"text": TEXT, "label": SPANS}, {"text": TEXT, "label": [span]}]
    with pytest.raises(DataError, match=r"t.jsonl:2: 'label' holds spans .* is not within a text of 21"):
        read("t.jsonl", "\n".join(map(json.dumps, rows)))


def test_ids_of_tags_beside_a_text_are_no_spans(read):
    row = {"text": "Ann went home", "tokens": ["Ann", "went", "home"], "ner_tags": [1, 0, 2]}
    assert tagged(read("t.jsonl", "\n".join([json.dumps(row)] * 2))) == ([row["tokens"]] * 2, [row["ner_tags"]] * 2)
