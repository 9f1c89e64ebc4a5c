"""Data that needs no network is there, fixed, and what it says it is."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from workbench.core.errors import DataError
from workbench.data.tables import docstrings, sources


@pytest.fixture(scope="module")
def docs() -> sources.Source:
    return sources.open_named("builtin:docstrings", [])


def texts(source: sources.Source) -> dict[str, list[str]]:
    return {split: source.table(split).column("text").to_pylist() for split in source.names}


@pytest.mark.parametrize("name", ["builtin:reviews", "builtin:python-docs", "builtin:docstrings"])
def test_parts_are_fixed_and_share_no_text(name):
    parts = texts(sources.open_named(name, []))
    assert list(parts) == ["train", "validation", "test"]
    everything = [text for some in parts.values() for text in some]
    assert len(set(everything)) == len(everything)
    assert all(text.strip() for text in everything)
    assert texts(sources.open_named(name, [])) == parts


def test_reviews_are_balanced_in_every_part():
    source = sources.open_named("builtin:reviews", [])
    assert sum(source.splits().values()) >= 800
    for split in source.names:
        shares = Counter(source.table(split).column("label").to_pylist())
        assert set(shares) == {"negative", "positive"}
        assert max(shares.values()) - min(shares.values()) <= 2


def test_python_docs_are_pythons_help_texts():
    table = sources.open_named("builtin:python-docs", []).table("train")
    assert table.num_rows > 50
    assert set(table.column_names) == {"topic", "text"}


def test_docstrings_have_several_classes_of_equal_size(docs):
    for split in docs.names:
        sizes = Counter(docs.table(split).column("label").to_pylist())
        assert len(sizes) >= 5
        assert len(set(sizes.values())) == 1
    assert docs.table("train").num_rows > 1000


def test_no_docstring_names_its_library(docs):
    for row in docs.table("test").to_pylist():
        assert row["label"] not in row["text"].lower().split(), row


def test_names_are_masked_in_whatever_case_and_long_texts_are_cut_at_a_word():
    assert (
        docstrings.prose("Like PyTorch's,\n    but in `torch.nn` or NumPy (np).")
        == "Like LIB's, but in `LIB.nn` or LIB (LIB)."
    )
    cut = docstrings.prose("word " * 200)
    assert len(cut) <= 400
    assert cut.endswith("word")


def test_libraries_are_parsed_not_imported(docs):
    import subprocess

    code = (
        "import sys; from workbench.data.tables import docstrings; docstrings.collect(20);"
        "print([name for name in ('torch', 'transformers', 'datasets', 'sklearn', 'textual') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(DataError, match=r"builtin:review: no built-in data of that name \(did you mean 'reviews'\?\)"):
        sources.open_named("builtin:review", [])
