"""Shared beginnings: computed once, whichever call, prompt or rung they come from, within a number of bytes."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.grouping import grouped
from autoprompt_search.backends.hf.positions import Soft
from autoprompt_search.backends.hf.prefix_cache import PrefixCache
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, rendered
from autoprompt_search.testing.tiny import CAUSAL

ROWS = [rendered(p) for p in PROMPTS]
PLENTY = 10**8


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is known of any model."""
    monkeypatch.setattr(loaded_model, "_LOADED", {})


@contextmanager
def tokens_read(model):
    """[rows, tokens] of every forward pass."""
    read = []

    def look(_module, args, inputs):
        ids = args[0] if args else inputs.get("input_ids")
        read.append(tuple((inputs["inputs_embeds"] if ids is None else ids).shape[:2]))

    handle = model.base_model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield read
    finally:
        handle.remove()


def opened(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)


def same(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return all(close(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("family", CAUSAL)
def test_known_beginnings_are_used_again_without_changing_scores(family, tiny, monkeypatch):
    folder = str(tiny(family))
    cold = hf_causal(folder, device="cpu").score(ROWS, LONG_ANSWERS).logliks
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = hf_causal(folder, device="cpu", state_megabytes=0)
    near = [ROWS[0], rendered(PROMPTS[0].replace("good Sentiment", "bad Sentiment"))]
    backend.score(near, LONG_ANSWERS)  # these two share more than all prompts do: what is kept has to be cut
    known = backend._loaded.prefixes.runs()
    assert known
    assert close(backend.score(ROWS, LONG_ANSWERS).logliks, cold)
    assert close(backend.score(ROWS, LONG_ANSWERS).logliks, cold)
    assert close(backend.score(near, LONG_ANSWERS).logliks[:1], cold[:1])
    assert set(known) <= set(backend._loaded.prefixes.runs())


def test_a_store_stays_within_its_bytes_and_forgets_what_was_used_longest_ago(tiny):
    model, store = opened(tiny()), PrefixCache(60_000)
    for first in range(3, 43):
        store.get(model, [first, *range(50, 80)], None)
        store.get(model, [3, *range(50, 80)], None)
        assert store.nbytes <= 60_000
    assert 1 < len(store.runs()) < 40
    assert (3, *range(50, 80)) in store.runs()
    store.clear()
    assert store.nbytes == 0
    assert store.runs() == []


def test_a_store_without_room_still_answers(tiny):
    model, store = opened(tiny()), PrefixCache(0)
    assert store.get(model, list(range(3, 30)), None).tokens == 27
    assert store.runs() == []


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_beginnings_that_share_their_first_ids_share_the_work_and_the_memory(family, tiny):
    model, store = opened(tiny(family)), PrefixCache(PLENTY)
    first, other = list(range(5, 45)), [*range(5, 25), *range(60, 80)]
    with tokens_read(model) as read:
        store.get(model, first, None)
        whole = store.nbytes
        branched = store.get(model, other, None)
        store.get(model, first[:30], None)
        store.get(model, first, None)
    assert read == [(1, 40), (1, 20)]
    assert store.nbytes == whole * 60 // 40
    assert same(branched, PrefixCache(PLENTY).get(model, other, None))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(3, 5), min_size=1, max_size=12), min_size=1, max_size=8))
def test_whatever_was_asked_before_a_prefix_is_that_of_its_ids(model, asked):
    store = PrefixCache(9_000)
    for ids in asked:
        found = store.get(model, ids, None)
        assert found.length == len(ids)
        assert same(found, PrefixCache(0).get(model, ids, None))
        nodes = [node for trail in store._leaves() for node in trail]
        assert store.nbytes == sum(node.nbytes for node in {id(n): n for n in nodes}.values()) <= store.limit


@pytest.fixture(scope="module")
def model(tiny):
    return opened(tiny())


