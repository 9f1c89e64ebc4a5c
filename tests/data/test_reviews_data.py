"""What a reader may rely on about the built-in reviews: balanced, varied, and split once and for all."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(__file__).parent.parent.parent / "recipes" / "data" / "reviews"
DOMAINS = ("book", "film", "food", "hotel", "phone")
LABELS = ("negative", "positive")
ROWS_PER_CELL = {"train": 121, "validation": 16, "test": 20}
"""A cell is one domain under one label; there are ten in each part."""

HELD_OUT_DIGESTS = {
    "validation": "6ea09db41be2b18c68e9887dffca29ef",
    "test": "eb8f0178bd4d2c0235c51f7604f260b9",
}
"""MD5 of the two parts that scores are quoted on. A new digest here means that old scores no longer compare."""

SPLIT_SALT = "builtin:reviews 3\n"


class Review(NamedTuple):
    part: str
    text: str
    label: str
    domain: str

    @property
    def words(self) -> list[str]:
        return re.findall(r"[^\W_]+(?:'[^\W_]+)*", self.text.lower())

    @property
    def sentences(self) -> int:
        return len(re.findall(r"[.!?]+(?=\s|$)", self.text))


def read(part: str) -> list[Review]:
    lines = (FOLDER / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Review(part=part, **json.loads(line)) for line in lines]


REVIEWS = [review for part in ROWS_PER_CELL for review in read(part)]


def trigrams(words: list[str]) -> set[tuple[str, ...]]:
    return set(zip(words, words[1:], words[2:], strict=False))


def overlap(ours: set[tuple[str, ...]], theirs: set[tuple[str, ...]]) -> float:
    return len(ours & theirs) / len(ours | theirs)


def near_duplicates(reviews: list[Review], threshold: float) -> Iterable[tuple[str, str]]:
    """Pairs whose word trigrams overlap (Jaccard) beyond `threshold`; only pairs that share one are compared."""
    grams = [trigrams(review.words) for review in reviews]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, present in enumerate(grams):
        for gram in present:
            holders[gram].append(index)
    neighbours = {pair for sharing in holders.values() for pair in combinations(sharing, 2)}
    return [
        (reviews[left].text, reviews[right].text)
        for left, right in sorted(neighbours)
        if overlap(grams[left], grams[right]) > threshold
    ]


def share(pattern: str, reviews: list[Review]) -> float:
    return sum(bool(re.search(pattern, review.text.lower())) for review in reviews) / len(reviews)


def test_there_are_enough_reviews_to_learn_from() -> None:
    assert len(REVIEWS) >= 960


@pytest.mark.parametrize("part", ROWS_PER_CELL)
def test_every_part_is_balanced_over_domains_and_labels(part: str) -> None:
    cells = Counter((review.domain, review.label) for review in read(part))
    assert cells == {(domain, label): ROWS_PER_CELL[part] for domain in DOMAINS for label in LABELS}


@pytest.mark.parametrize("part", HELD_OUT_DIGESTS)
def test_the_parts_that_scores_are_quoted_on_stay_as_they_were(part: str) -> None:
    content = (FOLDER / f"{part}.jsonl").read_bytes()
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == HELD_OUT_DIGESTS[part]


def test_held_out_rows_were_chosen_by_their_hash_and_by_nothing_else() -> None:
    ranks = defaultdict(lambda: defaultdict(list))
    for review in REVIEWS:
        rank = hashlib.sha256((SPLIT_SALT + review.text).encode()).hexdigest()
        ranks[review.domain, review.label][review.part].append(rank)
    for parts in ranks.values():
        assert max(parts["test"]) < min(parts["validation"])


def test_no_review_appears_twice_however_it_is_spelled() -> None:
    seen = Counter(" ".join(review.words) for review in REVIEWS)
    assert [text for text, times in seen.items() if times > 1] == []


def test_no_review_is_another_one_reworded() -> None:
    assert near_duplicates(REVIEWS, threshold=0.3) == []


def test_the_search_for_rewordings_finds_one_when_there_is_one() -> None:
    original = Review("train", "The soup was cold and the waiter laughed at us.", "negative", "food")
    reworded = original._replace(text="The soup was cold and the waiter laughed at me.")
    assert near_duplicates([original, reworded], threshold=0.3) == [(original.text, reworded.text)]


def test_no_opening_is_used_as_a_template() -> None:
    openings = Counter(tuple(review.words[:4]) for review in REVIEWS if len(review.words) > 4)
    assert [opening for opening, times in openings.items() if times > 3] == []


def test_no_phrase_is_a_stock_phrase() -> None:
    phrases = Counter(
        phrase for review in REVIEWS for phrase in set(zip(*(review.words[i:] for i in range(5)), strict=False))
    )
    assert [phrase for phrase, times in phrases.items() if times > 3] == []


def test_each_review_is_one_to_three_finished_sentences() -> None:
    odd = [review.text for review in REVIEWS if review.sentences not in (1, 2, 3) or review.text[-1] not in ".!?"]
    assert odd == []


def test_reviews_are_short_but_of_many_lengths() -> None:
    lengths = [len(review.words) for review in REVIEWS]
    assert min(lengths) >= 1
    assert max(lengths) <= 60
    assert sum(length <= 6 for length in lengths) >= 0.015 * len(lengths)
    assert sum(length >= 20 for length in lengths) >= 0.10 * len(lengths)


def test_texts_are_clean_single_lines() -> None:
    untidy = [review.text for review in REVIEWS if not review.text.isprintable() or "  " in review.text]
    assert untidy == []
    assert all(review.text == review.text.strip() for review in REVIEWS)


@pytest.mark.parametrize("label", LABELS)
def test_a_negation_does_not_give_the_label_away(label: str) -> None:
    ours = [review for review in REVIEWS if review.label == label]
    assert 0.10 <= share(r"n't\b|\b(no|not|none|nor|never|nothing|nobody|neither|hardly|cannot)\b", ours) <= 0.40


@pytest.mark.parametrize("label", LABELS)
def test_a_turn_in_the_sentence_does_not_give_the_label_away(label: str) -> None:
    ours = [review for review in REVIEWS if review.label == label]
    assert 0.05 <= share(r"\b(but|yet|though|although|despite|while|shame)\b", ours) <= 0.25
