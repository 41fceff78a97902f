"""Looks at a few diverse points before the search proper, and says what it has to gain. Decides no trial's end.

Anchors are ordinary trials, the first after the baseline. Each waits on the first rung until all are there; then they
go on, or end, as the pruner says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.statistics.additive import PAIRING
from autoprompt_search.core.statistics.headroom import Headroom, attainable, paired_variance
from autoprompt_search.core.types import Params
from autoprompt_search.studies.measured import MeasuredTrials


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a search may do."""

    texts: int
    """Most trials without a soft prompt."""
    per_trial: float
    """What a trial takes on average, in units of the first rung."""
    passes: int | None
    """Most forward passes; None for no limit."""
    has_soft: bool
    """Whether soft prompts come after the texts."""
    least_gain: float | None
    """The search ends where this gain is out of reach; None: never."""


class Probe:
    """What is known of the anchors.

    Args:
        points: Of the trials 1, 2, ...; [] for no probe.
        first: Examples of the first rung.
        outlook: What is to come after it.
        measured: The record of the study.
    """

    def __init__(self, points: Sequence[Params], first: int, outlook: Outlook, measured: MeasuredTrials) -> None:
        self.points, self._first, self._outlook, self._measured = points, first, outlook, measured
        self._headroom: Headroom | None = None

    def covers(self, number: int) -> bool:
        """Whether the trial is an anchor."""
        return 1 <= number <= len(self.points)

    def wants(self, number: int, examples: int) -> bool:
        """Whether the examples of this rung are needed."""
        return bool(self.points) and number <= len(self.points) and examples == self._first

    @property
    def is_open(self) -> bool:
        """Whether there is something left to look at; the baseline is looked at to its end."""
        gone = self._measured.failed
        return bool(self.points) and not (
            (self._baseline is not None or 0 in gone)
            and all(n in gone or self._look(n) is not None for n in range(1, len(self.points) + 1))
        )

    @property
    def _baseline(self) -> float | None:
        """Score of the baseline on all of dev."""
        last = self._measured.last(0)
        return last.score if last is not None and last.fidelity.is_full else None

    def _look(self, number: int) -> Measurement | None:
        return self._measured.at(number, self._first)

    def headroom(self) -> Headroom | None:
        """What there is to gain; None while anchors are missing, and where the baseline or all of them failed."""
        if self._headroom is None and not self.is_open and self._baseline is not None:
            alive = (n for n in range(len(self.points) + 1) if n not in self._measured.failed)
            looks = {n: look for n in alive if (look := self._look(n)) is not None}
            self._headroom = self._found(looks, self._baseline) if len(looks) > 1 else None
        return self._headroom

    @property
    def is_futile(self) -> bool:
        """Whether the search should end here."""
        least = self._outlook.least_gain
        headroom = None if least is None else self.headroom()
        return headroom is not None and least is not None and headroom.is_futile(least)

    def _found(self, looks_of: Mapping[int, Measurement], baseline: float) -> Headroom:
        looks, outlook = list(looks_of.values()), self._outlook
        tries, ceiling = max(1, outlook.texts - 1 - len(self.points)), max(0.0, 1.0 - baseline)
        cost, seconds = sum(m.cost.forward_passes for m in looks[1:]), sum(m.cost.seconds for m in looks[1:])
        expected = round(tries * outlook.per_trial * cost / len(looks[1:]))
        passes = expected if outlook.passes is None else min(outlook.passes, expected)
        return Headroom(
            gain=attainable([m.score for m in looks], self._variance(looks_of), tries=tries, ceiling=ceiling),
            ceiling=ceiling,
            anchors=len(looks) - 1,
            examples=self._first,
            passes=passes,
            seconds=passes * seconds / max(1, cost),
            has_soft=outlook.has_soft,
        )

    def _variance(self, looks: Mapping[int, Measurement]) -> float:
        """Variance of paired differences: from the scores of the examples, or from the standard errors where a score is
        no mean of examples, as if its pairs were like most pairs."""
        trials = [self._measured.trials[n] for n in looks]
        kept = [t.evidence.scores for t in trials if t.evidence is not None and t.evidence.is_of_mean]
        if len(kept) == len(trials):
            return paired_variance(np.array([scores[: self._first] for scores in kept]))
        return max(float(np.mean([look.stderr**2 for look in looks.values()])) / PAIRING, 1.0 / self._first**2)
