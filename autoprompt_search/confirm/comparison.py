"""Measurements compared by the search's own metric, and the verdict that follows. Knows no trials."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.scores import (
    Difference,
    Interval,
    Scorecard,
    contributions,
    interval,
    paired_difference,
)
from autoprompt_search.evaluate import losses


class Verdict(StrEnum):
    """What the test split says of the chosen prompt against the baseline."""

    PROMOTE = "promote"
    """Better: the whole interval of the difference lies above zero."""
    TIE = "tie"
    """The interval holds zero: no difference was shown."""
    REJECT = "reject"
    """Worse: the whole interval lies below zero."""


def judge(difference: Difference) -> Verdict:
    """The verdict that the interval of the difference gives."""
    if difference.low > 0:
        return Verdict.PROMOTE
    return Verdict.REJECT if difference.high < 0 else Verdict.TIE


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """How this search compares measurements, which hold their outcomes."""

    metric: Metric
    labels: tuple[str, ...]
    confidence: float
    further: Mapping[str, Metric] = field(default_factory=dict)
    """Metrics that are reported beside it, by name."""

    def card(self, measurement: Measurement) -> Scorecard:
        """The statistics of every example."""
        return Scorecard.of(measurement.outcomes, self.metric)

    def interval(self, measurement: Measurement) -> Interval:
        """The score with its interval."""
        return interval(self.card(measurement), confidence=self.confidence)

    def further_intervals(self, measurement: Measurement) -> dict[str, Interval]:
        """Each further metric with its interval."""
        cards = {name: Scorecard.of(measurement.outcomes, metric) for name, metric in self.further.items()}
        return {name: interval(card, confidence=self.confidence) for name, card in cards.items()}

    def further_differences(self, ours: Measurement, theirs: Measurement) -> dict[str, Difference]:
        """Ours minus theirs by each further metric, on the same examples."""
        pairs = {
            name: [Scorecard.of(measured.outcomes, metric) for measured in (ours, theirs)]
            for name, metric in self.further.items()
        }
        return {name: paired_difference(*cards, confidence=self.confidence) for name, cards in pairs.items()}

    def contributions(self, measurement: Measurement) -> Doubles:
        """What every example adds to the score."""
        return contributions(self.card(measurement))

    def part(self, measurement: Measurement, rows: Sequence[int]) -> Measurement:
        """What it would be on the examples at `rows`: score, loss and outcomes; the rest as it is."""
        outcomes = tuple(measurement.outcomes[row] for row in rows)
        score = Scorecard.of(outcomes, self.metric).score
        lost = losses(outcomes)
        metrics = {**measurement.metrics, "loss": statistics.fmean(lost)} if lost else measurement.metrics
        return replace(measurement, score=score, metrics=metrics, outcomes=outcomes)

    def difference(self, ours: Measurement, theirs: Measurement) -> Difference:
        """Ours minus theirs, on the same examples."""
        return paired_difference(self.card(ours), self.card(theirs), confidence=self.confidence)
