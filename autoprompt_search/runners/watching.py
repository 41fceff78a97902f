"""What Tune is watched for while trials run: workers that do not answer, workers that died. Lives in the driver."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial

_LOOK_EVERY = 1.0
"""Seconds between two looks."""
_OWN_PAUSE = 5.0
"""Seconds between two steps of Tune's loop from which on it was the driver that stood still, not the workers."""

UNFIT = "autoprompt_search: unfit worker:"
"""Marks, in the text of an exception that left a worker, the part that is for people."""
_NO_MEMORY = (
    "its worker was killed because its node ran out of memory; less is taken by fewer trials at a time "
    "(runner.concurrency), by fewer on one node (more runner.cpus each) and by several on one copy of the model "
    "(runner.share)"
)
_SIGNS = (
    ("OutOfMemoryError", _NO_MEMORY),
    ("running low on memory", _NO_MEMORY),  # while the worker was starting
    ("node has died", "its node was lost"),
    ("node was terminated", "its node was lost"),
)
"""What Ray says of a worker that is gone, and what we say."""


class Watch(tune.Callback):  # type: ignore[misc]
    """Stops the worker of a rung that takes too long, and says of every worker that is gone why it is.

    Time during which the driver itself stood still, waiting for a database or in a suspended machine, does not
    count.

    Args:
        lost: Told of a trial (by Tune's id) whose worker is gone, and why.
        seconds: Longest time that one rung may take, the loading of the model included; None for no limit.
        kill: Ends a worker process.
        now: Monotonic seconds.
    """

    def __init__(
        self,
        lost: Callable[[str, str], None],
        seconds: float | None,
        *,
        kill: Callable[[Any], None] = ray.kill,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lost, self._seconds = lost, seconds
        self._kill, self._now = kill, now
        self._since: dict[str, float] = {}
        """Tune's trial id -> when its rung began."""
        self._hung: set[str] = set()
        self._stepped = self._looked = now()

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes down its callbacks for a `restore` that is never done."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called many times a second."""
        now = self._now()
        if now - self._stepped > _OWN_PAUSE:
            self._since = {name: since + now - self._stepped for name, since in self._since.items()}
        self._stepped = now
        if self._seconds is not None and now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._look(trials, now, self._seconds)

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: Any, **info: Any) -> None:
        """Start the clock of the next rung."""
        self._since.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note that a worker is gone."""
        self._lost(trial.trial_id, self._why(trial))

    def _why(self, trial: Trial) -> str:
        """Why the worker of this trial is gone, in words."""
        if trial.trial_id in self._hung:
            return f"its worker did not answer for {self._seconds:g} seconds (runner.timeout) and was stopped"
        said = _last_words(trial)
        unfit = [line for line in said.splitlines() if UNFIT in line]
        if unfit:
            return unfit[-1].partition(UNFIT)[2].strip()
        return known_reason(said) or "the worker process died"

    def _look(self, trials: list[Trial], now: float, seconds: float) -> None:
        running = {t.trial_id: t for t in trials if t.status == Trial.RUNNING}
        self._since = {name: self._since.get(name, now) for name in running}
        for name, trial in running.items():
            actor = trial.temporary_state.ray_actor
            if now - self._since[name] > seconds and actor is not None:
                self._hung.add(name)
                self._since[name] = now
                self._kill(actor)


def known_reason(said: str) -> str:
    """The reason, in words, that Ray's message about a lost worker stands for; empty where it is unknown."""
    return next((reason for sign, reason in _SIGNS if sign in said), "")


def _last_words(trial: Trial) -> str:
    """What Ray has written down of how the trial's worker ended."""
    path = trial.error_file
    return Path(path).read_text(encoding="utf-8", errors="replace") if path and Path(path).is_file() else ""
