"""Near-duplicates: exact by definition, blind to case and punctuation, fast enough."""

import random
import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.types import Example
from autoprompt_search.tasks.duplicates import NEAR, near_duplicates, normalised, shingles


def group(name, *texts):
    return [Example(f"{name}:{i}", {"text": text}, "x") for i, text in enumerate(texts)]


def found(one, other):
    pairs = near_duplicates({"one": group("one", *one), "other": group("other", *other)})
    return sorted((pair.groups, pair.ids) for pair in pairs)


def test_case_blanks_and_unicode_form_do_not_count():
    one, other = group("a", "Caf\u00e9  Noir\n", "cafe\u0301 noir")
    assert normalised(one) == normalised(other)


def test_fields_do_not_run_into_one_another():
    one = Example("1", {"a": "x y", "b": "z"}, "l")
    assert normalised(one) != normalised(Example("2", {"a": "x", "b": "y z"}, "l"))


def test_punctuation_makes_a_near_duplicate():
    assert found(["A fine, fine film!"], ["a fine fine film", "a poor poor film"]) == [
        (("one", "other"), ("one:0", "other:0"))
    ]


def test_short_texts_are_compared_as_a_whole():
    assert found(["Great!"], ["great", "great stuff"]) == [(("one", "other"), ("one:0", "other:0"))]


def test_pairs_inside_a_group_are_not_reported():
    assert found(["one two three four", "one two three four."], ["other words stand here"]) == []


def test_groups_come_in_the_given_order():
    groups = {"train": group("train", "a b c d"), "dev": group("dev", "x y z"), "test": group("test", "a b c d!")}
    assert [pair.groups for pair in near_duplicates(groups)] == [("train", "test")]


def test_scripts_without_blanks_have_shingles():
    assert len(shingles("今天天气很好")) == 4
    assert shingles("!!!") == frozenset()


TEXTS = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=12)


@given(one=TEXTS, other=TEXTS)
@settings(max_examples=200, deadline=None)
def test_the_filter_misses_nothing(one, other):
    def similar(left, right):
        left, right = shingles(left), shingles(right)
        return len(left & right) / len(left | right) >= NEAR

    pairs = product(enumerate(one), enumerate(other))
    expected = [(("one", "other"), (f"one:{i}", f"other:{j}")) for (i, a), (j, b) in pairs if similar(a, b)]
    assert found(one, other) == sorted(expected)


@pytest.mark.slow
def test_ten_thousand_texts_take_seconds():
    rng = random.Random(0)
    words = [f"word{i}" for i in range(3000)]
    texts = [" ".join(rng.choices(words, range(3000, 0, -1), k=25)) for _ in range(10_000)]
    texts[9_999] = texts[3] + " more"
    start = time.process_time()
    assert len(found(texts[:5000], texts[5000:])) == 1
    assert time.process_time() - start < 3
