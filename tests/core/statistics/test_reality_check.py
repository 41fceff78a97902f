"""What luck gives the best of many prompts that are no better than the baseline."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from autoprompt_search.core.statistics.reality_check import reality_check_p


@given(gained=st.integers(1, 12), lost=st.integers(0, 8), same=st.integers(0, 20))
def test_of_one_prompt_it_is_the_exact_one_sided_mcnemar_test(gained: int, lost: int, same: int) -> None:
    gaps = np.array([[1.0]] * gained + [[-1.0]] * lost + [[0.0]] * same)
    exact = binomtest(gained, gained + lost, alternative="greater").pvalue
    assert reality_check_p(gaps, 0, 1) == pytest.approx(exact, abs=0.05)


def test_more_prompts_tried_more_luck() -> None:
    gaps = np.array([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 4 + [[0.0, 0.0]] * 30)
    found = [reality_check_p(gaps, 0, tried) for tried in (2, 4, 20, 200)]
    assert all(a < b for a, b in itertools.pairwise(found))
    assert found[0] == reality_check_p(gaps, 0, 0)


def test_a_prompt_that_answers_as_the_baseline_does_leads_nobody() -> None:
    assert reality_check_p(np.zeros((20, 3)), 1, 3) == 1.0


@pytest.mark.parametrize(("examples", "prompts"), [(16, 6), (64, 20), (256, 12)])
def test_prompts_that_are_all_alike_seldom_seem_better(examples: int, prompts: int) -> None:
    """At the level of one standard error: in at most 16 % of searches, beyond two standard errors of the count."""
    rng, searches, level = np.random.default_rng(0), 300, 0.159
    false = 0
    for _ in range(searches):
        ease = rng.normal(1.0, 1.5, size=examples)
        right = (rng.random((examples, prompts + 1)) < 1 / (1 + np.exp(-ease))[:, None]).astype(float)
        gaps = right[:, 1:] - right[:, :1]
        false += reality_check_p(gaps, int(gaps.sum(axis=0).argmax()), prompts) <= level
    assert false / searches <= level + 2 * (level * (1 - level) / searches) ** 0.5
