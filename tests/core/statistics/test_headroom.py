"""What a few prompts on a few examples say of the best of many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.statistics.headroom import attainable, paired_variance


def gains(spread: float, *, worlds: int = 60, prompts: int = 13, examples: int = 64, tries: int = 40) -> np.ndarray:
    """[worlds, 2]: what there was to gain, and whether it lay in the interval, where prompts differ by `spread`."""
    rng, found = np.random.default_rng(1), []
    for _ in range(worlds):
        truth = rng.normal(0.6, spread, size=prompts + tries)
        ease = rng.normal(0, 0.2, size=examples)
        hits = rng.random((prompts, examples)) < np.clip(truth[:prompts, None] + ease, 0, 1)
        gain = attainable(hits.mean(axis=1), paired_variance(hits), tries=tries, ceiling=0.5)
        real = max(truth.max() - truth[0], 0.0)
        found.append((real - gain.expected, gain.low <= real <= gain.high))
    return np.array(found)


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.1])
def test_the_interval_holds_what_there_was_to_gain(spread: float) -> None:
    found = gains(spread)
    assert found[:, 1].mean() >= 0.85
    assert abs(found[:, 0].mean()) < 0.05


def test_prompts_that_answer_alike_promise_little_and_the_more_examples_the_less() -> None:
    promised = []
    for examples in (32, 128, 512):
        hits = np.tile(np.arange(examples) % 3 > 0, (13, 1))
        gain = attainable(hits.mean(axis=1), paired_variance(hits), tries=40, ceiling=0.4)
        promised.append(gain.high)
    assert promised == sorted(promised, reverse=True)
    assert promised[-1] < 0.02


def test_more_tries_promise_more_and_the_ceiling_bounds_all() -> None:
    scores = [0.6, 0.5, 0.7, 0.65, 0.55]
    few, many = (attainable(scores, 1e-4, tries=tries, ceiling=1.0) for tries in (2, 200))
    assert few.expected < many.expected
    assert attainable(scores, 1e-4, tries=200, ceiling=0.03).high == pytest.approx(0.03)


@settings(max_examples=30)
@given(
    scores=st.lists(st.floats(0, 1), min_size=2, max_size=13),
    variance=st.floats(1e-6, 0.1),
    tries=st.integers(1, 600),
    ceiling=st.floats(0, 1),
)
def test_a_gain_lies_in_its_interval_and_between_nothing_and_the_ceiling(
    scores: list[float], variance: float, tries: int, ceiling: float
) -> None:
    gain = attainable(scores, variance, tries=tries, ceiling=ceiling)
    assert 0 <= gain.low <= gain.high <= ceiling
    assert gain == attainable(scores, variance, tries=tries, ceiling=ceiling)
    assert 0 <= gain.expected <= ceiling + 1e-9
