"""Scores at unequal rungs on one scale: what a prompt would score on all of dev, whatever it has seen so far.

A score is what the prompt adds plus what the examples add: score(prompt, example) = prompt + example + noise. A prompt
that was measured on easy examples is not better for it, and one with a lucky start is drawn towards the others of its
kind by as much as its noise deserves (empirical Bayes; Robbins 1956, Efron and Morris 1973). A metric that is no mean
over examples is taken for one: what a rung adds to it is by how much it moved it, right to first order, which is good
enough to learn from and nothing to decide by. Knows no study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.measurements import Measurement

Floats = NDArray[np.float64]
PAIRING = 3.4
"""How many times smaller the variance of two prompts' difference is on the same examples than on different ones, as
measured on published runs. It is assumed until there are data, with the weight of `_NOISE_WEIGHT` blocks."""
_NOISE_WEIGHT = 4.0
_SPREAD, _SPREAD_WEIGHT = 0.02, 2.0
"""Standard deviation of prompts that is assumed, with the weight of so many prompts."""
_SWEEPS, _SETTLED = 60, 0.01
"""Most sweeps of the fit, and the relative change of its variances that ends it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of one trial."""

    score: float
    """Expected on all of dev: drawn towards the others of its kind by as much as its noise deserves."""
    seen: float
    """What it scored, as if it had been measured on examples of average difficulty; not drawn towards anything."""
    stderr: float
    """Standard error of `seen`."""


@dataclass(frozen=True, slots=True)
class ScoreFit:
    """What is believed of every trial of a `ScoreModel`."""

    numbers: tuple[int, ...]
    kinds: tuple[str, ...]
    examples: Floats
    """Dev examples that each trial has seen."""
    score: Floats
    """Expected on all of dev; the observed score where all of it was seen."""
    seen: Floats
    """See `Estimate.seen`."""
    effect_variance: Floats
    """Variance of the prompt's own part."""
    noise: float
    """Variance of what one example adds beyond prompt and example."""
    spread: float
    """Variance between prompts."""
    total: int
    """Examples of dev."""

    @property
    def variance(self) -> Floats:
        """Variance of `score`."""
        return self.variance_after(self.examples)

    def variance_after(self, examples: Floats | float) -> Floats:
        """What `variance` would be of a trial that had seen so many examples in all."""
        own = 1.0 / (examples / self.noise + 1.0 / self.spread)
        left = self.total - examples
        return np.asarray((left / self.total) ** 2 * own + left / self.total**2 * self.noise)


