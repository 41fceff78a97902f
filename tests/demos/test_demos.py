"""Demonstrations: the contract of each strategy, balance, hardness, orders and error messages."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.demos import DEMOS
from autoprompt_search.testing.demo_contract import LABELS, BalancedDemoContract, DemoContract, sample_examples


def by_number(examples):
    """Losses without a model: the later in the sample, the harder."""
    return [float(example.id.split(":")[1]) for example in examples]


def build(strategy, pool=None, *, labels=LABELS, seed=1, embed=None, losses=by_number, **options):
    pool = sample_examples(30) if pool is None else pool
    spec = ComponentSpec(type=strategy, **options)
    return DEMOS.build(spec, pool=pool, labels=labels, seed=seed, embed=embed, losses=losses)


def letters(texts):
    """An embedding without a model: counts of letters, of unit length."""
    counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32) + 0.01
    return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class TestRandom(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("random", pool, labels=labels, k=k, seed=seed)


class TestBalanced(BalancedDemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("balanced", pool, labels=labels, k=k, seed=seed)


class TestHard(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("hard", pool, labels=labels, k=k, seed=seed)


class TestKnn(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("knn", pool, labels=labels, k=k, seed=seed)


class TestKnnByEmbedding(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("knn", pool, labels=labels, k=k, seed=seed, by="embedding", embed=letters)


class TestDiverse(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("diverse", pool, labels=labels, k=k, seed=seed)


class TestDiverseByEmbedding(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("diverse", pool, labels=labels, k=k, seed=seed, by="embedding", embed=letters)


def test_every_registered_strategy_has_its_contract_here():
    contracts = (TestRandom, TestBalanced, TestHard, TestKnn, TestDiverse)
    assert {c.__name__.removeprefix("Test").lower() for c in contracts} == set(DEMOS.names())


@pytest.mark.parametrize("strategy", ["random", "balanced", "hard"])
def test_draws_and_seeds_differ(strategy):
    chosen = {
        (seed, draw): tuple(e.id for e in build(strategy, k=6, draw=draw, seed=seed).demonstrations.examples)
        for seed in (1, 2)
        for draw in range(10)
    }
    assert len(set(chosen.values())) == len(chosen)


def test_a_larger_random_draw_adds_to_a_smaller_one():
    ids = [[e.id for e in build("random", k=k, draw=3).demonstrations.examples] for k in (2, 5, 9)]
    assert ids[1][:2] == ids[0]
    assert ids[2][:5] == ids[1]


def test_the_label_that_gets_one_more_is_drawn():
    extra = {build("balanced", k=1, draw=draw).demonstrations.examples[0].target for draw in range(20)}
    assert extra == set(LABELS)


@given(k=st.integers(1, 30), draw=st.integers(0, 50), seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_balanced_is_balanced(k, draw, seed):
    counts = Counter(e.target for e in build("balanced", k=k, draw=draw, seed=seed).demonstrations.examples)
    assert sum(counts.values()) == k
    assert max(counts.values()) - min(counts[label] for label in LABELS) <= 1


def test_the_hardest_are_shown_or_some_of_the_hardest():
    chosen = [{e.id for e in build("hard", k=4, draw=d).demonstrations.examples} for d in range(12)]
    assert chosen[0] == {f"train:{i}" for i in (26, 27, 28, 29)}
    assert set.union(*chosen[1:]) == {f"train:{i}" for i in range(18, 30)}
    assert all(len(ids) == 4 for ids in chosen)


def test_equally_hard_examples_keep_their_order():
    shown = build("hard", k=3, losses=lambda examples: [1.0] * len(examples)).demonstrations.examples
    assert {e.id for e in shown} == {"train:0", "train:1", "train:2"}


def test_the_hardest_that_is_left_stands_in_for_the_query():
    pool = sample_examples(30)
    shown = build("hard", pool, k=2).select([pool[29]])[0]
    assert {e.id for e in shown} == {"train:28", "train:27"}


def test_losses_are_asked_for_by_hard_demonstrations_alone():
    def never(examples):
        raise AssertionError("not needed")

    for strategy in ("random", "balanced", "knn", "diverse"):
        build(strategy, k=2, losses=never)


@pytest.mark.parametrize("strategy", ["random", "balanced", "hard"])
def test_orders_hold_the_same_examples(strategy):
    shuffled, grouped, turns = (
        build(strategy, k=9, order=order).demonstrations.examples for order in ("shuffled", "by-label", "interleaved")
    )
    assert {e.id for e in shuffled} == {e.id for e in grouped} == {e.id for e in turns}
    assert [e.target for e in grouped] == sorted((e.target for e in grouped), key=LABELS.index)


def test_interleaved_takes_the_labels_in_turn():
    targets = [e.target for e in build("balanced", k=9, order="interleaved").demonstrations.examples]
    assert targets == list(LABELS) * 3


def test_a_shuffled_balanced_draw_mixes_the_labels():
    heads = {build("balanced", k=6, draw=draw).demonstrations.examples[0].target for draw in range(20)}
    assert heads == set(LABELS)


def test_fixed_demonstrations_are_their_own_description():
    said = build("random", k=3, draw=2).demonstrations
    assert (said.strategy, said.per_query, dict(said.options), len(said.examples)) == ("random", False, {}, 3)


def test_too_few_of_a_label_is_an_error_that_counts():
    pool = [e for i, e in enumerate(sample_examples(30)) if e.target != "good" or i == 2]
    with pytest.raises(ConfigError, match=r"12 balanced demonstrations take 4 of label 'good', .* has 1"):
        build("balanced", pool, k=12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 3, "draws": 1}, "did you mean 'draw'"),
        ({}, "k: is required"),
        ({"k": 2, "order": "best-last"}, "shuffled"),
        ({"k": 0}, "k: .* greater than or equal to 1 .got 0"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build("random", **options)
