"""Scores on sets of examples, with their errors, intervals and paired differences.

Everything is computed from a `Scorecard`: the statistics of every example, and the metric that scores their sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.rng import derive_seed

RESAMPLES = 2000
"""Bootstrap resamples: the 2.5 % tail then rests on 50 of them."""
JACKKNIFE_BLOCKS = 20
_CELLS = 2_000_000
"""Resamples times examples that are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with a confidence interval."""

    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Score of one prompt minus another's, on the same examples."""

    score: float
    low: float
    high: float
    p: float
    """Two-sided p-value of the hypothesis that there is no difference."""
    method: str
    """How interval and p were made."""


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """What a metric counts on each of some examples: enough to score any part or resample of them."""

    values: Doubles
    """[examples, k]: `Metric.statistics` of every example; one example at least."""
    metric: Metric

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], metric: Metric) -> Self:
        """The statistics of these outcomes, in their order."""
        return cls(np.array([metric.statistics(o) for o in outcomes], dtype=np.float64), metric)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def score(self) -> float:
        """The metric of all examples together."""
        return float(self.metric.score(self.values.sum(axis=0), len(self)))

    @property
    def is_share(self) -> bool:
        """Whether the score is the share of examples with value 1 among values 0 and 1: tests of proportions apply."""
        return self.metric.is_mean and bool(np.isin(self.values[:, 0], (0.0, 1.0)).all())

    def part(self, rows: Sequence[int]) -> Self:
        """The examples at `rows`."""
        return type(self)(self.values[list(rows)], self.metric)


def stderr(card: Scorecard) -> float:
    """Standard error of a score: exact for a mean, delete-block jackknife (Efron 1982) otherwise."""
    n = len(card)
    if n < 2:
        return 0.0
    if card.is_share:
        return math.sqrt(card.score * (1 - card.score) / (n - 1))
    if card.metric.is_mean:
        return float(card.values[:, 0].std(ddof=1) / math.sqrt(n))
    blocks = np.array_split(np.arange(n), min(n, JACKKNIFE_BLOCKS))
    sums = np.add.reduceat(card.values, [block[0] for block in blocks], axis=0)
    left = np.array([n - len(block) for block in blocks], dtype=np.float64)
    values, g = card.metric.score(card.values.sum(axis=0) - sums, left), len(blocks)
    return float(np.sqrt((g - 1) / g * np.sum((values - values.mean()) ** 2)))


def interval(card: Scorecard, *, confidence: float = 0.95) -> Interval:
    """Wilson's interval (1927) for a share of right answers, percentile bootstrap for any other score."""
    if card.is_share:
        from scipy.stats import binomtest

        hits = int(card.values[:, 0].sum())
        wilson = binomtest(hits, len(card)).proportion_ci(confidence, method="wilson")
        return Interval(card.score, float(wilson.low), float(wilson.high))
    (values,) = bootstrap(card)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(card.score, float(low), float(high))


def paired_difference(ours: Scorecard, theirs: Scorecard, *, confidence: float = 0.95) -> Difference:
    """Difference of two prompts on the same examples.

    Shares of right answers: exact McNemar test on the examples they disagree about, and Bonett and Price's (2012)
    adjusted Wald interval for paired proportions. Other scores: paired percentile bootstrap.
    """
    if ours.is_share and theirs.is_share:
        return _paired_shares(ours, theirs, confidence)
    mine, other = bootstrap(ours, theirs)
    values = mine - other
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(np.mean(values <= 0), np.mean(values >= 0))
    p = min(1.0, 2 * (float(tail) * RESAMPLES + 1) / (RESAMPLES + 1))
    return Difference(ours.score - theirs.score, float(low), float(high), p, "paired bootstrap")


def _paired_shares(ours: Scorecard, theirs: Scorecard, confidence: float) -> Difference:
    from scipy.stats import binomtest, norm

    n = len(ours)
    gained = int((ours.values[:, 0] > theirs.values[:, 0]).sum())
    lost = int((ours.values[:, 0] < theirs.values[:, 0]).sum())
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    return Difference((gained - lost) / n, low, high, p, "exact McNemar, Bonett-Price interval")


def contributions(card: Scorecard) -> Doubles:
    """What every example adds to a score: values whose mean is the score and that can be compared in pairs.

    For a mean they are the examples' own values. For any other metric they are the jackknife's pseudo-values
    (Tukey 1958; Efron 1982, chapter 3), whose mean differs from the score by the jackknife's bias alone.
    """
    n = len(card)
    if card.metric.is_mean:
        return card.values[:, 0].copy()
    if n < 2:
        return np.full(n, card.score)
    without = card.metric.score(card.values.sum(axis=0) - card.values, n - 1)
    parts: Doubles = n * card.score - (n - 1) * without
    return parts


def paired_stderr(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Standard error of the mean difference of two prompts' `contributions` on the same examples."""
    gaps = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    return float(gaps.std(ddof=1) / math.sqrt(len(gaps))) if len(gaps) > 1 else 0.0


def bootstrap(*cards: Scorecard, cells: int = _CELLS) -> list[Doubles]:
    """Scores of each card on the same `RESAMPLES` resamples of its examples, drawn with a seed that depends on n alone.

    Resamples are taken in blocks of at most `cells` counts, so that memory stays bounded.
    """
    n = len(cards[0])
    rng = np.random.default_rng(derive_seed("bootstrap", n))
    block = max(1, cells // n)
    scores: list[list[Doubles]] = [[] for _ in cards]
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        rows = rng.integers(0, n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(rows.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        for resampled, card in zip(scores, cards, strict=True):
            resampled.append(card.metric.score(counts @ card.values, n))
    return [np.concatenate(resampled) for resampled in scores]
