"""What dev says of a prompt that was chosen for its dev score, without the luck in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.statistics.additive import Floats, ScoreModel

_SPREADS: Floats = np.array([0.0, *np.geomspace(0.001, 0.3, 60)])
"""Standard deviations between prompts that are weighed against each other."""
EQUAL = 0.2
"""Prior probability that all prompts are equally good, where a prompt has to be chosen."""
EQUAL_REPORTED = 0.5
"""The same where a score is reported: with it the scores of winners among equals are nearly unbiased."""
_SCALE = 0.03
"""Scale of the half-Cauchy prior of the standard deviation where they are not: half of all searches lie below it. In 27
published runs on three data sets and three models it is 0.00 to 0.09, at the median 0.015 (Zehle et al. 2025, arXiv
2504.16005: prompts that a search had already improved)."""
_SWEEPS = 20
_ODDS = 0.6
"""Chance of being better from which a prompt takes the baseline's place (`benchmarks/choosing.py`)."""


@dataclass(frozen=True, slots=True)
class Lead:
    """What one prompt's lead over another is worth: what is expected of it on examples like those of dev."""

    expected: float
    """The lead on dev, shrunk."""
    stderr: float
    """Posterior standard deviation."""
    chance: float
    """Posterior probability that the lead is above zero; one half where prompts are equally good."""

    @property
    def is_real(self) -> bool:
        """Whether the prompt is the better one with a chance of three in five at least."""
        return self.expected > 0 and self.chance >= _ODDS


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """What all trials of a search together say of how far prompts differ, and with that of each of them.

    A trial's score, adjusted for the examples it has seen, is drawn towards the mean of all by as much as noise
    explains of the differences: the posterior mean, which is not biased by choosing its maximum, nor by when trials
    were stopped, since both depend on nothing but the data that it is given (Efron 2011, J. Am. Stat. Assoc.
    106:1602; Rubin 1976, Biometrika 63:581). The more trials are nothing but noise the more all are shrunk, so that
    nothing has to be added for how many there are (Gelman, Hill and Yajima 2012, J. Res. Educ. Eff. 5:189).

    A few trials say little of how far prompts differ, so that the standard deviation between prompts is not estimated
    but averaged over, with a weakly informative prior: a half-Cauchy (Gelman 2006, Bayesian Analysis 1:515), and some
    mass at zero.
    """

    effects: Mapping[int, float]
    """Trial -> what its prompt adds, shrunk."""
    level: float
    """Mean score of all prompts on examples like those of dev."""
    spreads: Mapping[float, float]
    """Standard deviation between prompts -> its posterior probability."""
    noise: float
    """Variance of what an example adds to a score beyond prompt and example."""

    @classmethod
    def of(cls, records: Sequence[TrialRecord], values: Sequence[ArrayLike], equal: float = EQUAL) -> Shrinkage:
        """Fit.

        Args:
            records: All trials, also those that were stopped early.
            values: [complete trials, dev examples]: what every example adds to the score; they show how large the
                noise is.
            equal: Prior probability that all prompts are equally good.
        """
        prior = _prior(equal)
        measured = [r for r in records if r.measurements]
        model = ScoreModel(sorted({m.fidelity.examples for r in measured for m in r.measurements}))
        for record in measured:
            for measurement in record.measurements:
                model.add(record.number, record.kind, measurement)
        numbers, scores, weights = model.table()
        seen, sizes = weights.sum(axis=1), weights.max(axis=0)
        noise = _noise(values) if len(values) > 1 else model.fit().noise
        variance, effect = noise / seen, np.zeros(len(numbers))
        for _ in range(_SWEEPS):
            blocks = (weights * (scores - effect[:, None])).sum(axis=0) / weights.sum(axis=0)
            own = (weights * (scores - blocks)).sum(axis=1) / seen
            probabilities, effect = _posterior(own, variance, prior)
        level = float(np.average(blocks, weights=sizes))
        spreads = dict(zip(_SPREADS.tolist(), probabilities.tolist(), strict=True))
        return cls(dict(zip(numbers, effect.tolist(), strict=True)), level, spreads, noise)

    def lead(self, gap: float, examples: int) -> Lead:
        """The lead of one of two prompts whose scores on the same `examples` differ by `gap`."""
        between = np.array(list(self.spreads)) ** 2
        probabilities = np.array(list(self.spreads.values()))
        variance = self.noise / examples
        kept = between / (between + variance)
        mean, deviation = kept * gap, np.sqrt(2 * kept * variance)
        expected = float(probabilities @ mean)
        second = float(probabilities @ (deviation**2 + mean**2))
        above = ndtr(np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0))
        return Lead(expected, math.sqrt(max(0.0, second - expected**2)), float(probabilities @ above))


def corrected(records: Sequence[TrialRecord], number: int, values: Sequence[ArrayLike]) -> float:
    """What the prompt of trial `number`, the best of many, is expected to score on examples like those of dev.

    By `Shrinkage`, arguments as there, with more weight on none being better than another.
    """
    shrunk = Shrinkage.of(records, values, EQUAL_REPORTED)
    return shrunk.level + shrunk.effects[number]


def _noise(values: Sequence[ArrayLike]) -> float:
    """Variance of what an example adds to a score beyond prompt and example: the residual of the two-way table."""
    table = np.asarray(values, dtype=float)
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    prompts, examples = table.shape
    residual = float((rest**2).sum() / max(1, (prompts - 1) * (examples - 1)))
    return max(residual, 1.0 / float(examples) ** 2)


def _posterior(scores: Floats, variance: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Probability of each of `_SPREADS`, and the posterior mean of every prompt's effect.

    Args:
        scores: [prompts], each with its own sampling `variance`.
        prior: Probability of each of `_SPREADS`.
    """
    total = variance + _SPREADS[:, None] ** 2
    means = (scores / total).sum(axis=1, keepdims=True) / (1 / total).sum(axis=1, keepdims=True)
    rest = (scores - means) ** 2 / total
    likelihood = -(np.log(total) + rest).sum(axis=1) / 2 - np.log((1 / total).sum(axis=1)) / 2
    weights = np.exp(likelihood - likelihood.max()) * prior
    probabilities = weights / weights.sum()
    shrunk = means + (1 - variance / total) * (scores - means)
    return probabilities, probabilities @ shrunk


def _prior(equal: float) -> Floats:
    """The prior weights of `_SPREADS`; those above zero are equally far apart in logarithms."""
    density = _SPREADS / (1 + (_SPREADS / _SCALE) ** 2)
    return np.concatenate([[equal], (1 - equal) * density[1:] / density.sum()])
