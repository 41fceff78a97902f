"""Batches are divided so that the whole takes the least time, within what a pass may hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.backends.hf.batching import PassCost, most_positions, planned
from autoprompt_search.backends.hf.scoring import batches

LENGTHS = st.lists(st.integers(1, 40), max_size=9).map(lambda some: sorted(some, reverse=True))


def time_of(costs, sizes, passes):
    taken, first = 0, 0
    for size in sizes:
        taken += passes.overhead + size * costs[first]
        first += size
    return taken


def divisions(count):
    """All ways to cut so many rows into runs."""
    for cuts in range(2 ** max(0, count - 1)):
        ends = [i + 1 for i in range(count - 1) if cuts >> i & 1] + [count]
        yield [b - a for a, b in pairwise([0, *ends])]


@given(LENGTHS, st.integers(0, 60), st.integers(1, 200), st.integers(0, 50), st.none() | st.integers(1, 100))
def test_no_division_takes_less_time(costs, overhead, most, front, best):
    passes = PassCost(overhead, best)

    def fits(sizes):
        first = 0
        for size in sizes:
            each = costs[first]
            if size > 1 and (size * (front + each) > most or (best is not None and size * each > best)):
                return False
            first += size
        return True

    sizes = planned(costs, most, front, passes)
    assert sum(sizes) == len(costs)
    assert fits(sizes)
    if costs:
        assert time_of(costs, sizes, passes) == min(time_of(costs, d, passes) for d in divisions(len(costs)) if fits(d))


def test_rows_of_one_length_come_in_full_batches():
    assert planned([10] * 12, 50, passes=PassCost(5)) == [5, 5, 2]


def test_rows_of_other_lengths_stand_apart_where_a_pass_is_cheap():
    assert planned([40, 40, 10, 10, 10], 10_000, passes=PassCost(20)) == [2, 3]
    assert planned([40, 40, 10, 10, 10], 10_000, passes=PassCost(200)) == [5]


def test_batches_hold_the_indices_dearest_first():
    assert batches([3, 9, 5, 5, 1], 20, PassCost(100)) == [[1], [2, 3, 0, 4]]
    assert batches([50], 20) == [[0]]
    assert batches([], 20) == []


@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps", "xpu"])
def test_a_pass_costs_more_on_faster_devices_and_small_models(kind):
    device = torch.device(kind)
    small, large = PassCost.of(device, 64), PassCost.of(device, 4096)
    assert small.overhead > large.overhead > 0
    assert (small.best is None) == (kind != "cpu")
    assert most_positions(device) >= 8192
