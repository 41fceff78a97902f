"""The dev score of a prompt that was chosen for its dev score, without the luck in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprompt_search.core.types import TrialRecord
from autoprompt_search.studies.additive import Board, Floats

_SPREADS = np.array([0.0, *np.geomspace(0.001, 0.3, 60)])
"""Standard deviations between prompts that are weighed against each other."""
_SWEEPS = 20


def corrected(records: Sequence[TrialRecord], number: int, values: Sequence[Sequence[float]]) -> float:
    """What the prompt of trial `number` is expected to score on examples like those of dev.

    The best of many noisy scores is too high; how much depends on how far prompts differ at all, and that all trials
    together show, also those that were stopped early. So its score, adjusted for the examples it has seen, is drawn
    towards the mean of all by as much as noise explains of the differences: the posterior mean, which is not biased by
    choosing its maximum, nor by when trials were stopped, since both depend on nothing but the data that it is given
    (Efron 2011, J. Am. Stat. Assoc. 106:1602; Rubin 1976, Biometrika 63:581). How far prompts differ is estimated by
    restricted maximum likelihood, which may well say: not at all.

    Args:
        records: All trials.
        number: Of the trial.
        values: [complete trials, dev examples]: what every example adds to the score; they show how large the noise is.
    """
    measured = [r for r in records if r.measurements]
    board = Board(sorted({m.fidelity.examples for r in measured for m in r.measurements}))
    for record in measured:
        for measurement in record.measurements:
            board.add(record.number, record.kind, measurement)
    numbers, scores, weights = board.cells()
    seen, sizes = weights.sum(axis=1), weights.max(axis=0)
    variance = (_noise(values) if len(values) > 1 else board.fit().noise) / seen
    effect = np.zeros(len(numbers))
    for _ in range(_SWEEPS):
        blocks = (weights * (scores - effect[:, None])).sum(axis=0) / weights.sum(axis=0)
        own = (weights * (scores - blocks)).sum(axis=1) / seen
        likelihoods = [_likelihood(own, variance + s * s) for s in _SPREADS]
        likelihoods[0] += 1.0  # Akaike's price of a parameter (1974): differences have to earn it
        spread = float(_SPREADS[int(np.argmax(likelihoods))]) ** 2
        mean = np.average(own, weights=1 / (variance + spread))
        effect = mean + spread / (spread + variance) * (own - mean)
    level = np.average(blocks, weights=sizes)
    return float(level + effect[numbers.index(number)])


def _noise(values: Sequence[Sequence[float]]) -> float:
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
