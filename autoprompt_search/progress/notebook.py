"""What a notebook shows of a running search: one output that is redrawn in place."""

from __future__ import annotations

import html
import io
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console

from autoprompt_search.core.measurements import Allowance, Measurement, TrialRecord
from autoprompt_search.core.types import Params
from autoprompt_search.progress.views import LiveView

Display = Callable[[str], Callable[[str], None]]
"""Shows HTML, and returns what replaces it by other HTML."""
_EVERY = 0.5
"""Seconds between two drawings: a notebook keeps every one of them busy."""
_NOTES = 6
"""So many notes stand above the counts; older ones are gone."""


def notebook_display() -> Display | None:
    """IPython's own display, in a notebook; None anywhere else, also in IPython's terminal."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None

    def show(text: str) -> Callable[[str], None]:
        display = sys.modules["IPython"].display
        handle = display.display(display.HTML(text), display_id=True)
        return lambda other: handle.update(display.HTML(other))

    return show


class NotebookView:
    """A `Progress` that draws what a terminal would show into one output of a notebook."""

    def __init__(self, display: Display, expected: Iterable[str] = (), every: float = _EVERY) -> None:
        self._display, self._every = display, every
        self._view = LiveView(Console(file=io.StringIO(), width=100), expected)
        self._notes: list[str] = []
        self._update: Callable[[str], None] | None = None
        self._drawn_at, self._has_begun = 0.0, False

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        self._view.tally.begin(name, trials, done, limit)
        self._has_begun = True
        self._draw(now=True)

    def started(self, number: int, params: Params) -> None:
        self._view.tally.started(number, params)
        self._draw()

    def measured(self, number: int, measurement: Measurement) -> None:
        self._view.tally.measured(number, measurement)
        self._draw()

    def finished(self, record: TrialRecord) -> None:
        self._view.tally.finished(record)
        self._draw()

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-_NOTES:]
        self._draw(now=True)

    def end(self) -> None:
        self._view.tally.end()
        self._draw(now=True)

    def _draw(self, *, now: bool = False) -> None:
        if not now and time.monotonic() < self._drawn_at + self._every:
            return
        self._drawn_at = time.monotonic()
        console = Console(file=io.StringIO(), width=100, color_system=None)
        if self._has_begun:
            console.print(self._view)
        text = "\n".join([*self._notes, console.file.getvalue()])  # type: ignore[attr-defined]
        shown = f"<pre>{html.escape(text.rstrip())}</pre>"
        if self._update is None:
            self._update = self._display(shown)
        else:
            self._update(shown)
