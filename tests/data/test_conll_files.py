"""CoNLL files as they are found in the wild: one row a sentence, and nothing of them lost unsaid."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.core.errors import DataError
from workbench.data.formats import by_name, conll, notes
from workbench.data.tables import sources


@pytest.fixture
def read(write):
    """The sentences of a CoNLL file with the given content."""
    return lambda content, name="a.conll": by_name.read_file(write(name, content))


def sentences(table):
    return [list(zip(row["tokens"], row["tags"], strict=True)) for row in table.to_pylist()]


def test_conll_2003_gives_tokens_the_last_column_as_tags_and_the_others_by_number(read):
    table = read(
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n-DOCSTART- -X- -X- O\n\nPeter NNP I-NP B-PER"
    )
    assert table.to_pylist() == [
        {
            "tokens": ["EU", "rejects"],
            "tags": ["B-ORG", "O"],
            "column_2": ["NNP", "VBZ"],
            "column_3": ["B-NP", "B-VP"],
            "document": 0,
        },
        {"tokens": ["Peter"], "tags": ["B-PER"], "column_2": ["NNP"], "column_3": ["I-NP"], "document": 1},
    ]


@pytest.mark.parametrize(
    "content",
    [
        "a O\nb B-X\n\nc O\n",
        "a\tO\nb\tB-X\n\nc\tO",
        "a   O  \nb \t B-X\t\n \t \n\n\nc O\n\n\n",
        "\ufeffa O\r\nb B-X\r\n\r\nc O\r\n",
        "a O\rb B-X\r\rc O\r",
        "# a comment\na O\n# another, within\nb B-X\n\n# c\nc O\n",
    ],
    ids=["blanks", "tabs", "runs", "windows", "mac", "comments"],
)
def test_however_it_is_spaced_and_ended_it_reads_the_same(read, content):
    assert sentences(read(content)) == [[("a", "O"), ("b", "B-X")], [("c", "O")]]


def test_tokens_of_a_tabbed_file_may_hold_spaces(read):
    assert sentences(read("New York\tB-LOC\nis\tO\n")) == [[("New York", "B-LOC"), ("is", "O")]]


def test_a_number_sign_with_a_tag_is_a_token_and_a_comment_is_not(read):
    table = read("# sent_id = 1\nwe B-ORG\nare O\n# O\n#1 B-ORG\n# comment\n")
    assert sentences(table) == [[("we", "B-ORG"), ("are", "O"), ("#", "O"), ("#1", "B-ORG")]]
    (note,) = notes.of(table)
    assert note.endswith("a.conll:6: lines with # and the columns of a token, read as comments: 1")


def test_the_place_in_the_word_that_weibo_glues_on_becomes_a_column(read):
    table = read("科0 B-ORG\n技1 I-ORG\n\n10 O\n11 O\n 0 O\n")
    assert sentences(table) == [[("科", "B-ORG"), ("技", "I-ORG")], [("1", "O"), ("1", "O"), ("", "O")]]
    assert table.column("segment").to_pylist() == [[0, 1], [0, 1, 0]]
    assert any("place in its word is taken off" in note for note in notes.of(table))


def test_tokens_that_merely_end_in_digits_keep_them(read):
    table = read("A1 B-ROAD\nB2 I-ROAD\nx3 O\n")
    assert table.column("tokens").to_pylist() == [["A1", "B2", "x3"]]
    assert "segment" not in table.column_names


def test_a_lost_token_stands_as_an_empty_one_and_is_told_with_its_line(read):
    table = read("中 O\n  O\n\u3000 O\n国 B-LOC\n")
    assert table.column("tokens").to_pylist() == [["中", "", "\u3000", "国"]]
    (note,) = notes.of(table)
    assert note.endswith("a.conll:2: tags without a token, read as empty tokens: 1")


def test_characters_that_python_takes_for_line_ends_are_tokens(read):
    table = read("a O\n\u2028 O\n\x85 O\nb O\n")
    assert table.column("tokens").to_pylist() == [["a", "\u2028", "\x85", "b"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a O\nb\nc O\n", "a.conll:2: 1 column where other lines have 2"),
        ("a O\n\nb c O\nc O\n", "a.conll:3: 3 columns where other lines have 2"),
        ("a\tO\nb\tX\tO\nc\tO\n", "a.conll:2: 3 columns where other lines have 2"),
        ("a\nb\n", "a.conll:1: one column where a token and its tag belong"),
        ("# nothing\n\n-DOCSTART- O\n", "a.conll: holds no tokens"),
        ("\n \n\n", "a.conll: the file is empty"),
    ],
)
def test_lines_that_are_no_rows_are_named(read, content, said):
    with pytest.raises(DataError) as caught:
        read(content)
    assert said in str(caught.value)


def test_a_latin_1_file_is_told_with_the_line(read):
    with pytest.raises(DataError, match=r"a\.conll:2: byte 0xe9 is not UTF-8.*iconv"):
        read("a O\ncafé O\n".encode("latin-1"))


def test_a_tag_that_is_no_tag_is_told(read):
    (note,) = notes.of(read("a O\nb B-X\n" * 20 + "c 0\nd B-\n"))
    assert note.endswith("a.conll:41: tags that are neither O nor a prefix and a type, such as '0': 2")
    assert notes.of(read("a NN\nb VB\nc B-X\n")) == []


def test_conll_u_gives_words_and_upos_without_the_lines_that_are_no_words(read):
    table = read(
        "# newdoc\n# text = du X\n1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\tde\tADP\tP\t_\t0\troot\t_\t_\n"
        "2\tle\tle\tDET\tD\t_\t1\tdet\t_\t_\n2.1\tx\t_\tX\t_\t_\t_\t_\t_\t_\n\n"
        "# newdoc\n1\tvingt et un\t_\tNUM\t_\t_\t0\troot\t_\t_\n",
        "a.conllu",
    )
    assert sentences(table) == [[("de", "ADP"), ("le", "DET")], [("vingt et un", "NUM")]]
    assert table.column("xpos").to_pylist() == [["P", "D"], ["_"]]
    assert table.column("document").to_pylist() == [0, 1]
    assert [note.split(": ")[1] for note in notes.of(table)] == [
        "lines of several words at once (1-2), left out as their words are there",
        "empty nodes (1.1), left out",
    ]


def test_a_first_column_that_counts_is_not_taken_for_the_tokens(read):
    table = read("#\tn-tv\n1\tSchartau\tB-PER\tO\n2\tsagte\tO\tO\n\n1\tx\tO\tO\n")
    assert table.column("tokens").to_pylist() == [["Schartau", "sagte"], ["x"]]
    assert table.column("column_3").to_pylist() == [["B-PER", "O"], ["O"]]


def test_a_sentence_is_led_back_to_the_line_it_begins_on(write):
    part = sources.from_file(write("a.bio", "# x\na O\nb O\n\n\n# y\nc O\n")).part("train")
    assert [part.place(row).rpartition(":")[2] for row in (0, 1)] == ["2", "7"]


def test_data_format_reads_what_the_name_does_not_speak_of(write):
    path = write("a.txt", "a DT\nb NN\n")
    assert by_name.read_file(path).column_names == ["text"]
    part = sources.open_named(str(path), [], wanted="conll").part("train")
    assert part.table().column("tokens").to_pylist() == [["a", "b"]]
    assert part.place(0) == f"{path}:1"
    with pytest.raises(DataError, match=r"data\.format: no format 'conl' \(did you mean 'conll'\?\): it is one of csv"):
        sources.open_named(str(path), [], wanted="conl")


@pytest.mark.parametrize(
    ("train", "dev", "test"),
    [
        ("weiboNER.conll.train", "weiboNER.conll.dev", "weiboNER.conll.test"),
        ("en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"),
        ("train.bio", "valid.bio", "test.bio"),
    ],
)
def test_directories_are_parted_as_the_corpora_name_their_files(write, tmp_path, train, dev, test):
    for name, tokens in ((train, 3), (dev, 2), (test, 1)):
        write(name, "a O\n\n" * tokens)
    assert sources.open_named(str(tmp_path), []).splits() == {"train": 3, "validation": 2, "test": 1}


def test_files_without_a_telling_name_are_found_where_the_format_is_given(write, tmp_path):
    for name in ("eng.train", "eng.testa", "eng.testb"):
        write(name, "a O\n")
    write("README", "not data")
    assert sources.open_named(str(tmp_path), [], wanted="conll").splits() == {"train": 1, "validation": 1, "test": 1}


def test_a_file_is_known_by_its_first_lines(write):
    assert conll.looks_like(write("a.txt", "EU B-ORG\nrejects O\n\n# c\nit O\n"))
    assert conll.looks_like(write("b.tsv", "EU\tB-ORG\nNew York\tB-LOC\n"))
    assert conll.looks_like(write("e.train", "EU NNP I-NP I-ORG\n\nx NN I-NP O\n"))
    assert not conll.looks_like(write("c.txt", "First Citizen:\nspeak, speak.\n\nAll:\nspeak O\n"))
    assert not conll.looks_like(write("d.tsv", "label\ttext_a\n1\tgood\n"))
    assert by_name.read_file(write("eng.train", "EU NNP I-NP I-ORG\n\nx NN I-NP O\n")).num_rows == 2


words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), blacklist_characters="#"), min_size=1
)
tags = st.sampled_from(["O", "B-PER", "I-PER", "S-LOC"])
written = st.lists(st.lists(st.tuples(words, tags), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written, st.sampled_from(["\t", " ", "  "]), st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_as_conll_is_read_back(write, document, between, end):
    lines = [end.join(f"{token}{between}{tag}" for token, tag in sentence) for sentence in document]
    path = write("a.conll", (end * 2).join(lines))
    table = by_name.read_file(path)
    found = sentences(table)
    if "segment" in table.column_names:  # what hypothesis wrote happens to be Weibo's style
        places = table.column("segment").to_pylist()
        found = [
            [(f"{token}{place}", tag) for (token, tag), place in zip(sentence, row, strict=True)]
            for sentence, row in zip(found, places, strict=True)
        ]
    assert found == document
