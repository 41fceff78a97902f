"""What a search may still spend, of all runs on a folder together: trials, forward passes, minutes, and other units."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.studies.terms import SearchBudget

MARGIN = 1.25
"""Examples to come may be longer than those that were seen: a step is taken to cost so many times what is expected."""


@dataclass(slots=True)
class Spending:
    """Counts what was spent against the budget; whichever limit is reached first ends the search.

    It is the only count in a study: allocators read it.
    """

    budget: SearchBudget
    used: float = 0.0
    """Seconds of earlier runs."""
    passes: int = 0
    """Forward passes so far, the baseline's not counted."""
    _rungs: dict[int, list[int]] = field(default_factory=dict)
    """Trial -> forward passes of each of its rungs, in the order in which they were measured."""
    _spent: dict[str, float] = field(default_factory=dict)
    """Unit -> what trials spent of it, the baseline among them."""
    _prices: dict[int, dict[str, float]] = field(default_factory=dict)
    """Trial -> unit -> what a forward pass of it took, in the dearest of its rungs."""
    _promised: dict[int, float] = field(default_factory=dict)
    """Trial -> forward passes of the rung that it is at."""
    _opened: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall clock of all runs."""
        return self.used + time.monotonic() - self._opened

    @property
    def most_passes(self) -> int | None:
        """Forward passes that all trials except the baseline may take; None for no limit.

        Of limits in other units it is what they pay for at the mean price so far, with what the end of the search takes
        set aside; so it moves while the search learns what its prompts cost.
        """
        hard_limits, passes = self.budget.hard_limits, self.budget.passes
        known = [] if passes is None else [passes]
        whole = sum(map(sum, self._rungs.values()))
        for unit, most in hard_limits.most.items():
            mean = self._spent.get(unit, 0.0) / whole if whole else 0.0
            left = most - self._gone(unit) - MARGIN * self._dearest(unit) * hard_limits.held
            known.append(self.passes + max(0, int(left / mean)) if mean else hard_limits.planned)
        return min(known, default=None)

    @property
    def passes_left(self) -> int | None:
        """Forward passes that may still be spent; None for no limit."""
        most = self.most_passes
        return None if most is None else max(0, most - self.passes)

    @property
    def is_paid_out(self) -> bool:
        """Whether the passes are spent."""
        return self.passes_left == 0

    @property
    def rungs(self) -> Mapping[int, list[int]]:
        """Trial -> forward passes of each of its rungs, in the order in which they were measured; the baseline too."""
        return self._rungs

    def book(self, number: int, measurement: Measurement) -> None:
        """Count a rung of a trial; the baseline's passes come on top of the budget, all other units do not."""
        cost, passes = measurement.cost, measurement.cost.forward_passes
        self._rungs.setdefault(number, []).append(passes)
        self.passes += passes if number else 0
        self.settle(number)
        prices = self._prices.setdefault(number, {})
        for unit in self.budget.hard_limits.most:
            self._spent[unit] = self._spent.get(unit, 0.0) + cost.amount(unit)
            if passes:
                prices[unit] = max(prices.get(unit, 0.0), cost.amount(unit) / passes)

    def promise(self, number: int, passes: float) -> None:
        """A trial is at a rung that takes so many forward passes."""
        self._promised[number] = passes

    def settle(self, number: int) -> None:
        """The trial is at no rung any more."""
        self._promised.pop(number, None)

    def pays_for(self, passes: float, number: int | None = None, reserve: float = 0.0) -> bool:
        """Whether a step fits in every limit that is never passed, beside what is under way and the final test.

        Args:
            passes: Forward passes of the step.
            number: The trial that goes on; None for a new one, which may be as dear as the dearest so far.
            reserve: Further passes that are held back.
        """
        under_way = sum(n for other, n in self._promised.items() if other != number)
        beside = under_way + self.budget.hard_limits.held + reserve
        for unit, most in self.budget.hard_limits.most.items():
            dearest = self._dearest(unit)
            if not dearest:  # nothing was measured yet: what a prompt costs shows the baseline
                return False
            price = self._prices.get(number, {}).get(unit, dearest) if number is not None else dearest
            if self._gone(unit) + MARGIN * (dearest * beside + price * passes) > most:
                return False
        return True

    def is_late(self, share: float = 1.0) -> bool:
        """Whether this share of the minutes is over."""
        minutes = self.budget.minutes
        return minutes is not None and self.seconds >= share * 60 * minutes

    def is_beyond(self, share: float, number: int) -> bool:
        """Whether this share of any limit is spent when trial `number` is about to begin."""
        passes = self.most_passes
        is_dear = passes is not None and self.passes >= share * passes
        return number >= share * self.budget.trials or is_dear or self.is_late(share)

    def _gone(self, unit: str) -> float:
        """What was spent, by trials and beside them."""
        return self._spent.get(unit, 0.0) + self.budget.hard_limits.spent.get(unit, 0.0)

    def _dearest(self, unit: str) -> float:
        return max((prices.get(unit, 0.0) for prices in self._prices.values()), default=0.0)
