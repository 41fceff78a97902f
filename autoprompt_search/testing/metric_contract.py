"""What every metric must keep. Subclass `MetricContract` in a test file and say which is yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.testing.factories import label_outcomes

LABELS = ("bad", "fair", "good")
_ROUNDING = 1e-9


class MetricContract:
    """The contract of `Metric`, as tests that pytest collects in a subclass named `Test...`.

    The samples are predicted labels. A metric of other answers overrides `samples`, `perfect` and `flawed`.
    """

    low: float = 0.0
    """The least possible value; the greatest is 1."""

    @abstractmethod
    def make(self, labels: tuple[str, ...]) -> Metric:
        """The metric under test, for a task with these labels."""

    def samples(self) -> Iterator[Sequence[Outcome]]:
        """Answers from careless to perfect, on one to sixty examples, also with labels that never occur."""
        for number in (1, 2, 7, 60):
            for skill in (0.0, 0.3, 0.8, 1.0):
                for used in (LABELS, LABELS[:2], LABELS[:1]):
                    rng = derive_rng("answers", number, skill, len(used))
                    targets = [rng.choice(used) for _ in range(number)]
                    yield label_outcomes(targets, [t if rng.random() < skill else rng.choice(LABELS) for t in targets])

    def perfect(self) -> Iterator[Sequence[Outcome]]:
        """Answers that score 1."""
        for targets in (["bad", "good"], ["bad", "fair", "good", "fair"], ["good", "bad"] * 20):
            yield label_outcomes(targets, targets)

    def flawed(self) -> Sequence[Outcome]:
        """Answers that score less than 1."""
        return label_outcomes(["bad", "fair", "good"], ["bad", "fair", "fair"])

    def test_it_says_which_answers_it_judges(self) -> None:
        """The kinds are those that the engine knows."""
        answers = self.make(LABELS).answers
        assert answers
        assert set(answers) <= {"label", "labels", "option", "text", "program", "ranking"}

    def test_properties_are_known_without_labels(self) -> None:
        """Configurations are checked before the data are read."""
        assert self.make(()).is_mean == self.make(LABELS).is_mean

    def test_scores_are_in_range(self) -> None:
        """Any answers have a score, without warnings."""
        metric = self.make(LABELS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for outcomes in self.samples():
                score = Scorecard.of(outcomes, metric).score
                assert self.low - _ROUNDING <= score <= 1 + _ROUNDING, f"{score} is out of range"

    def test_every_example_has_as_many_statistics(self) -> None:
        """A row of finite numbers, as long for each example."""
        metric = self.make(LABELS)
        rows = [list(metric.statistics(o)) for outcomes in self.samples() for o in outcomes]
        assert len({len(row) for row in rows}) == 1
        assert all(math.isfinite(value) for row in rows for value in row)

    def test_statistics_add(self) -> None:
        """Examples may be summed in parts, and each example may be left out by subtraction."""
        metric = self.make(LABELS)
        for outcomes in self.samples():
            card = Scorecard.of(outcomes, metric)
            half = len(card) // 2
            parts = card.values[:half].sum(axis=0) + card.values[half:].sum(axis=0)
            assert float(metric.score(parts, len(card))) == pytest.approx(card.score, abs=_ROUNDING)
            for index in range(min(len(card), 5) if len(card) > 1 else 0):
                rest = card.part([i for i in range(len(card)) if i != index])
                without = metric.score(card.values.sum(axis=0) - card.values[index], len(card) - 1)
                assert float(without) == pytest.approx(rest.score, abs=_ROUNDING)

    def test_many_sums_are_scored_like_one(self) -> None:
        """Scores of an array of sums are those of its rows, whatever its shape."""
        metric = self.make(LABELS)
        for outcomes in self.samples():
            sums = np.cumsum(Scorecard.of(outcomes, metric).values, axis=0)
            n = np.arange(1.0, len(outcomes) + 1)
            scores = metric.score(sums, n)
            assert scores.shape == n.shape
            for row, count, score in zip(sums, n, scores, strict=True):
                assert float(metric.score(row, int(count))) == score
            assert np.array_equal(metric.score(np.stack([sums, sums]), np.stack([n, n])), np.stack([scores, scores]))

    def test_a_mean_is_the_mean_of_its_first_statistic(self) -> None:
        """Only then do tests of means apply; its values lie in [0, 1]."""
        metric = self.make(LABELS)
        if not metric.is_mean:
            pytest.skip("this metric is no mean of examples, and promises nothing about its first statistic")
        for outcomes in self.samples():
            card = Scorecard.of(outcomes, metric)
            assert card.score == pytest.approx(card.values[:, 0].mean(), abs=_ROUNDING)
            assert ((card.values[:, 0] >= 0) & (card.values[:, 0] <= 1)).all()

    def test_perfect_answers_score_one(self) -> None:
        """Nothing is better."""
        for outcomes in self.perfect():
            assert Scorecard.of(outcomes, self.make(LABELS)).score == pytest.approx(1.0, abs=_ROUNDING)

    def test_wrong_answers_score_less(self) -> None:
        """One mistake costs something."""
        assert Scorecard.of(self.flawed(), self.make(LABELS)).score < 1 - _ROUNDING

    def test_order_of_examples_does_not_matter(self) -> None:
        """A score belongs to a set of answers."""
        metric = self.make(LABELS)
        for outcomes in self.samples():
            backwards = Scorecard.of(outcomes[::-1], metric).score
            assert Scorecard.of(outcomes, metric).score == pytest.approx(backwards, abs=_ROUNDING)

    def test_names_and_order_of_labels_do_not_matter(self) -> None:
        """Permuting the labels everywhere changes no score."""
        metric = self.make(LABELS)
        if "label" not in metric.answers:
            pytest.skip("this metric judges no labels, so there are none to rename")
        other = dict(zip(LABELS, ("good", "bad", "fair"), strict=True))
        for outcomes in MetricContract.samples(self):
            score = Scorecard.of(outcomes, metric).score
            renamed = Scorecard.of(_renamed(outcomes, other), metric).score
            assert renamed == pytest.approx(score, abs=_ROUNDING), "renaming the labels changed the score"
            turned = Scorecard.of(outcomes, self.make(LABELS[::-1])).score
            assert turned == pytest.approx(score, abs=_ROUNDING), "the order of labels changed the score"


def _renamed(outcomes: Sequence[Outcome], other: Mapping[str, str]) -> Sequence[Outcome]:
    return label_outcomes([other[o.target] for o in outcomes], [other[o.prediction] for o in outcomes])
