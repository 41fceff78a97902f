"""Sizes, shares and order: the properties that rungs and the verdict rest on."""

from collections import Counter
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.types import Example
from autoprompt_search.tasks.splitting import alike, apportion, plan_sizes, split, stratified_order

COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1, max_size=8)


def examples(counts):
    targets = [label for label, number in counts.items() for _ in range(number)]
    return [Example(f"all:{i}", {"text": str(i)}, target) for i, target in enumerate(targets)]


@given(counts=COUNTS, seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_every_prefix_holds_each_label_by_its_share(counts, seed):
    ordered = stratified_order(examples(counts), seed, "dev")
    assert sorted(e.id for e in ordered) == sorted(e.id for e in examples(counts))
    seen = Counter()
    for n, example in enumerate(ordered, 1):
        seen[example.target] += 1
        for label, count in counts.items():
            quota = Fraction(n * count, len(ordered))
            assert floor(quota) <= seen[label] <= ceil(quota)


@given(counts=COUNTS, seed=st.integers(0, 1000), data=st.data())
@settings(max_examples=100, deadline=None)
def test_parts_are_disjoint_and_of_the_wanted_sizes(counts, seed, data):
    pool = examples(counts)
    train = data.draw(st.integers(0, len(pool)))
    dev = data.draw(st.integers(0, len(pool) - train))
    sizes = {"train": train, "dev": dev, "test": data.draw(st.integers(0, len(pool) - train - dev))}
    parts = split(pool, sizes, seed)
    assert {name: len(part) for name, part in parts.items()} == sizes
    identities = [e.id for part in parts.values() for e in part]
    assert len(set(identities)) == len(identities)


@given(counts=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(3, 60), min_size=2), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_every_part_gets_every_label_that_reaches(counts, seed):
    sizes = plan_sizes(sum(counts.values()), ["train", "dev", "test"], {})
    parts = split(examples(counts), sizes, seed)
    for name, part in parts.items():
        if sizes[name] >= len(counts):
            assert {e.target for e in part} == set(counts)


@given(counts=st.dictionaries(st.sampled_from("abcd"), st.integers(20, 90), min_size=2), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_parts_have_the_shares_of_the_whole(counts, seed):
    pool = examples(counts)
    for part in split(pool, plan_sizes(len(pool), ["train", "dev", "test"], {}), seed).values():
        for label, count in counts.items():
            assert abs(sum(e.target == label for e in part) - len(part) * count / len(pool)) < 2


@given(counts=COUNTS, number=st.integers(0, 500))
@settings(max_examples=200, deadline=None)
def test_seats_add_up_and_nobody_gets_more_than_there_are(counts, number):
    seats = apportion(counts, number)
    assert sum(seats.values()) == min(number, sum(counts.values()))
    assert all(0 <= seats[label] <= count for label, count in counts.items())
    if number >= len(counts):
        assert all(seats.values())


def test_seeds_differ_and_repeat():
    pool = examples({"a": 30, "b": 30})
    sizes = {"train": 20, "dev": 20, "test": 20}
    assert split(pool, sizes, 1) == split(pool, sizes, 1)
    members = [{e.id for e in split(pool, sizes, seed)["test"]} for seed in (1, 2)]
    assert members[0] != members[1]
    assert stratified_order(pool, 1, "dev") == stratified_order(pool[::-1], 1, "dev")
    assert stratified_order(pool, 1, "dev") != stratified_order(pool, 2, "dev")
    assert stratified_order(pool, 1, "dev") != stratified_order(pool, 1, "test")


@pytest.mark.parametrize(
    ("available", "parts", "numbers", "sizes"),
    [
        (1000, ["train", "dev", "test"], {}, (250, 250, 500)),
        (1000, ["train", "dev", "test"], {"train": 128, "dev": 512}, (128, 512, 360)),
        (1000, ["train", "dev", "test"], {"train": 100}, (100, 300, 600)),
        (1000, ["train", "dev", "test"], {"train": 10, "dev": 20, "test": 30}, (10, 20, 30)),
        (1001, ["train", "dev"], {}, (501, 500)),
        (90, ["train"], {}, (90,)),
        (90, ["train"], {"train": 40}, (40,)),
        (90, ["train", "test"], {"test": 100}, (0, 100)),
    ],
)
def test_sizes(available, parts, numbers, sizes):
    assert tuple(plan_sizes(available, parts, numbers).values()) == sizes


@given(number=st.integers(3, 60), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_free_texts_are_one_stratum_whatever_they_say(number, seed):
    pool = [Example(f"all:{i}", {"text": str(i)}, f"answer {i}") for i in range(number)]
    parts = split(pool, plan_sizes(number, ["train", "dev", "test"], {}), seed, alike)
    assert sorted(e.id for part in parts.values() for e in part) == sorted(e.id for e in pool)
    same = [Example(e.id, e.inputs, "one") for e in pool]
    alone = split(same, plan_sizes(number, ["train", "dev", "test"], {}), seed, alike)
    assert {name: [e.id for e in part] for name, part in alone.items()} == {
        name: [e.id for e in part] for name, part in parts.items()
    }
