"""When a worker counts as hung, over a clock of the test's own; that a real one is stopped shows in test_ray.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autoprompt_search.runners.watching import UNFIT, Watch


@dataclass
class Tried:
    """As much of Tune's trial as is looked at."""

    trial_id: str
    status: str = "RUNNING"
    error_file: str | None = None
    temporary_state: Any = field(default_factory=lambda: SimpleNamespace(ray_actor="actor"))


class Time:
    def __init__(self, seconds: float | None = 60.0) -> None:
        self.now = 0.0
        self.killed: list[Any] = []
        self.lost: list[tuple[str, str]] = []
        self.watch = Watch(
            lambda name, why: self.lost.append((name, why)), seconds, kill=self.killed.append, now=lambda: self.now
        )

    def passes(self, seconds: float, trials: list[Any], step: float = 1.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.watch.on_step_begin(0, trials)


def test_a_rung_that_takes_too_long_is_stopped_once() -> None:
    time, trial = Time(), Tried("1")
    time.passes(59, [trial])
    assert time.killed == []
    time.passes(5, [trial])
    assert time.killed == ["actor"]


def test_every_rung_has_the_time_anew() -> None:
    time, trial = Time(), Tried("1")
    for _ in range(4):
        time.passes(50, [trial])
        time.watch.on_trial_result(0, [trial], trial, {})
    assert time.killed == []


def test_a_trial_that_waits_for_a_worker_is_not_hung() -> None:
    time, trial = Time(), Tried("1", status="PENDING")
    time.passes(500, [trial])
    trial.status = "RUNNING"
    time.passes(50, [trial])
    assert time.killed == []


def test_the_drivers_own_pause_does_not_count() -> None:
    """It waited for a database, or the machine slept."""
    time, trial = Time(), Tried("1")
    time.passes(30, [trial])
    time.passes(1000, [trial], step=1000)
    time.passes(25, [trial])
    assert time.killed == []
    time.passes(10, [trial])
    assert time.killed == ["actor"]


def test_without_a_limit_nobody_is_hung() -> None:
    time, trial = Time(None), Tried("1")
    time.passes(100_000, [trial], step=2)
    assert time.killed == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"RuntimeError: {UNFIT} no folder /models (on node-3)\n", "no folder /models (on node-3)"),
        ("RayActorError: OutOfMemoryError: task killed\n", "its node ran out of memory"),
        ("1 worker(s) were killed due to the node running low on memory. Memory on the node", "runner.concurrency"),
        ("The actor died because its node has died. Node Id: 77", "its node was lost"),
        ("The actor is dead because its worker process has died.", "the worker process died"),
    ],
)
def test_the_reason_is_told(said: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text(said, encoding="utf-8")
    time, trial = Time(), Tried("7", error_file=str(tmp_path / "error.txt"))
    time.watch.on_trial_error(0, [trial], trial)
    [(name, why)] = time.lost
    assert name == "7"
    assert reason in why


def test_a_hung_worker_is_told_as_such(tmp_path: Path) -> None:
    time, trial, other = Time(), Tried("1"), Tried("2", status="PENDING")
    time.passes(70, [trial, other])
    for each in (trial, other):
        time.watch.on_trial_error(0, [trial, other], each)
    assert time.lost == [
        ("1", "its worker did not answer for 60 seconds (runner.timeout) and was stopped"),
        ("2", "the worker process died"),
    ]
