"""Where the driver's processor time goes while trials run, trial by trial, and how memory grows. Linux only."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.samplers import TPESampler

from autoprompt_search.runners.driver import Driver
from benchmarks.processes import megabytes, workers

PARTS = ("tpe", "ours", "tune", "mlflow", "ray")
_LOOK_EVERY = 50
"""Trials between two looks at memory, which cost milliseconds."""


class Clock:
    """Processor seconds of this thread in chosen methods."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        """Part -> seconds so far."""

    def sampler(self) -> None:
        """Time Optuna's TPE, as the part `tpe`."""
        for name in ("sample_relative", "sample_independent"):
            self.times(TPESampler, [name], "tpe")

    def times(self, owner: type, names: Sequence[str], part: str) -> None:
        """Add the time of the outermost call of these methods to `part`."""
        depth = [0]

        def timed(inner: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                depth[0] += 1
                began = time.thread_time()
                try:
                    return inner(*args, **options)
                finally:
                    depth[0] -= 1
                    if not depth[0]:
                        self.spent[part] += time.thread_time() - began

            return call

        for name in names:
            setattr(owner, name, timed(getattr(owner, name)))


@dataclass(slots=True)
class Meter:
    """Cumulative processor seconds of this process by part, noted at the end of every trial.

    `tpe`: in Optuna's sampler, which the study asks. `ours`: the rest of what the driver does when a runner calls it:
    study, ledger, progress, and handing over to the tracker. `tune`: the main thread otherwise. `mlflow`: the thread
    that sends to it. `ray`: all other threads, which are those of Ray's client. The meter's own time is left out.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    """Per finished trial the seconds so far."""
    memory: list[tuple[int, float, float]] = field(default_factory=list)
    """Trials finished, megabytes of the driver, megabytes of all workers."""
    _clock: Clock = field(default_factory=Clock)

    def install(self) -> None:
        """Time the sampler and the driver from now on."""
        self._clock.sampler()
        self._clock.times(Driver, ["has_work", "ask", "measured", "failed", "ended"], "driver")

    def note(self) -> None:
        """A trial has ended; called from inside the driver."""
        began = time.thread_time()
        main, mlflow, inside = (
            _seconds_of(threading.main_thread()),
            sum(map(_seconds_of, _senders())),
            self._clock.spent,
        )
        self.rows.append(
            {
                "tpe": inside["tpe"],
                "ours": inside["driver"] - inside["tpe"] - inside["meter"],
                "tune": main - inside["driver"],
                "mlflow": mlflow,
                "ray": time.process_time() - main - mlflow,
            }
        )
        if len(self.rows) % _LOOK_EVERY == 1:
            self.memory.append((len(self.rows), megabytes(os.getpid()), sum(map(megabytes, workers()))))
        inside["meter"] += time.thread_time() - began


def per_trial(rows: Sequence[dict[str, float]], first: int, last: int) -> dict[str, float]:
    """Milliseconds per trial by part, of the trials after the `first` up to the `last`."""
    found = {part: 1000 * (rows[last - 1][part] - rows[first - 1][part]) / (last - first) for part in rows[0]}
    found["all"] = sum(found.values())
    found["without_tpe"] = found["all"] - found["tpe"]
    return {part: round(value, 1) for part, value in found.items()}


def growth(rows: Sequence[dict[str, float]], pieces: int) -> list[dict[str, float]]:
    """`per_trial` of so many equal pieces of the search. Equal figures: cost is linear in trials."""
    size = (len(rows) - 1) // pieces
    return [
        {"trials": (n + 1) * size, **per_trial(rows, 1 + n * size, 1 + (n + 1) * size)} for n in range(pieces) if size
    ]


def slope(memory: Sequence[tuple[int, float, float]], column: int) -> float:
    """Megabytes per 1,000 trials: the line of least squares through the second half, when all is loaded."""
    half = memory[len(memory) // 2 :]
    trials, values = [m[0] for m in half], [m[column] for m in half]
    middle, mean = sum(trials) / len(half), sum(values) / len(half)
    spread = sum((t - middle) ** 2 for t in trials)
    return (
        1000 * sum((t - middle) * (v - mean) for t, v in zip(trials, values, strict=True)) / spread if spread else 0.0
    )


def _senders() -> Iterator[threading.Thread]:
    return (t for t in threading.enumerate() if t.name == "mlflow-sender")


def _seconds_of(thread: threading.Thread) -> float:
    """Processor seconds that a thread of this process has had."""
    return int(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1e9
