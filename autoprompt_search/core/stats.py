"""Intervals and tests for one score and for two scores on the same examples. Plain numbers in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autoprompt_search.core.rng import derive_seed

RESAMPLES = 2000
"""Bootstrap resamples: the 2.5 % tail then rests on 50 of them."""

LabelMetric = Callable[[Sequence[str], Sequence[str], Sequence[str]], float]


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
    """Two-sided, of no difference."""
    method: str
    """How interval and p were made."""


def metric_stderr(
    metric: LabelMetric, targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]
) -> float:
    """Standard error of a metric: exact for accuracy, delete-block jackknife (Efron 1982) otherwise."""
    n = len(targets)
    if n < 2:
        return 0.0
    if is_mean(metric):
        rate = sum(t == p for t, p in zip(targets, predictions, strict=True)) / n
        return math.sqrt(rate * (1 - rate) / (n - 1))
    blocks = np.array_split(np.arange(n), min(n, 20))
    left = []
    for block in blocks:
        out = set(block.tolist())
        rest = [i for i in range(n) if i not in out]
        left.append(metric([targets[i] for i in rest], [predictions[i] for i in rest], labels))
    values = np.asarray(left)
    g = len(values)
    return float(np.sqrt((g - 1) / g * np.sum((values - values.mean()) ** 2)))


def interval(
    metric: LabelMetric,
    targets: Sequence[str],
    predictions: Sequence[str],
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Interval:
    """Wilson's interval for accuracy (Wilson 1927), percentile bootstrap for any other metric."""
    score = metric(targets, predictions, labels)
    if is_mean(metric):
        from scipy.stats import binomtest

        hits = sum(t == p for t, p in zip(targets, predictions, strict=True))
        found = binomtest(hits, len(targets)).proportion_ci(confidence, method="wilson")
        return Interval(score, float(found.low), float(found.high))
    values = [
        metric([targets[i] for i in rows], [predictions[i] for i in rows], labels) for rows in _resamples(len(targets))
    ]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(score, float(low), float(high))


def paired_difference(
    metric: LabelMetric,
    targets: Sequence[str],
    ours: Sequence[str],
    theirs: Sequence[str],
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two prompts on the same examples.

    Accuracy: exact McNemar test on the examples they disagree about, and Bonett and Price's (2012)
    adjusted Wald interval for paired proportions. Other metrics: paired percentile bootstrap.
    """
    if is_mean(metric):
        return _paired_accuracy(targets, ours, theirs, confidence)
    score = metric(targets, ours, labels) - metric(targets, theirs, labels)
    values = []
    for rows in _resamples(len(targets)):
        gold = [targets[i] for i in rows]
        mine = metric(gold, [ours[i] for i in rows], labels)
        values.append(mine - metric(gold, [theirs[i] for i in rows], labels))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(np.mean(np.asarray(values) <= 0), np.mean(np.asarray(values) >= 0))
    p = min(1.0, 2 * (float(tail) * RESAMPLES + 1) / (RESAMPLES + 1))
    return Difference(score, float(low), float(high), p, "paired bootstrap")


def _paired_accuracy(
    targets: Sequence[str], ours: Sequence[str], theirs: Sequence[str], confidence: float
) -> Difference:
    from scipy.stats import binomtest, norm

    n = len(targets)
    pairs = list(zip(targets, ours, theirs, strict=True))
    gained = sum(a == t and b != t for t, a, b in pairs)
    lost = sum(a != t and b == t for t, a, b in pairs)
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    return Difference((gained - lost) / n, low, high, p, "exact McNemar, Bonett-Price interval")


def contributions(
    metric: LabelMetric, targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]
) -> list[float]:
    """What every example adds to a score: values whose mean is the score and that can be compared in pairs.

    Of accuracy 1.0 where the answer is right and 0.0 where not. Of any other metric the jackknife's pseudo-values
    (Tukey 1958; Efron 1982, chapter 3), whose mean differs from the score by the jackknife's bias alone.
    """
    if is_mean(metric):
        return [float(t == p) for t, p in zip(targets, predictions, strict=True)]
    n, whole = len(targets), metric(targets, predictions, labels)
    if n < 2:
        return [whole] * n
    pairs = list(zip(targets, predictions, strict=True))
    without = {}
    for place, pair in enumerate(pairs):
        if pair not in without:  # a metric of labels is the same whichever of equal examples is left out
            rest = pairs[:place] + pairs[place + 1 :]
            without[pair] = metric([t for t, _ in rest], [p for _, p in rest], labels)
    return [n * whole - (n - 1) * without[pair] for pair in pairs]


def paired_stderr(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Standard error of the mean difference of two prompts' `contributions` on the same examples."""
    if len(ours) < 2:
        return 0.0
    gaps = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    return float(gaps.std(ddof=1) / math.sqrt(len(gaps)))


def is_mean(metric: LabelMetric) -> bool:
    """Whether the metric is the share of right answers, which is a mean over examples."""
    return getattr(metric, "__name__", "") == "accuracy"


def _resamples(n: int) -> list[list[int]]:
    rng = np.random.default_rng(derive_seed("bootstrap", n))
    rows: list[list[int]] = rng.integers(0, n, size=(RESAMPLES, n)).tolist()
    return rows
