"""What a search may still spend: trials, forward passes and minutes, of all runs on a folder together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.studies.terms import SearchBudget


@dataclass(slots=True)
class Spending:
    """Counts what was spent against the budget; whichever limit is reached first ends the search.

    It is the only count of passes in a study: allocators read it.
    """

    budget: SearchBudget
    used: float = 0.0
    """Seconds of earlier runs."""
    passes: int = 0
    """Forward passes so far, the baseline's not counted."""
    _rungs: dict[int, list[int]] = field(default_factory=dict)
    """Trial -> forward passes of each of its rungs, in the order in which they were measured."""
    _opened: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall clock of all runs."""
        return self.used + time.monotonic() - self._opened

    @property
    def passes_left(self) -> int | None:
        """Forward passes that may still be spent; None for no limit."""
        passes = self.budget.passes
        return None if passes is None else max(0, passes - self.passes)

    @property
    def is_paid_out(self) -> bool:
        """Whether the passes are spent."""
        return self.passes_left == 0

    @property
    def rungs(self) -> Mapping[int, list[int]]:
        """Trial -> forward passes of each of its rungs, in the order in which they were measured; the baseline too."""
        return self._rungs

    def book(self, number: int, measurement: Measurement) -> None:
        """Count a rung of a trial; the baseline's come on top of the budget."""
        spent = measurement.cost.forward_passes
        self._rungs.setdefault(number, []).append(spent)
        self.passes += spent if number else 0

    def is_late(self, share: float = 1.0) -> bool:
        """Whether this share of the minutes is over."""
        minutes = self.budget.minutes
        return minutes is not None and self.seconds >= share * 60 * minutes

    def is_beyond(self, share: float, number: int) -> bool:
        """Whether this share of any limit is spent when trial `number` is about to begin."""
        passes = self.budget.passes
        is_dear = passes is not None and self.passes >= share * passes
        return number >= share * self.budget.trials or is_dear or self.is_late(share)
