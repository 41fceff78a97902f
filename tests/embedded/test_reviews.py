"""The generator: seeded, balanced, disjoint, and as hard as it claims to be."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.embedded.raters import CAREFUL, RATERS, Link, Meaning, Negator, Opinion
from autoprompt_search.embedded.reviews import LABELS, SPLITS, reviews

SEEDS = st.integers(-(2**40), 2**40)


@given(seed=SEEDS, split=st.sampled_from(sorted(SPLITS)), number=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_same_seed_gives_the_same_reviews_and_a_smaller_draw_is_their_beginning(
    seed: int, split: str, number: int
) -> None:
    whole = reviews(seed, 60, split=split)
    assert reviews(seed, number, split=split) == whole[:number]


@given(seed=SEEDS, split=st.sampled_from(sorted(SPLITS)), half=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_labels_balance_in_every_even_draw(seed: int, split: str, half: int) -> None:
    drawn = [review.label for review in reviews(seed, 2 * half, split=split)]
    assert drawn.count("positive") == drawn.count("negative") == half


@given(seed=SEEDS, other=SEEDS)
@settings(max_examples=10, deadline=None)
def test_splits_share_no_text_whatever_their_seeds(seed: int, other: int) -> None:
    texts = [
        {review.text for review in reviews(number, 300, split=split)}
        for split, number in zip(SPLITS, (seed, other, seed, other), strict=True)
    ]
    assert len(set().union(*texts)) == sum(map(len, texts)) == 1200


def test_ids_and_texts_are_distinct() -> None:
    drawn = reviews(3, 2000, split="train")
    assert len({review.id for review in drawn}) == 2000
    assert len({review.text for review in drawn}) == 2000


@pytest.mark.parametrize(
    ("rater", "low", "high"),
    [("shallow", 0.64, 0.70), ("hasty", 0.71, 0.77), ("medium", 0.78, 0.83),
     ("thorough", 0.88, 0.92), ("careful", 1.0, 1.0)],
)  # fmt: skip
def test_each_rater_agrees_with_the_truth_as_often_as_its_care_allows(rater: str, low: float, high: float) -> None:
    drawn = reviews(11, 5000, split="test")
    judge = {candidate.name: candidate for candidate in RATERS}[rater]
    right = sum(LABELS[judge.finds_positive(r.meaning)] == r.label for r in drawn)
    assert low <= right / 5000 <= high


@pytest.mark.parametrize("split", SPLITS)
def test_reviews_are_of_moderate_length(split: str) -> None:
    lengths = [len(review.text.split()) for review in reviews(2, 1000, split=split)]
    assert min(lengths) >= 5
    assert max(lengths) <= 45
    assert 11 <= sum(lengths) / 1000 <= 17


def test_ten_thousand_reviews_take_well_under_two_seconds() -> None:
    start = time.process_time()
    reviews(0, 10_000, split="dev")
    assert time.process_time() - start < 2


def test_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'validation'.*pretrain, train, dev, test"):
        reviews(0, 1, split="validation")


def test_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        reviews(0, -1, split="dev")


def test_raters_on_known_meanings() -> None:
    hardly_good = Meaning(Opinion(True, Negator.SUBTLE))
    not_good = Meaning(Opinion(True, Negator.PLAIN))
    good_but_bad = Meaning(Opinion(True), Opinion(False), Link.BUT)
    although_good_bad = Meaning(Opinion(True), Opinion(False), Link.CONCESSION)
    good_although_bad = Meaning(Opinion(True), Opinion(False), Link.ASIDE)
    verdicts = {
        rater.name: [
            rater.finds_positive(meaning)
            for meaning in (hardly_good, not_good, good_but_bad, although_good_bad, good_although_bad)
        ]
        for rater in RATERS
    }
    assert verdicts == {
        "shallow": [True, True, True, True, True],
        "hasty": [True, False, True, True, True],
        "medium": [False, False, True, True, True],
        "thorough": [False, False, False, True, True],
        "careful": [False, False, False, False, True],
    }


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_label_is_what_the_careful_rater_says(seed: int) -> None:
    for review in reviews(seed, 40, split="pretrain"):
        assert review.label == LABELS[CAREFUL.finds_positive(review.meaning)]
