"""Looks at a few diverse points before the search proper, and says what it has to gain. Decides no trial's end.

Anchors are ordinary trials, the first after the baseline. Each waits on the first rung until all are there; then they
go on, or end, as the pruner says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.statistics.additive import PAIRING
from autoprompt_search.core.statistics.headroom import Headroom, attainable, paired_variance
from autoprompt_search.core.types import Params
from autoprompt_search.studies.paired import Evidence, PairedScores


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
    """

    def __init__(self, points: Sequence[Params], first: int, outlook: Outlook) -> None:
        self.points, self._first, self._outlook = points, first, outlook
        self._headroom: Headroom | None = None
        self._looks: dict[int, Measurement] = {}
        self._items: dict[int, PairedScores] = {}
        self._gone: set[int] = set()
        self._baseline: float | None = None
        """On all of dev."""

    def covers(self, number: int) -> bool:
        """Whether the trial is an anchor."""
        return 1 <= number <= len(self.points)

    def wants(self, number: int, examples: int) -> bool:
        """Whether the items of this rung are needed."""
        return bool(self.points) and number <= len(self.points) and examples == self._first

    @property
    def is_open(self) -> bool:
        """Whether there is something left to look at; the baseline is looked at to its end."""
        return bool(self.points) and not (
            (self._baseline is not None or 0 in self._gone)
            and all(n in self._looks or n in self._gone for n in range(1, len(self.points) + 1))
        )

    def add(self, number: int, measurement: Measurement, evidence: Evidence | None) -> None:
        """Enter a trial on a rung; others than the first matter of the baseline alone."""
        if number == 0 and measurement.fidelity.is_full:
            self._baseline = measurement.score
        if self.wants(number, measurement.fidelity.examples) and number not in self._looks:
            self._looks[number] = measurement
            if isinstance(evidence, PairedScores):
                self._items[number] = evidence

    def drop(self, number: int) -> None:
        """The trial failed."""
        self._gone.add(number)

    def headroom(self) -> Headroom | None:
        """What there is to gain; None while anchors are missing, and where the baseline or all of them failed."""
        numbers = [n for n in sorted(self._looks) if n not in self._gone]
        if self._headroom is None and not self.is_open and self._baseline is not None and numbers[1:]:
            self._headroom = self._found(numbers, self._baseline)
        return self._headroom

    @property
    def is_futile(self) -> bool:
        """Whether the search should end here."""
        least = self._outlook.least_gain
        found = None if least is None else self.headroom()
        return found is not None and least is not None and found.is_futile(least)

    def _found(self, numbers: Sequence[int], baseline: float) -> Headroom:
        looks, outlook = [self._looks[n] for n in numbers], self._outlook
        tries, ceiling = max(1, outlook.texts - 1 - len(self.points)), max(0.0, 1.0 - baseline)
        cost, seconds = sum(m.cost.forward_passes for m in looks[1:]), sum(m.cost.seconds for m in looks[1:])
        expected = round(tries * outlook.per_trial * cost / len(looks[1:]))
        passes = expected if outlook.passes is None else min(outlook.passes, expected)
        return Headroom(
            gain=attainable([m.score for m in looks], self._variance(numbers), tries=tries, ceiling=ceiling),
            ceiling=ceiling,
            anchors=len(looks) - 1,
            examples=self._first,
            passes=passes,
            seconds=passes * seconds / max(1, cost),
            has_soft=outlook.has_soft,
        )

    def _variance(self, numbers: Sequence[int]) -> float:
        """From the paired answers; for scores that are no mean of answers from their standard errors, as pairs
        usually are."""
        if all(n in self._items for n in numbers):
            return paired_variance(np.array([self._items[n].hits for n in numbers]))
        return max(float(np.mean([self._looks[n].stderr ** 2 for n in numbers])) / PAIRING, 1.0 / self._first**2)
