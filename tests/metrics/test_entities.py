"""Entities in tags, against seqeval and by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOBES, Tokens

from workbench.core.errors import BadInput
from workbench.metrics.entities import spans

TYPES = ("PER", "LOC.NAM", "X-Y")


def tags(marks: str):
    return st.lists(st.sampled_from(["O", *(f"{mark}-{type_}" for mark in marks for type_ in TYPES)]), max_size=25)


@settings(max_examples=300, deadline=None)
@given(tags("BI"), st.sampled_from(["bio", "iob1"]))
def test_bio_is_read_as_seqeval_reads_it(sequence, scheme):
    assert spans(sequence, scheme) == [(type_, start, end + 1) for type_, start, end in get_entities(sequence)]


@settings(max_examples=300, deadline=None)
@given(tags("BIES"))
def test_iobes_is_read_as_strictly_as_seqeval_reads_it(sequence):
    expected = [(entity.tag, entity.start, entity.end) for entity in Tokens(sequence, IOBES).entities]
    assert spans(sequence, "iobes") == expected


@given(st.lists(st.sampled_from(["O", "PER", "B-LOC"]), max_size=20))
def test_plain_tags_cover_exactly_what_is_not_outside(sequence):
    found = spans(sequence, "plain")
    covered = {place: type_ for type_, start, end in found for place in range(start, end)}
    assert covered == {place: tag for place, tag in enumerate(sequence) if tag != "O"}
    assert all(one[0] != other[0] for one, other in pairwise(found) if one[2] == other[1])


def test_an_inside_that_nothing_begins_begins_an_entity():
    assert spans(["I-PER", "I-PER", "I-LOC", "B-LOC", "O"], "iob1") == [("PER", 0, 2), ("LOC", 2, 3), ("LOC", 3, 4)]


def test_half_an_entity_is_none_in_iobes():
    assert spans(["B-PER", "I-PER", "O", "S-LOC", "I-LOC", "E-LOC"], "iobes") == [("LOC", 3, 4)]


def test_other_letters_for_iobes():
    assert spans(["B-人名", "M-人名", "E-人名", "S-地名"], "iobes") == spans(
        ["B-人名", "I-人名", "L-人名", "U-地名"], "iobes"
    )


def test_a_mark_without_a_type_has_one_all_the_same():
    assert spans(["B", "I", "O"], "bio") == [("_", 0, 2)]


@pytest.mark.parametrize(("tag", "scheme"), [("PER", "bio"), ("S-PER", "iob1"), ("X-PER", "iobes"), ("B-", "bio")])
def test_a_tag_of_another_scheme_is_refused(tag, scheme):
    with pytest.raises(BadInput, match="no tag of"):
        spans(["O", tag], scheme)
