"""Metrics of predicted label names, from counts alone.

They equal scikit-learn's (a test holds that) and are written out here because a bootstrap calls them thousands
of times and every worker at its first rung: scikit-learn takes 1 to 4 ms a call and seconds to import.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Labels = Sequence[str]


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often a label was meant, said, and both."""

    right: int
    said: int
    meant: int

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.meant if self.meant else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.said + self.meant) if self.said + self.meant else 0.0


def accuracy(targets: Labels, predictions: Labels, labels: Labels) -> float:  # noqa: ARG001
    """Share of right predictions, in [0, 1]."""
    return sum(map(str.__eq__, targets, predictions)) / len(targets)


def balanced_accuracy(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean recall of the labels that occur among the targets, in [0, 1]."""
    return _mean([c.recall for c in _counts(targets, predictions, labels) if c.meant])


def macro_f1(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean F1 of the labels that occur among targets or predictions, in [0, 1].

    A label that occurs in neither says nothing about the predictions; with it a perfect
    prediction of a small rung would score below 1.
    """
    return _mean([c.f1 for c in _counts(targets, predictions, labels) if c.meant or c.said])


def macro_precision(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean precision of the labels that occur among targets or predictions, in [0, 1]."""
    return _mean([c.precision for c in _counts(targets, predictions, labels) if c.meant or c.said])


def macro_recall(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean recall of the labels that occur among targets or predictions, in [0, 1].

    Differs from `balanced_accuracy` where a label is predicted that no target has: it counts as 0 here.
    """
    return _mean([c.recall for c in _counts(targets, predictions, labels) if c.meant or c.said])


def mcc(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Matthews correlation coefficient, in [-1, 1]; 0 where targets or predictions are all alike.

    Of several labels it is Gorodkin's R_K (2004, Comput. Biol. Chem. 28:367).
    """
    counts, n = _counts(targets, predictions, labels), len(targets)
    right = sum(c.right for c in counts)
    together = right * n - sum(c.said * c.meant for c in counts)
    said, meant = n * n - sum(c.said**2 for c in counts), n * n - sum(c.meant**2 for c in counts)
    return together / math.sqrt(said * meant) if said and meant else 0.0


def per_class(targets: Labels, predictions: Labels, labels: Labels) -> dict[str, dict[str, float]]:
    """Label -> `precision`, `recall`, `f1` and `support` (number of targets), for every label; 0 where undefined."""
    return {
        label: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "support": float(c.meant)}
        for label, c in zip(labels, _counts(targets, predictions, labels), strict=True)
    }


def confusion(targets: Labels, predictions: Labels, labels: Labels) -> tuple[tuple[int, ...], ...]:
    """Counts [target, prediction], both in the order of `labels`."""
    pairs = Counter(zip(targets, predictions, strict=True))
    return tuple(tuple(pairs[target, prediction] for prediction in labels) for target in labels)


def _counts(targets: Labels, predictions: Labels, labels: Labels) -> list[_Counts]:
    meant, said = Counter(targets), Counter(predictions)
    right = Counter(target for target, prediction in zip(targets, predictions, strict=True) if target == prediction)
    return [_Counts(right[label], said[label], meant[label]) for label in labels]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
