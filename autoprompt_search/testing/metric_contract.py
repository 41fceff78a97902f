"""What every metric must keep. Subclass `MetricContract` in a test file and say which is yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator

from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.rng import derive_rng

LABELS = ("bad", "fair", "good")
_ROUNDING = 1e-9

Answers = tuple[list[str], list[str]]
"""Pairs of targets and predictions."""


def sample_answers() -> Iterator[Answers]:
    """Answers of raters from careless to perfect, on one to sixty examples, also with labels that never occur."""
    for number in (1, 2, 7, 60):
        for skill in (0.0, 0.3, 0.8, 1.0):
            for used in (LABELS, LABELS[:2], LABELS[:1]):
                rng = derive_rng("answers", number, skill, len(used))
                targets = [rng.choice(used) for _ in range(number)]
                yield targets, [t if rng.random() < skill else rng.choice(LABELS) for t in targets]


class MetricContract:
    """The contract of `Metric`, as tests that pytest collects in a subclass named `Test...`."""

    low: float = 0.0
    """The least possible value; the greatest is 1."""

    @abstractmethod
    def make(self) -> Metric:
        """The metric under test."""

    def test_values_are_plain_floats_in_range(self) -> None:
        """The value is a plain float in range for any answers, without warnings, also where a label never occurs."""
        metric = self.make()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for targets, predictions in sample_answers():
                value = metric(targets, predictions, LABELS)
                assert type(value) is float, f"{value!r} is no float"
                assert self.low - _ROUNDING <= value <= 1 + _ROUNDING, f"{value} is out of range"

    def test_perfect_answers_score_one(self) -> None:
        """Perfect answers score one where at least two labels occur."""
        metric = self.make()
        for targets in (["bad", "good"], ["bad", "fair", "good", "fair"], ["good", "bad"] * 20):
            assert math.isclose(metric(targets, list(targets), LABELS), 1.0, abs_tol=_ROUNDING)

    def test_wrong_answers_score_less(self) -> None:
        """A single mistake lowers the score."""
        metric = self.make()
        assert metric(["bad", "fair", "good"], ["bad", "fair", "fair"], LABELS) < 1 - _ROUNDING

    def test_order_of_examples_does_not_matter(self) -> None:
        """A score belongs to a set of answers."""
        metric = self.make()
        for targets, predictions in sample_answers():
            backwards = metric(targets[::-1], predictions[::-1], LABELS)
            assert math.isclose(metric(targets, predictions, LABELS), backwards, abs_tol=_ROUNDING)

    def test_names_and_order_of_labels_do_not_matter(self) -> None:
        """Permuting the labels everywhere permutes nothing in the score."""
        metric = self.make()
        other = dict(zip(LABELS, ("good", "bad", "fair"), strict=True))
        for targets, predictions in sample_answers():
            value = metric(targets, predictions, LABELS)
            renamed = metric([other[t] for t in targets], [other[p] for p in predictions], LABELS)
            assert math.isclose(value, renamed, abs_tol=_ROUNDING), "renaming the labels changed the score"
            turned = metric(targets, predictions, LABELS[::-1])
            assert math.isclose(value, turned, abs_tol=_ROUNDING), "the order of labels changed the score"
