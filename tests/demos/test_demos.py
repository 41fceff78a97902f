"""Demonstrations: the contract of each strategy, balance, nearness, orders and error messages."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.demos import DEMOS
from autoprompt_search.testing.demo_contract import LABELS, BalancedDemoContract, DemoContract, sample_examples


def build(strategy, pool=None, *, labels=LABELS, seed=1, embed=None, **options):
    pool = sample_examples(30) if pool is None else pool
    return DEMOS.build(ComponentSpec(type=strategy, **options), pool=pool, labels=labels, seed=seed, embed=embed)


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


class TestKnn(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("knn", pool, labels=labels, k=k, seed=seed)


class TestKnnByEmbedding(DemoContract):
    def make(self, pool, labels, *, k, seed):
        return build("knn", pool, labels=labels, k=k, seed=seed, by="embedding", embed=letters)


def test_every_registered_strategy_has_its_contract_here():
    covered = {c.__name__.removeprefix("Test").lower() for c in (TestRandom, TestBalanced, TestKnn)}
    assert set(DEMOS.names()) <= covered


@pytest.mark.parametrize("strategy", ["random", "balanced"])
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


@pytest.mark.parametrize("strategy", ["random", "balanced"])
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
        ({"k": 0}, "demos.strategy: none"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build("random", **options)


def test_embedding_needs_a_backend_that_embeds():
    with pytest.raises(ConfigError, match="needs a backend that gives embeddings"):
        build("knn", k=2, by="embedding")


POOL = [
    Example("a", {"text": "the battery is weak"}, "bad"),
    Example("b", {"text": "the battery is strong"}, "good"),
    Example("c", {"text": "a lovely screen"}, "good"),
    Example("d", {"text": "a dull screen"}, "bad"),
]


def ids(demos):
    return [demo.id for demo in demos]


def test_the_nearest_stands_last_unless_told_otherwise():
    query = Example("q", {"text": "a lovely bright screen"}, "good")
    assert ids(build("knn", POOL, k=2).select([query])[0]) == ["d", "c"]
    assert ids(build("knn", POOL, k=2, order="similar-first").select([query])[0]) == ["c", "d"]


def test_nearness_by_embedding_is_the_embedding_s():
    axis = {"x": (1.0, 0.0), "y": (0.0, 1.0), "near y": (0.6, 0.8)}
    pool = [Example("x", {"text": "x"}, "bad"), Example("y", {"text": "y"}, "good")]

    def embed(texts):
        return np.array([axis[text] for text in texts], np.float32)

    selector = build("knn", pool, k=1, by="embedding", embed=embed)
    assert ids(selector.select([Example("q", {"text": "near y"}, "bad")])[0]) == ["y"]


def test_ties_go_to_the_earlier_example():
    pool = [Example(str(i), {"text": ("cow", "zebra", "horse")[i % 3]}, "bad") for i in range(300)]
    for k, text in ((5, "zebra foal"), (90, "horse foal"), (7, "foal")):
        selector = build("knn", pool, k=k, order="similar-first")
        expected = [e for e in pool if text == "foal" or e.inputs["text"] in text][:k]
        assert ids(selector.select([Example("q", {"text": text}, "bad")])[0]) == ids(expected)


def test_all_fields_count_and_their_order_in_the_query_does_not():
    pool = [Example(i, {"one": a, "two": b}, "bad") for i, a, b in (("m", "sun", "moon"), ("s", "sun", "star"))]
    query = Example("q", {"two": "star", "one": "rain"}, "bad")
    assert ids(build("knn", pool, k=1).select([query])[0]) == ["s"]


def test_texts_without_words_have_neighbours_too():
    pool = [
        Example("1", {"text": ":("}, "bad"),
        Example("2", {"text": ":)"}, "good"),
        Example("3", {"text": "好"}, "good"),
    ]
    assert ids(build("knn", pool, k=1).select([Example("q", {"text": "!!! )"}, "good")])[0]) == ["2"]
    assert ids(build("knn", pool, k=1).select([Example("q", {"text": "很好的"}, "good")])[0]) == ["3"]


def test_knn_can_be_rebuilt_from_its_demonstrations():
    first = build("knn", k=3, order="similar-first")
    said = first.demonstrations
    again = build(said.strategy, said.examples, seed=99, **said.options)
    queries = sample_examples(300, name="dev")
    assert again.select(queries) == first.select(queries)
    assert said.per_query


def test_knn_leaves_out_a_copy_of_the_query_in_a_small_pool():
    query = replace(POOL[0], id="q")
    assert sorted(ids(build("knn", POOL, k=4).select([query])[0])) == ["b", "c", "d"]
