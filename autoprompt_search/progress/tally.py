"""What is known of a running search, counted from what its driver tells. Shows nothing."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from autoprompt_search.core.measurements import UNITS, Allowance, Cost, Measurement, TrialRecord, TrialState
from autoprompt_search.core.types import Params, kind_of

_RECENT = 12
"""So many trials that ended last set the pace: soft prompts, which come late, take longer than texts."""


def amount(value: float) -> str:
    """The amount of whatever limits a search, in words: `1,500`, or `2.50`."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


@dataclass(slots=True)
class Tally:
    """What is known of the search at this moment; all views read from here."""

    name: str = ""
    trials: int = 0
    limit: Allowance | None = None
    """What decides how long the search goes on, where that is no number of trials."""
    booked: float = 0
    """What counts towards `limit`, earlier runs included."""
    booked_before: float = 0
    """What of it earlier runs took."""
    states: Counter[TrialState] = field(default_factory=Counter)
    running: dict[int, str] = field(default_factory=dict)
    """Number -> what it is and how far it got."""
    best: tuple[float, int, str] | None = None
    """Score at the full rung, trial, kind."""
    forward_passes: int = 0
    """Passes of this run; a prediction that was known already costs none."""
    began: float = 0.0
    """Start of this run in monotonic seconds."""
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    """When the last trials of this run ended, in monotonic seconds."""
    expected: frozenset[str] = frozenset()
    """Kinds of trials that the search will have."""
    ended: set[str] = field(default_factory=set)
    """Kinds of which a trial has ended in this run."""
    is_over: bool = False

    @property
    def done(self) -> int:
        """Trials that have ended, earlier runs included."""
        return sum(self.states.values())

    @property
    def share(self) -> tuple[float, float]:
        """How much of what is done: of what limits the search where that decides, of the trials otherwise."""
        limit = self.limit
        return (self.done, self.trials) if limit is None else (min(self.booked, limit.most), limit.most)

    @property
    def place(self) -> str:
        """`12/48`, or `12 trials, 640/1,500 passes`."""
        done, whole = self.share
        if self.limit is None:
            return f"{done}/{whole}"
        return f"{self.done} trials, {amount(done)}/{amount(whole)} {UNITS[self.limit.unit]}"

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    @property
    def remaining(self) -> float | None:
        """Seconds to go at the pace of late; None at first, when a trial also loads the model, and at the end.

        None too before a trial of each expected kind has ended: soft prompts, which come late, take many times longer
        than texts, and a time that leaves them out would be wrong by as much.
        """
        done, whole = self.share
        if self.expected - self.ended:
            return None
        if len(self.ends) < 2 or done >= whole or self.is_over:
            return None
        if self.limit is not None:
            taken = self.booked - self.booked_before
            return (whole - done) * self.elapsed / taken if taken else None
        return (whole - done) * (time.monotonic() - self.ends[0]) / (len(self.ends) - 1)

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        """Start counting, from what earlier runs left."""
        self.name, self.trials, self.limit, self.began = name, trials, limit, time.monotonic()
        for record in done:
            self._count(record)
            self.booked += self._counted(record.number, record.cost)
        self.booked_before = self.booked

    def started(self, number: int, params: Params) -> None:
        """Count a trial as running."""
        self.running[number] = kind_of(params)

    def measured(self, number: int, measurement: Measurement) -> None:
        """Show that a trial reached a rung."""
        self.forward_passes += measurement.cost.forward_passes
        self.booked += self._counted(number, measurement.cost)
        kind = self.running.get(number, "").split(" ")[0]
        self.running[number] = f"{kind} {measurement.score:.3f} on {measurement.fidelity.examples}"

    def finished(self, record: TrialRecord) -> None:
        """Count a trial as ended."""
        self.running.pop(record.number, None)
        if record.kind in self.expected - self.ended and record.number:
            self.ends.clear()  # the pace was that of other kinds
        self.ended.add(record.kind)
        self.ends.append(time.monotonic())
        self._count(record)

    def end(self) -> None:
        """What still runs is given up, or there is nothing left to run."""
        self.running.clear()
        self.is_over = True

    def _counted(self, number: int, cost: Cost) -> float:
        """What of a trial's cost counts towards the limit."""
        counts = self.limit is not None and (number > 0 or self.limit.has_baseline)
        return cost.amount(self.limit.unit) if self.limit is not None and counts else 0

    def _count(self, record: TrialRecord) -> None:
        self.states[record.state] += 1
        last = record.last
        is_final = record.state is TrialState.COMPLETE and last is not None and last.fidelity.is_full
        if is_final and last is not None and (self.best is None or last.score > self.best[0]):
            self.best = (last.score, record.number, record.kind)
