"""What dev says of a prompt that was chosen for its dev score, without the luck in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.statistics.additive import Floats, ScoreModel

_SPREADS = np.array([0.0, *np.geomspace(0.001, 0.3, 60)])
"""Standard deviations between prompts that are weighed against each other."""
_SWEEPS = 20


@dataclass(frozen=True, slots=True)
class Lead:
    """What one prompt's lead over another is worth: what is expected of it on examples like those of dev."""

    expected: float
    """The lead on dev, shrunk."""
    stderr: float
    """Posterior standard deviation; 0 where nothing says that prompts differ at all."""

    @property
    def is_real(self) -> bool:
        """Whether it is at least one standard error above none, which leaves a chance of one in six that it is none."""
        return self.expected > 0 and self.expected >= self.stderr


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """What all trials of a search together say of how far prompts differ, and with that of each of them.

    A trial's score, adjusted for the examples it has seen, is drawn towards the mean of all by as much as noise
    explains of the differences: the posterior mean, which is not biased by choosing its maximum, nor by when trials
    were stopped, since both depend on nothing but the data that it is given (Efron 2011, J. Am. Stat. Assoc.
    106:1602; Rubin 1976, Biometrika 63:581). The more trials are nothing but noise the more all are shrunk, so that
    nothing has to be added for how many there are (Gelman, Hill and Yajima 2012, J. Res. Educ. Eff. 5:189).
    """

    effects: Mapping[int, float]
    """Trial -> what its prompt adds, shrunk."""
    level: float
    """Mean score of all prompts on examples like those of dev."""
    spread: float
    """Variance between prompts."""
    noise: float
    """Variance of what an example adds to a score beyond prompt and example."""

    @classmethod
    def of(cls, records: Sequence[TrialRecord], values: Sequence[ArrayLike], price: float = 0.0) -> Shrinkage:
        """Fit, the spread by restricted maximum likelihood, which may well say: none.

        Args:
            records: All trials, also those that were stopped early.
            values: [complete trials, dev examples]: what every example adds to the score; they show how large the
                noise is.
            price: Log-likelihood that a spread above none has to earn.
        """
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
            likelihoods = [_likelihood(own, variance + s * s) for s in _SPREADS]
            likelihoods[0] += price
            spread = float(_SPREADS[int(np.argmax(likelihoods))]) ** 2
            mean = np.average(own, weights=1 / (variance + spread))
            effect = mean + spread / (spread + variance) * (own - mean)
        level = float(np.average(blocks, weights=sizes))
        return cls(dict(zip(numbers, effect.tolist(), strict=True)), level, spread, noise)

    def lead(self, gap: float, examples: int) -> Lead:
        """The lead of one of two prompts whose scores on the same `examples` differ by `gap`."""
        variance = self.noise / examples
        kept = self.spread / (self.spread + variance)
        return Lead(kept * gap, math.sqrt(2 * kept * variance))


def corrected(records: Sequence[TrialRecord], number: int, values: Sequence[ArrayLike]) -> float:
    """What the prompt of trial `number`, the best of many, is expected to score on examples like those of dev.

    By `Shrinkage` (arguments as there), where differences between prompts have to earn Akaike's price of a parameter
    (1974): among prompts that are all equally good the score is then nearly unbiased.
    """
    shrunk = Shrinkage.of(records, values, price=1.0)
    return shrunk.level + shrunk.effects[number]


def _noise(values: Sequence[ArrayLike]) -> float:
    """Variance of what an example adds to a score beyond prompt and example: the residual of the two-way table."""
    table = np.asarray(values, dtype=float)
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    prompts, examples = table.shape
    residual = float((rest**2).sum() / max(1, (prompts - 1) * (examples - 1)))
    return max(residual, 1.0 / float(examples) ** 2)


def _likelihood(scores: Floats, variance: Floats) -> float:
    """Restricted log-likelihood of scores around one mean, up to a constant."""
    rest = scores - np.average(scores, weights=1 / variance)
    return float(-(np.log(variance) + rest**2 / variance).sum() - np.log((1 / variance).sum())) / 2
