"""What a person sees of a running search: a live view in a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoprompt_search.core.measurements import Allowance, Measurement, TrialRecord, TrialState
from autoprompt_search.core.protocols.output import Progress
from autoprompt_search.core.types import Params
from autoprompt_search.core.visible import visible
from autoprompt_search.progress.json_lines import JsonLines
from autoprompt_search.progress.tally import Tally, amount

_RUNNING = 6
"""Running trials shown by name; more are counted."""
_SILENCE = 10.0
"""Seconds after which a line says what is going on."""
_NAME, _BAR = 24, 32
"""Columns that the search's name and the bar take at most."""


def progress_for(
    *, quiet: bool = False, stream: TextIO | None = None, expected: Iterable[str] = (), as_json: bool = False
) -> Progress:
    """The view that fits where stderr goes; `expected` are the kinds of trials that a search will have."""
    stream = stream or sys.stderr
    if as_json:
        return JsonLines(sys.stdout)
    if quiet:
        return Quiet()
    console = Console(file=stream)
    is_live = stream.isatty() and not console.is_dumb_terminal
    return LiveView(console, expected) if is_live else PlainLines(stream, expected)


class PlainLines:
    """A `Progress` for logs and pipes: a line per finished trial, and one whenever nothing was said for ten seconds."""

    def __init__(self, stream: TextIO, expected: Iterable[str] = (), silence: float = _SILENCE) -> None:
        self._stream, self._tally = stream, Tally(expected=frozenset(expected))
        self._silence, self._said_at, self._stage = silence, time.monotonic(), ("", time.monotonic())
        self._lock, self._is_over = threading.Lock(), threading.Event()
        threading.Thread(target=self._beat, name="progress", daemon=True).start()

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        self._tally.begin(name, trials, done, limit)
        named = None if limit is None else f"{amount(limit.most)} {limit.unit.replace('_', ' ')}"
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
        parts += [f"| about {_clock(left)} to go"] if left else []
        self._write(" ".join(parts))

    def note(self, text: str) -> None:
        self._stage = (text, time.monotonic())
        self._write(text)

    def _write(self, text: str) -> None:
        with self._lock:
            self._said_at = time.monotonic()
            self._stream.write(visible(text) + "\n")
            self._stream.flush()

    def _beat(self) -> None:
        while not self._is_over.wait(max(0.01, self._said_at + self._silence - time.monotonic())):
            if time.monotonic() < self._said_at + self._silence:
                continue
            try:
                self._write(self._still())
            except (OSError, ValueError):  # the stream is closed: nobody reads on
                return

    def _still(self) -> str:
        """What is going on, for somebody who has heard nothing for a while."""
        tally = self._tally
        stage, since = self._stage
        if not tally.running:
            return f"... {stage}: {time.monotonic() - since:.0f} s"
        running = ", ".join(f"#{number} {what}" for number, what in sorted(dict(tally.running).items())[:3])
        left = tally.remaining
        return f"[{tally.place}] running {running} | {_clock(tally.elapsed)}" + (
            f" | about {_clock(left)} to go" if left else ""
        )

    def end(self) -> None:
        self._is_over.set()
        self._stream.flush()


class LiveView:
    """A `Progress` that redraws itself in place."""

    def __init__(self, console: Console, expected: Iterable[str] = ()) -> None:
        self._console, self.tally = console, Tally(expected=frozenset(expected))
        self._live: Live | None = None

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        self.tally.begin(name, trials, done, limit)
        self._live = Live(self, console=self._console, refresh_per_second=4)
        self._live.start()

    def started(self, number: int, params: Params) -> None:
        self.tally.started(number, params)

    def measured(self, number: int, measurement: Measurement) -> None:
        self.tally.measured(number, measurement)

    def finished(self, record: TrialRecord) -> None:
        before = self.tally.best
        self.tally.finished(record)
        if record.state is TrialState.FAILED or self.tally.best != before:
            self._console.print(Text(visible(_ended(record))), highlight=False)

    def note(self, text: str) -> None:
        self._console.print(Text(visible(text)), highlight=False)

    def end(self) -> None:
        self.tally.end()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __rich__(self) -> Any:
        # Drawn by the live view's own thread: work on copies of what the search changes.
        tally, running = self.tally, sorted(dict(self.tally.running).items())
        head = Table.grid(padding=(0, 2))
        head.add_column(no_wrap=True, overflow="ellipsis", max_width=_NAME)
        head.add_column(min_width=6, max_width=_BAR)
        head.add_column(no_wrap=True)
        done, whole = tally.share
        bar = ProgressBar(total=max(1, whole), completed=done)
        head.add_row(Text(tally.name, style="bold"), bar, f"{amount(done)}/{amount(whole)}")
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