def test_soft_prompts_share_what_stands_before_their_vectors_and_nothing_behind(tiny):
    model, store = opened(tiny()), PrefixCache(PLENTY)
    ids = [*range(5, 25), -1, -2, 7, 8]
    one, two = (Soft(torch.randn(2, 32), SoftPosition("before-answer"), key) for key in ("one", "two"))
    with tokens_read(model) as read:
        store.get(model, ids[:20], None)
        first, second = store.get(model, ids, one), store.get(model, ids, two)
        store.get(model, ids, one)
    assert read == [(1, 20), (1, 4), (1, 4)]
    assert not same(first, second)


# Across calls


def test_a_higher_rung_reads_new_queries_only(tiny, fresh):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0)
    model = backend._loaded.model
    queries = [f"a {word} film" for word in ("good", "bad", "poor", "lovely", "dull", "long")]
    rows = [rendered(f"{PROMPTS[0]} good\n\nReview: {query} Sentiment:") for query in queries]
    backend.score(rows[:3], ANSWERS)
    longest = max(backend.count_tokens(rows))
    with tokens_read(model) as read:
        backend.score(rows[3:], ANSWERS)
    assert all(tokens < longest // 2 for _, tokens in read)
    assert sum(rows * tokens for rows, tokens in read) < longest


def test_prompts_that_come_one_by_one_share_their_beginning(tiny, fresh):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0)
    shown = "Review: a film I liked Sentiment: good\n\n" * 7
    rows = [rendered(f"{shown}Review: {word} Sentiment:") for word in ("fine", "it was dull", "lovely")]
    alone = hf_causal(str(tiny()), device="cpu", state_megabytes=0, prefix_megabytes=0)
    backend.score(rows[:1], ANSWERS)
    with tokens_read(backend._loaded.model) as read:
        found = [backend.score([row], ANSWERS).logliks for row in rows]
    assert all(tokens < 20 for _, tokens in read)
    loaded_model._LOADED.clear()
    assert all(close(logliks, alone.score([row], ANSWERS).logliks) for logliks, row in zip(found, rows, strict=True))


# Groups


def test_sequences_are_grouped_where_it_saves_enough():
    shared, other = list(range(100)), [0, *range(200, 299)]
    sequences = [[*shared, 1], [*other, 1], [*shared, 2], [*other, 2], [*shared, 3], [9]]
    assert sorted(grouped(sequences, 50)) == [[0, 2, 4], [1, 3], [5]]
    assert sorted(grouped(sequences, 150)) == [[0, 2, 4], [1, 3, 5]]
    assert grouped(sequences, 10**6) == [[0, 1, 2, 3, 4, 5]]
    assert grouped([], 1) == []
    assert grouped([[1, 2]], 1) == [[0]]


@given(st.lists(st.lists(st.integers(0, 2), max_size=9), max_size=30), st.integers(1, 20))
def test_every_sequence_is_in_one_group(sequences, least):
    found = grouped(sequences, least)
    assert sorted(i for group in found for i in group) == list(range(len(sequences)))


def test_one_odd_prompt_does_not_cost_the_others_what_they_share(tiny, fresh):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0, batch_tokens=1024)
    shown = "Review: a film I liked Sentiment: good\n\n" * 3
    rows = [rendered(f"{shown}Review: {word} Sentiment:") for word in ("fine", "it was dull", "lovely", "poor")]
    odd = rendered("It was " + "not " * 30 + "Sentiment:")
    with tokens_read(backend._loaded.model) as read:
        found = backend.score([*rows, odd], ANSWERS).logliks
    shared = max(backend.count_tokens(rows)) - 10
    assert any(rows == 1 and tokens >= shared for rows, tokens in read)
    assert all(tokens < shared for rows, tokens in read if rows > 1)
    assert close(found[-1:], backend.score([odd], ANSWERS).logliks)
    assert close(found[:-1], backend.score(rows, ANSWERS).logliks)
