"""What a search may still spend: trials, forward passes and minutes, of all runs on a folder together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from autoprompt_search.core.types import Measurement


@dataclass(slots=True)
class Spending:
    """Counts what was spent against up to three limits; whichever is reached first ends the search."""

    trials: int
    """Most trials of any end."""
    passes: int | None
    """Forward-equivalents of all trials but the baseline; None for no limit."""
    minutes: float | None
    """Wall clock; None for no limit."""
    used: float = 0.0
    """Seconds of earlier runs."""
    booked: int = 0
    """Passes so far."""
    _opened: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Of all runs."""
        return self.used + time.monotonic() - self._opened

    @property
    def passes_left(self) -> int | None:
        """None for no limit."""
        return None if self.passes is None else max(0, self.passes - self.booked)

    @property
    def is_paid_out(self) -> bool:
        """Whether the passes are spent."""
        return self.passes_left == 0

    def book(self, number: int, measurement: Measurement) -> None:
        """Count a rung of a trial; the baseline's come on top."""
        self.booked += measurement.cost.forward_passes if number else 0

    def is_late(self, share: float = 1.0) -> bool:
        """Whether this share of the minutes is over."""
        return self.minutes is not None and self.seconds >= share * 60 * self.minutes

    def is_beyond(self, share: float, number: int) -> bool:
        """Whether this share of any limit is spent when trial `number` is about to begin."""
        is_dear = self.passes is not None and self.booked >= share * self.passes
        return number >= share * self.trials or is_dear or self.is_late(share)