class ScoreModel:
    """Scores of all trials at the rungs that they reached.

    Args:
        rungs: Dev examples per rung; the last is all of dev.
    """

    def __init__(self, rungs: Sequence[int]) -> None:
        self._rungs = tuple(rungs)
        self._rows: dict[int, _Row] = {}
        self._fit: ScoreFit | None = None
        """The last fit, until another rung is entered."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Dev examples per rung."""
        return self._rungs

    def kind(self, number: int) -> str:
        """Kind of a trial that was entered."""
        return self._rows[number].kind

    def add(self, number: int, kind: str, measurement: Measurement) -> bool:
        """Enter a trial on a rung; False where it was entered before, which changes nothing."""
        if number not in self._rows:
            self._rows[number] = _Row(kind, np.zeros(len(self._rungs)), np.zeros(len(self._rungs)))
        if measurement.fidelity.examples in self._rows[number].scores:
            return False
        self._rows[number].add(measurement, self._rungs)
        self._fit = None
        return True

    def reached(self, number: int) -> int:
        """Examples of the highest rung of a trial; 0 where it was not entered."""
        return self._rows[number].reached if number in self._rows else 0

    def table(self) -> tuple[list[int], Floats, Floats]:
        """Trials; [trials, rungs] mean score between a rung and the one below, and examples there (0: not seen)."""
        numbers = sorted(self._rows)
        rows = [self._rows[n] for n in numbers]
        return numbers, np.array([r.values for r in rows]), np.array([r.weights for r in rows])

    def estimates(self) -> dict[int, Estimate]:
        """The estimate of every trial."""
        if not self._rows:
            return {}
        fit = self.fit()
        columns = fit.score.tolist(), fit.seen.tolist(), np.sqrt(fit.noise / fit.examples).tolist()
        return {number: Estimate(*row) for number, *row in zip(fit.numbers, *columns, strict=True)}

    def fit(self) -> ScoreFit:
        """What the model believes of every trial; at least one must have been entered."""
        if self._fit is None:
            self._fit = self._fitted()
        return self._fit

    def _fitted(self) -> ScoreFit:
        """Fit by alternating between examples and prompts until both agree, and between them and the two variances."""
        numbers, values, weights = self.table()
        rows = [self._rows[n] for n in numbers]
        is_whole = np.array([r.is_whole for r in rows])
        kinds = tuple(r.kind for r in rows)
        member = np.array([[kind == other for other in sorted(set(kinds))] for kind in kinds], dtype=float)
        plain = weights * ~is_whole[:, None]
        seen, per_block = weights.sum(axis=1), np.maximum(plain.sum(axis=0), 1e-9)
        df = max(0.0, float((plain > 0).sum() - (plain.sum(axis=0) > 0).sum()))
        guess = self._noise()
        noise, spread = guess, _SPREAD**2
        effect, average = np.zeros(len(numbers)), np.zeros(len(numbers))
        for _ in range(_SWEEPS):
            before = noise, spread
            blocks = (plain * (values - effect[:, None])).sum(axis=0) / per_block
            rest = (weights * (values - blocks)).sum(axis=1)
            own = 1.0 / (seen / noise + 1.0 / spread)
            effect = own * (rest / noise + average / spread)
            average = member @ ((member.T @ effect) / member.sum(axis=0))
            spread = (((effect - average) ** 2 + own).sum() + _SPREAD_WEIGHT * _SPREAD**2) / (
                len(numbers) + _SPREAD_WEIGHT
            )
            misses = plain * (values - blocks - effect[:, None]) ** 2 + plain * own[:, None]
            noise = (misses.sum() + _NOISE_WEIGHT * guess) / (df + _NOISE_WEIGHT)
            if max(abs(noise / before[0] - 1), abs(spread / before[1] - 1)) < _SETTLED:
                break
        sizes, total = np.diff([0, *self._rungs]), self._rungs[-1]
        known = plain.sum(axis=0) > 0
        blocks = np.where(known, blocks, np.average(blocks[known], weights=sizes[known]) if known.any() else 0.0)
        ahead = ((sizes * (weights == 0)) * (blocks + effect[:, None])).sum(axis=1)
        return ScoreFit(
            numbers=tuple(numbers),
            kinds=kinds,
            examples=seen,
            score=((weights * values).sum(axis=1) + ahead) / total,
            seen=np.average(blocks, weights=sizes) + (weights * (values - blocks)).sum(axis=1) / seen,
            effect_variance=own,
            noise=float(noise),
            spread=float(spread),
            total=total,
        )

    def _noise(self) -> float:
        """Per example, from the standard errors of the scores: what differences of pairs leave of their variance."""
        last = [(row.last.stderr, row.reached) for row in self._rows.values()]
        single = sum((stderr * examples) ** 2 for stderr, examples in last) / sum(examples for _, examples in last)
        return max(single, 1.0 / self._rungs[-1]) / PAIRING


@dataclass(frozen=True, slots=True)
class _Rung:
    """What is kept of a measurement; its outcomes are not."""

    score: float
    stderr: float
    prompt: str


@dataclass(slots=True)
class _Row:
    """The scores of one trial."""

    kind: str
    values: Floats
    """[rungs]: mean score between a rung and the one below."""
    weights: Floats
    """[rungs]: examples there; 0 where it has not been."""
    scores: dict[int, _Rung] = field(default_factory=dict)
    """Examples -> measurement."""
    reached: int = 0
    """Examples of the highest rung."""
    is_whole: bool = False
    """Known as a whole only: it was another prompt on lower rungs, as soft prompts are, which are trained on the way
    up. Its last score then stands for all examples that it was made on."""

    @property
    def last(self) -> _Rung:
        return self.scores[self.reached]

    def add(self, measurement: Measurement, rungs: Sequence[int]) -> None:
        """Enter a rung, and bring values and weights up to date."""
        self.is_whole |= bool(self.scores) and measurement.prompt != self.last.prompt
        self.scores[measurement.fidelity.examples] = _Rung(measurement.score, measurement.stderr, measurement.prompt)
        self.reached = max(self.scores)
        before, points = 0, 0.0
        for index, rung in enumerate(rungs):
            if rung > self.reached or (rung not in self.scores and not self.is_whole):
                continue
            here = rung * (self.last.score if self.is_whole else self.scores[rung].score)
            self.values[index], self.weights[index] = (here - points) / (rung - before), rung - before
            before, points = rung, here
