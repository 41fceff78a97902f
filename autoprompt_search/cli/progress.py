"""What a person sees of a running search: a live view in a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoprompt_search.core.measurements import UNITS, Allowance, Cost, Measurement, TrialRecord, TrialState
from autoprompt_search.core.protocols.output import Progress
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.core.visible import visible

_RUNNING = 6
"""Running trials shown by name; more are counted."""
_RECENT = 12
"""So many trials that ended last set the pace: soft prompts, which come late, take longer than texts."""
_NAME, _BAR = 24, 32
"""Columns that the search's name and the bar take at most."""


def progress_for(*, quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """The view that fits where stderr goes."""
    stream = stream or sys.stderr
    if quiet:
        return Quiet()
    console = Console(file=stream)
    return LiveView(console) if stream.isatty() and not console.is_dumb_terminal else PlainLines(stream)


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
        return f"{self.done} trials, {_amount(done)}/{_amount(whole)} {UNITS[self.limit.unit]}"

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    @property
    def remaining(self) -> float | None:
        """Seconds to go at the pace of late; None at first, when a trial also loads the model, and at the end."""
        done, whole = self.share
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


class PlainLines:
    """A `Progress` for logs and pipes: one line per finished trial, no control codes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._tally = stream, Tally()

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        self._tally.begin(name, trials, done, limit)
        named = None if limit is None else f"{_amount(limit.most)} {limit.unit.replace('_', ' ')}"
        whole, what = (f"{trials} trials", "of them") if named is None else (named, "trials")
        self.note(f"{name}: {whole}" + (f", {len(done)} {what} finished before" if done else ""))

    def started(self, number: int, params: Params) -> None:
        self._tally.started(number, params)

    def measured(self, number: int, measurement: Measurement) -> None:
        self._tally.measured(number, measurement)

    def finished(self, record: TrialRecord) -> None:
        self._tally.finished(record)
        tally, left = self._tally, self._tally.remaining
        parts = [
            f"[{tally.place}]",
            _ended(record),
            f"| best {_best(tally)}",
            f"| {tally.forward_passes:,} passes",
            f"| {_clock(tally.elapsed)}",
        ]
        parts += [f"| {_clock(left)} to go"] if left else []
        self.note(" ".join(parts))

    def note(self, text: str) -> None:
        self._stream.write(visible(text) + "\n")
        self._stream.flush()

    def end(self) -> None:
        self._stream.flush()


class LiveView:
    """A `Progress` that redraws itself in place."""

    def __init__(self, console: Console) -> None:
        self._console, self._tally = console, Tally()
        self._live: Live | None = None

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        self._tally.begin(name, trials, done, limit)
        self._live = Live(self, console=self._console, refresh_per_second=4)
        self._live.start()

    def started(self, number: int, params: Params) -> None:
        self._tally.started(number, params)

    def measured(self, number: int, measurement: Measurement) -> None:
        self._tally.measured(number, measurement)

    def finished(self, record: TrialRecord) -> None:
        before = self._tally.best
        self._tally.finished(record)
        if record.state is TrialState.FAILED or self._tally.best != before:
            self._console.print(Text(visible(_ended(record))), highlight=False)

    def note(self, text: str) -> None:
        self._console.print(Text(visible(text)), highlight=False)

    def end(self) -> None:
        self._tally.end()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __rich__(self) -> Any:
        # Drawn by the live view's own thread: work on copies of what the search changes.
        tally, running = self._tally, sorted(dict(self._tally.running).items())
        head = Table.grid(padding=(0, 2))
        head.add_column(no_wrap=True, overflow="ellipsis", max_width=_NAME)
        head.add_column(min_width=6, max_width=_BAR)
        head.add_column(no_wrap=True)
        done, whole = tally.share
        bar = ProgressBar(total=max(1, whole), completed=done)
        head.add_row(Text(tally.name, style="bold"), bar, f"{_amount(done)}/{_amount(whole)}")
        left = tally.remaining
        lines = [
            Text(f"best    {_best(tally)}", style="green" if tally.best else "dim"),
            Text(f"trials  {_states(tally)}"),
            Text(f"passes  {tally.forward_passes:,}"),
            Text(f"time    {_clock(tally.elapsed)}" + (f", about {_clock(left)} to go" if left else "")),
        ]
        lines += [Text(f"running #{number} {what}", style="dim") for number, what in running[:_RUNNING]]
        lines += [Text(f"        and {len(running) - _RUNNING} more", style="dim")] if len(running) > _RUNNING else []
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(head, *lines)


class Quiet:
    """A `Progress` that shows nothing."""

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None: ...

    def started(self, number: int, params: Params) -> None: ...

    def measured(self, number: int, measurement: Measurement) -> None: ...

    def finished(self, record: TrialRecord) -> None: ...

    def note(self, text: str) -> None: ...

    def end(self) -> None: ...


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _ended(record: TrialRecord) -> str:
    """`trial 12 demos complete 0.845 on 512 dev examples`"""
    head = f"trial {record.number} {record.kind} {record.state.value}"
    if record.state is TrialState.FAILED:
        return f"{head}: {record.error.splitlines()[0] if record.error else 'no reason given'}"
    return f"{head} {record.last.score:.3f} on {record.last.fidelity.examples}" if record.last else head


def _best(tally: Tally) -> str:
    if tally.best is None:
        return "none yet"
    score, number, kind = tally.best
    return f"{score:.3f} (trial {number}, {kind})"


def _states(tally: Tally) -> str:
    counts = [f"{tally.states[s]} {name}" for s, name in _STATES if tally.states[s]]
    running = [] if tally.is_over else [f"{len(tally.running)} running"]
    return ", ".join(counts + running) or "none"


_STATES = ((TrialState.COMPLETE, "complete"), (TrialState.PRUNED, "stopped early"), (TrialState.FAILED, "failed"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
