"""Measurements compared by the search's own metric, and the verdict that follows. Knows no trials."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from autoprompt_search.core.stats import Difference, Interval, contributions, interval, paired_difference
from autoprompt_search.core.types import Measurement
from autoprompt_search.evaluate import losses, metric_named


class Verdict(StrEnum):
    """What the test split says of the chosen prompt against the baseline."""

    PROMOTE = "promote"
    """Better: the whole interval of the difference lies above zero."""
    TIE = "tie"
    """The interval holds zero: no difference was shown."""
    REJECT = "reject"
    """Worse: the whole interval lies below zero."""


def judge(difference: Difference) -> Verdict:
    """From the interval of the difference alone."""
    if difference.low > 0:
        return Verdict.PROMOTE
    return Verdict.REJECT if difference.high < 0 else Verdict.TIE


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """How this search compares measurements, which hold their outcomes."""

    metric: str
    labels: tuple[str, ...]
    confidence: float

    def interval(self, made: Measurement) -> Interval:
        """The score with its interval."""
        targets, predictions = [o.target for o in made.outcomes], [o.prediction for o in made.outcomes]
        return interval(metric_named(self.metric), targets, predictions, self.labels, confidence=self.confidence)

    def contributions(self, made: Measurement) -> list[float]:
        """What every example adds to the score."""
        targets, predictions = [o.target for o in made.outcomes], [o.prediction for o in made.outcomes]
        return contributions(metric_named(self.metric), targets, predictions, self.labels)

    def part(self, made: Measurement, rows: Sequence[int]) -> Measurement:
        """What it would be on the examples at `rows`: score, loss and outcomes; the rest as it is."""
        outcomes = tuple(made.outcomes[row] for row in rows)
        targets, predictions = [o.target for o in outcomes], [o.prediction for o in outcomes]
        score = metric_named(self.metric)(targets, predictions, self.labels)
        loss = statistics.fmean(losses(outcomes, self.labels))
        return replace(made, score=score, metrics={**made.metrics, "loss": loss}, outcomes=outcomes)

    def difference(self, ours: Measurement, theirs: Measurement) -> Difference:
        """Ours minus theirs, on the same examples."""
        return paired_difference(
            metric_named(self.metric),
            [o.target for o in ours.outcomes],
            [o.prediction for o in ours.outcomes],
            [o.prediction for o in theirs.outcomes],
            self.labels,
            confidence=self.confidence,
        )
