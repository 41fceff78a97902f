"""Demonstrations per query: nearness, difference, orders, and selectors rebuilt from what they say of themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.demos import DEMOS
from autoprompt_search.testing.demo_contract import LABELS, sample_examples

PER_QUERY = ("knn", "diverse")


def build(strategy, pool=None, *, embed=None, seed=1, **options):
    pool = sample_examples(30) if pool is None else pool
    return DEMOS.build(ComponentSpec(type=strategy, **options), pool=pool, labels=LABELS, seed=seed, embed=embed)


@pytest.mark.parametrize("strategy", PER_QUERY)
def test_embedding_needs_a_backend_that_embeds(strategy):
    with pytest.raises(ConfigError, match="needs a backend that gives embeddings"):
        build(strategy, k=2, by="embedding")


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


@pytest.mark.parametrize("order", ["similar-last", "similar-first", "shuffled", "by-label", "interleaved"])
@pytest.mark.parametrize("strategy", PER_QUERY)
def test_a_selector_can_be_rebuilt_from_its_demonstrations(strategy, order):
    first = build(strategy, k=3, order=order)
    said = first.demonstrations
    again = build(said.strategy, said.examples, seed=99, **said.options)
    queries = sample_examples(300, name="dev")
    assert again.select(queries) == first.select(queries)
    assert said.per_query


def test_knn_leaves_out_a_copy_of_the_query_in_a_small_pool():
    query = replace(POOL[0], id="q")
    assert sorted(ids(build("knn", POOL, k=4).select([query])[0])) == ["b", "c", "d"]


@pytest.mark.parametrize("strategy", PER_QUERY)
def test_orders_per_query_hold_the_same_examples(strategy):
    queries = sample_examples(20, name="dev")
    last, first, mixed, grouped, turns = (
        build(strategy, k=6, order=order).select(queries)
        for order in ("similar-last", "similar-first", "shuffled", "by-label", "interleaved")
    )
    assert first == [demos[::-1] for demos in last]
    assert mixed != last
    for rows in (mixed, grouped, turns):
        assert [set(ids(demos)) for demos in rows] == [set(ids(demos)) for demos in last]
    for demos, near in zip(grouped, last, strict=True):
        assert list(demos) == sorted(near, key=lambda e: LABELS.index(e.target)), "within a label the nearest is last"
    for demos in turns:
        targets = [e.target for e in demos]
        rounds = [sum(t == target for t in targets[:i]) for i, target in enumerate(targets)]
        assert rounds == sorted(rounds), "a label comes again before another had its turn"


def test_a_shuffled_order_is_of_the_query_not_of_its_neighbours_in_a_batch():
    queries = sample_examples(20, name="dev")
    selector = build("knn", k=6, order="shuffled")
    assert [selector.select([q])[0] for q in queries] == selector.select(queries)


TWINS = [
    Example("near", {"text": "the battery is weak"}, "bad"),
    Example("twin", {"text": "weak is the battery"}, "bad"),
    Example("other", {"text": "a weak hinge"}, "good"),
    Example("far", {"text": "lovely colours"}, "good"),
]


def test_diverse_leaves_out_what_repeats_the_nearest():
    query = Example("q", {"text": "the battery is weak, the hinge too"}, "bad")
    assert ids(build("knn", TWINS, k=2).select([query])[0]) == ["twin", "near"]
    assert ids(build("diverse", TWINS, k=2).select([query])[0]) == ["other", "near"]


def test_diverse_is_greedy_marginal_relevance():
    """Against the formula, written out."""
    axes = {"q": (1, 0, 0), "a": (0.8, 0.6, 0), "b": (0.8, 0.6, 0), "c": (0.6, 0, 0.8), "d": (0, -0.6, -0.8)}

    def embed(texts):
        return np.array([axes[text] for text in texts], np.float32)

    def cosine(x, y):
        return float(np.dot(axes[x], axes[y]))

    pool = [Example(name, {"text": name}, "bad") for name in "abcd"]
    for trade in (0.0, 0.3, 0.7, 1.0):
        chosen: list[str] = []
        while len(chosen) < 3:
            left = [name for name in "abcd" if name not in chosen]
            known = {n: max((cosine(n, c) for c in chosen), default=0) for n in left}
            worth = {n: round(trade * cosine("q", n) - (1 - trade) * known[n], 5) for n in left}
            chosen.append(max(left, key=lambda n: worth[n]))
        selector = build("diverse", pool, k=3, trade=trade, by="embedding", embed=embed)
        assert set(ids(selector.select([Example("q", {"text": "q"}, "bad")])[0])) == set(chosen), trade


@given(k=st.integers(1, 12), seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_a_trade_of_one_is_nearness_alone(k, seed):
    pool, queries = sample_examples(40, seed=seed), sample_examples(6, name="dev", seed=seed)
    assert build("diverse", pool, k=k, trade=1.0).select(queries) == build("knn", pool, k=k).select(queries)


def test_diverse_chooses_among_the_nearest_only():
    """With difference alone it would take the strangest of the pool; those were never found."""
    pool = [Example(str(i), {"text": f"battery {'again ' * (i % 7)}{i}"}, "bad") for i in range(120)]
    pool += [Example(f"far{i}", {"text": f"zebra{i}"}, "bad") for i in range(30)]
    shown = build("diverse", pool, k=5, trade=0.0).select([Example("q", {"text": "battery"}, "bad")])[0]
    assert not any(e.id.startswith("far") for e in shown)


@pytest.mark.parametrize("trade", [-0.1, 1.1, "half"])
def test_a_trade_beyond_its_range_is_named(trade):
    with pytest.raises(ConfigError, match=r"trade: .*\(got"):
        build("diverse", k=2, trade=trade)
