"""Metrics of predicted label names, from counts alone.

They equal scikit-learn's (a test holds that) and are written out here because every worker needs them at its first
rung: scikit-learn takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autoprompt_search.core.answers import members
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric

_ONE_OR_SEVERAL = ("label", "labels")


def accuracy() -> Metric:
    """Share of right predictions, in [0, 1]."""
    return _Accuracy()


def subset_accuracy() -> Metric:
    """Share of texts of which all labels are right and none is missing, in [0, 1]."""
    return _Accuracy(("labels",))


def samples_f1() -> Metric:
    """Mean over texts of the F1 of their labels, in [0, 1]; 1 where a text has none and none was given."""
    return _SamplesF1()


def balanced_accuracy(labels: tuple[str, ...]) -> Metric:
    """Mean recall of the labels that occur among the targets, in [0, 1]."""
    return _CountMetric(labels, _balanced_accuracy)


def macro_f1(labels: tuple[str, ...]) -> Metric:
    """Mean F1 of the labels that occur among targets or predictions, in [0, 1].

    A label that occurs in neither says nothing about the predictions; with it a perfect
    prediction of a small rung would score below 1.
    """
    return _CountMetric(labels, _macro_f1, _ONE_OR_SEVERAL)


def macro_precision(labels: tuple[str, ...]) -> Metric:
    """Mean precision of the labels that occur among targets or predictions, in [0, 1]."""
    return _CountMetric(labels, _macro_precision, _ONE_OR_SEVERAL)


def macro_recall(labels: tuple[str, ...]) -> Metric:
    """Mean recall of the labels that occur among targets or predictions, in [0, 1].

    Differs from `balanced_accuracy` where a label is predicted that no target has: it counts as 0 here.
    """
    return _CountMetric(labels, _macro_recall, _ONE_OR_SEVERAL)


def micro_f1(labels: tuple[str, ...]) -> Metric:
    """F1 of all labels' counts together, in [0, 1]; accuracy, where every prediction is a label."""
    return _CountMetric(labels, _micro_f1, _ONE_OR_SEVERAL)


def micro_precision(labels: tuple[str, ...]) -> Metric:
    """Share of right ones among predictions that are labels, in [0, 1]; what could not be read counts for none."""
    return _CountMetric(labels, _micro_precision, _ONE_OR_SEVERAL)


def micro_recall(labels: tuple[str, ...]) -> Metric:
    """Share of targets that were predicted, in [0, 1]."""
    return _CountMetric(labels, _micro_recall, _ONE_OR_SEVERAL)


def weighted_f1(labels: tuple[str, ...]) -> Metric:
    """Mean F1 of the labels, each weighted by how many targets have it, in [0, 1]."""
    return _CountMetric(labels, _weighted_f1, _ONE_OR_SEVERAL)


def weighted_precision(labels: tuple[str, ...]) -> Metric:
    """Mean precision of the labels, each weighted by how many targets have it, in [0, 1]."""
    return _CountMetric(labels, _weighted_precision, _ONE_OR_SEVERAL)


def weighted_recall(labels: tuple[str, ...]) -> Metric:
    """Mean recall of the labels, each weighted by how many targets have it, in [0, 1]: the share of right answers."""
    return _CountMetric(labels, _weighted_recall, _ONE_OR_SEVERAL)


def mcc(labels: tuple[str, ...]) -> Metric:
    """Matthews correlation coefficient, in [-1, 1]; 0 where targets or predictions are all alike.

    Of several labels it is Gorodkin's R_K (2004, Comput. Biol. Chem. 28:367).
    """
    return _CountMetric(labels, _mcc)


@dataclass(frozen=True, slots=True)
class _Accuracy:
    """One statistic: 1 where the prediction is the target, 0 where not."""

    answers: tuple[str, ...] = ("label", "option")
    is_mean: bool = True

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        return (float(outcome.prediction == outcome.target),)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        scores: Doubles = sums[..., 0] / n
        return scores


