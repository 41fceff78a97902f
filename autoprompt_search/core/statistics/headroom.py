"""How much better than the baseline the best prompt of a space may be, from a dozen of its prompts on a few examples.

Plain numbers: knows no trial and no prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from autoprompt_search.core.rng import derive_seed

_SPREADS = np.linspace(0.0, 0.3, 121)
"""Standard deviations between prompts that are weighed against each other, all equally likely beforehand."""
_DRAWS = 8000
_INSIDE = 0.9
"""Probability that the interval holds the gain."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Best prompt minus baseline, in units of the score, if the search were to find the best of what it tries."""

    expected: float
    low: float
    """Five in a hundred are below, as many above `high`."""
    high: float


@dataclass(frozen=True, slots=True)
class Headroom:
    """What the probe before a search says of it."""

    gain: Gain
    """The gain by texts and demonstrations; the probe does not try soft prompts."""
    ceiling: float
    """What lies between the baseline's score on all of dev and a perfect one."""
    anchors: int
    """Prompts probed, the baseline not counted."""
    examples: int
    """Dev examples each was probed on."""
    passes: int
    """Forward passes of texts and demonstrations to expect from here on."""
    seconds: float
    """What they take one worker, at the pace of the probe."""
    has_soft: bool
    """Whether the space also has soft prompts."""

    def is_futile(self, least: float) -> bool:
        """Whether a gain of `least` is out of reach; where soft prompts may come, whether the ceiling forbids it."""
        return (self.ceiling if self.has_soft else self.gain.high) < least

    @property
    def spelled(self) -> str:
        """The headroom in one sentence."""
        minutes, gain = self.seconds / 60, self.gain
        soft = "; soft prompts not counted" if self.has_soft else ""
        return (
            f"Headroom: the best prompt may gain {gain.expected:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] on the "
            f"baseline ({_INSIDE:.0%} interval, from {self.anchors} prompts on {self.examples} examples). "
            f"To come: about {self.passes:,} forward passes, {minutes:.1f} min of one worker{soft}"
        )


def attainable(scores: ArrayLike, variance: float, *, tries: int, ceiling: float) -> Gain:
    """The gain of the best of many prompts on the first of `scores`: the expected maximum of a shrunken normal.

    True scores of a space's prompts are taken to be normal around a mean. How far they spread is weighed by restricted
    likelihood over a flat prior (Gelman 2006, Bayesian Anal. 1:515), so that a few noisy scores which differ by no more
    than noise promise little; given the spread every measured prompt is drawn towards the mean (Efron and Morris 1973).
    The best of `tries` further prompts is the maximum of as many draws. A search that is guided does better than draws,
    and one that picks on noise does worse: this is what the space has to give, not what a search will find.

    Args:
        scores: Of the baseline, then of the other prompts, all on the same examples.
        variance: Of what these examples add to the difference of a prompt from the mean, half that of a difference
            of two prompts.
        tries: Further prompts that the search will try.
        ceiling: No gain is larger.
    """
    seen = np.asarray(scores, dtype=float)
    total = variance + _SPREADS**2
    rest = ((seen - seen.mean()) ** 2).sum()
    likelihood = -(len(seen) - 1) / 2 * np.log(total) - rest / (2 * total)
    weights = np.exp(likelihood - likelihood.max())
    rng = np.random.default_rng(derive_seed("headroom", len(seen), tries))
    spread = rng.choice(_SPREADS, size=_DRAWS, p=weights / weights.sum())
    whole = variance + spread**2
    mean = seen.mean() + np.sqrt(whole / len(seen)) * rng.standard_normal(_DRAWS)
    trust = (spread**2 / whole)[:, None]
    noise = np.sqrt(trust * variance) * rng.standard_normal((_DRAWS, len(seen)))
    known = mean[:, None] + trust * (seen - mean[:, None]) + noise
    highest = rng.random(_DRAWS) ** (1 / max(1, tries))
    best_new = mean + spread * np.array([NormalDist().inv_cdf(min(u, 1 - 1e-12)) for u in highest.tolist()])
    gains = np.clip(np.maximum(known.max(axis=1), best_new) - known[:, 0], 0.0, max(0.0, ceiling))
    low, high = np.quantile(gains, [(1 - _INSIDE) / 2, (1 + _INSIDE) / 2])
    return Gain(float(gains.mean()), float(low), float(high))


def paired_variance(hits: ArrayLike) -> float:
    """Variance of a prompt's mean beyond prompt and example, from [prompts, examples] right or wrong answers.

    The residual of the two-way table. Never below that of one example in which a prompt differs: so few cannot show
    that prompts are all the same.
    """
    table = np.asarray(hits, dtype=float)
    prompts, examples = table.shape
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    residual = float((rest**2).sum()) / max(1, (prompts - 1) * (examples - 1))
    return float(max(residual, 1.0 / examples)) / int(examples)
