"""What choosing the best of many prompts does to its score, and how to see through it. Plain numbers, no trials."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoprompt_search.core.rng import derive_seed

FLIPS = 1999
"""Draws of the null distribution: with the data themselves 2,000, so that p comes in steps of 0.0005."""
_ROUNDING = 1e-9


def reality_check_p(gaps: ArrayLike, leader: int, tried: int) -> float:
    """How often luck alone would give the best of `tried` prompts a lead over the baseline like that of `leader`.

    The reality check of White (2000, Econometrica 68:1097), standardised as Hansen (2005, J. Bus. Econ. Stat.
    23:365) advises, with the null distribution by sign flips in place of a bootstrap (max-T of Westfall and Young
    1993): where a prompt is no better than the baseline, either could have been right on an example on which they
    differ. All prompts are flipped together, so that what they have in common counts once. With one prompt it is
    the exact one-sided McNemar test, which a bootstrap of few examples is far from.

    Prompts that were stopped early had their chance too. They are taken to depend on each other as those at hand
    do: p of `tried` is 1 - (1 - p)^(tried / prompts), which is exact for prompts that have nothing in common, and
    too careful where stopping has taken the worse ones out.

    Args:
        gaps: [examples, prompts]: what an example adds to the prompt's score minus what it adds to the baseline's.
        leader: Column of the prompt that would be chosen.
        tried: Prompts that were tried in all, at least as many as there are columns.
    """
    differences = np.asarray(gaps, dtype=float)
    examples, prompts = differences.shape
    lengths = np.sqrt((differences**2).sum(axis=0))
    standard = differences / np.where(lengths > 0, lengths, 1.0)
    lead = standard[:, leader].sum() - _ROUNDING
    highest = (_flips(examples) @ standard).max(axis=1)
    p = (1 + int((highest >= lead).sum())) / (FLIPS + 1)
    return float(1 - (1 - p) ** (max(tried, prompts) / prompts))


@lru_cache(maxsize=4)
def _flips(examples: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(derive_seed("flips", examples))
    return rng.choice(np.array([-1.0, 1.0]), size=(FLIPS, examples))
