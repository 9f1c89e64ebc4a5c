"""One pass over the texts counts what a look at each of them would."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.report import text_quality
from workbench.data.report.text_facts import TextFacts

_SOME = [
    "same",
    "",
    " ",
    "\t\n",
    "\u3000",
    "\u00a0 ",
    "bell \x07",
    "cafÃ©",
    "\ufffd",
    "a\u200bb",
    "é",
    "\x85",
    "x" * 6000,
]
texts = st.lists(st.sampled_from(_SOME) | st.text(max_size=4) | st.none(), max_size=12)


@settings(deadline=None)
@given(texts, texts)
def test_what_is_counted_is_what_a_look_at_each_text_finds(left, right):
    facts, other = (TextFacts.of([pa.chunked_array([part], pa.string())]) for part in (left, right))
    told = [text or "" for text in left]
    assert facts.lengths.tolist() == [len(text) for text in told]
    # \s of Arrow's regexes is ASCII's.
    assert facts.empty == sum(not re.search(r"[^ \t\n\r\f]", text) for text in told)
    for name, pattern in text_quality.SIGNS.items():
        assert facts.signs.get(name, 0) == sum(bool(re.search(pattern, text)) for text in told)
    assert facts.repeated() == len(left) - len(set(left))
    assert facts.shared(other) == sum(text in set(right) for text in left)
    assert facts.spread().total == sum(map(len, told))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 3)), max_size=20))
def test_texts_with_different_labels_are_counted_once(rows):
    facts = TextFacts.of([pa.chunked_array([[text for text, _ in rows]], pa.string())])
    seen = Counter(text for text, _ in {(text, label) for text, label in rows if label >= 0})
    assert facts.at_odds(np.array([label for _, label in rows], np.int64)) == sum(n > 1 for n in seen.values())


def test_columns_may_come_in_parts():
    whole = TextFacts.of([pa.chunked_array([["a", "b"], ["a", "c"]]).slice(1)])
    parts = TextFacts.of([pa.chunked_array([["b"]]), pa.chunked_array([["a", "c"]])])
    assert whole.hashes.tolist() == parts.hashes.tolist()
    assert whole.spread() == parts.spread()