@dataclass(frozen=True, slots=True)
class _SamplesF1:
    """One statistic: twice the labels in both over all labels of both."""

    answers: tuple[str, ...] = ("labels",)
    is_mean: bool = True

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        gold, said = {*members(outcome.target)}, {*members(outcome.prediction)}
        if outcome.unscored:
            return (0.0,)
        return (2 * len(gold & said) / (len(gold) + len(said)) if gold or said else 1.0,)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        scores: Doubles = sums[..., 0] / n
        return scores


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often each label was predicted, was the target, and was both; [..., labels] each."""

    right: Doubles
    predicted: Doubles
    gold: Doubles

    @property
    def precision(self) -> Doubles:
        return _ratio(self.right, self.predicted)

    @property
    def recall(self) -> Doubles:
        return _ratio(self.right, self.gold)

    @property
    def f1(self) -> Doubles:
        return _ratio(2 * self.right, self.predicted + self.gold)

    @property
    def occurs(self) -> Doubles:
        return self.predicted + self.gold


@dataclass(frozen=True)
class _CountMetric:
    """A metric that is a formula of `_Counts`, of one label per text or of several. A prediction that is none of the
    labels counts for no label."""

    labels: tuple[str, ...]
    formula: Callable[[_Counts, Doubles | int], Doubles]
    answers: tuple[str, ...] = ("label",)
    is_mean: bool = False

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: i for i, label in enumerate(self.labels)}

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        count, row = len(self.labels), [0.0] * (3 * len(self.labels))
        predicted, gold = self._places(outcome.prediction), self._places(outcome.target)
        for column in predicted:
            row[count + column] = 1.0
            row[column] = float(column in gold)
        for column in gold:
            row[2 * count + column] = 1.0
        return row

    def _places(self, answer: str) -> list[int]:
        """The columns of the label, or of the labels where a text may have several."""
        if answer in self._index:
            return [self._index[answer]]
        parts = members(answer) if "labels" in self.answers else ()
        return [self._index[part] for part in parts if part in self._index]

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        count = len(self.labels)
        counts = _Counts(sums[..., :count], sums[..., count : 2 * count], sums[..., 2 * count :])
        return self.formula(counts, n)


def _balanced_accuracy(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _mean(counts.recall, counts.gold)


def _macro_f1(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _mean(counts.f1, counts.occurs)


def _macro_precision(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _mean(counts.precision, counts.occurs)


def _macro_recall(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _mean(counts.recall, counts.occurs)


def _micro_f1(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio(2 * counts.right.sum(axis=-1), (counts.predicted + counts.gold).sum(axis=-1))


def _micro_precision(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio(counts.right.sum(axis=-1), counts.predicted.sum(axis=-1))


def _micro_recall(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio(counts.right.sum(axis=-1), counts.gold.sum(axis=-1))


def _weighted_f1(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio((counts.f1 * counts.gold).sum(axis=-1), counts.gold.sum(axis=-1))


def _weighted_precision(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio((counts.precision * counts.gold).sum(axis=-1), counts.gold.sum(axis=-1))


def _weighted_recall(counts: _Counts, n: Doubles | int) -> Doubles:  # noqa: ARG001
    return _ratio((counts.recall * counts.gold).sum(axis=-1), counts.gold.sum(axis=-1))


def _mcc(counts: _Counts, n: Doubles | int) -> Doubles:
    right = counts.right.sum(axis=-1)
    together = right * n - (counts.predicted * counts.gold).sum(axis=-1)
    predicted, gold = n * n - (counts.predicted**2).sum(axis=-1), n * n - (counts.gold**2).sum(axis=-1)
    return _ratio(together, np.sqrt(predicted * gold))


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    """Elementwise, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def _mean(values: Doubles, occurrences: Doubles) -> Doubles:
    """Over the labels that occur. Added up in label order, so that it does not depend on how many sets there are."""
    total = np.add.accumulate(np.where(occurrences > 0, values, 0.0), axis=-1)[..., -1]
    return _ratio(total, (occurrences > 0).sum(axis=-1).astype(np.float64))
