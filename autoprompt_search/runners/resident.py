"""Trials side by side on one copy of the model: threads of one worker process, and the trials that ask it for rungs.

The study, the trial and the model's backend know nothing of it; Tune's trials become thin ones that pass on.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from autoprompt_search.backends import SHARED
from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.trial import Failure, TrialJob, TrialRun

Result = Measurement | Failure | None
_THIN = {"CPU": 0.01, "GPU": 0.001}
"""What a trial that only passes on takes of what its worker has: enough of a GPU to see it."""


class Resident:
    """Trials of one process, each in the thread that asks for its next rung."""

    def __init__(self, job: TrialJob) -> None:
        shared = ComponentSpec.model_validate({"type": SHARED, "of": job.backend.model_dump()})
        self._job = replace(job, backend=shared)
        self._runs: dict[str, tuple[str, int, TrialRun]] = {}
        """Who asks -> trial, rungs it has climbed, the trial at work."""

    def step(self, seat: str, trial: str, params: Params, climbed: int) -> Result:
        """The rung after `climbed` ones. What was climbed elsewhere is climbed again: the ledger knows it.

        Args:
            seat: Who asks, one trial at a time; the trial it had before is forgotten.
            trial: Which trial of that seat.
            params: Its point.
            climbed: Rungs whose measurements it has already.
        """
        known = self._runs.get(seat)
        run = known[2] if known and known[:2] == (trial, climbed) else None
        if run is None:
            run = TrialRun(self._job, params)
            _climb(run, climbed)
        result = run.step()
        self._runs[seat] = (trial, climbed + 1, run)
        return result


def _climb(run: TrialRun, rungs: int) -> None:
    for _ in range(rungs):
        run.step()


class _Host(Resident):
    """`Resident` as an actor."""

    def __init__(self, job: TrialJob, home: str, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is loaded
        if Path(home).is_dir():
            os.chdir(home)
        super().__init__(job)
        self._seats = 0

    def seat(self) -> int:
        """A number that nobody else has."""
        self._seats += 1
        return self._seats - 1


@dataclass(eq=False)
class Residents:
    """The workers of one search; called with a point, it starts a trial on one of them."""

    job: TrialJob
    hosts: Sequence[Any]
    _seat: str = field(default_factory=lambda: uuid.uuid4().hex)
    _host: Any = None

    def __call__(self, params: Params) -> HostedRun:
        """A trial at `params`; the next one of the same process takes its place."""
        if self._host is None:
            self._host = self.hosts[ray.get(self.hosts[0].seat.remote()) % len(self.hosts)]
        return HostedRun(self.job, params, self._host, self._seat)

    def __reduce__(self) -> tuple[Any, ...]:  # every process has a seat of its own
        return Residents, (self.job, tuple(self.hosts))

    def close(self) -> None:
        """End the workers, and give back what they hold."""
        for host in self.hosts:
            ray.kill(host)


class HostedRun:
    """A `TrialRun` whose work is done by a worker that many share.

    When that worker dies, the trial at fault is unknown. Each of its trials continues in a process of its own, so that
    the trial at fault fails alone.
    """

    def __init__(self, job: TrialJob, params: Params, host: Any, seat: str) -> None:
        self._job, self._params, self._host, self._seat = job, params, host, seat
        self._name, self._climbed = uuid.uuid4().hex, 0
        self._alone: TrialRun | None = None

    def step(self) -> Result:
        """See `TrialRun.step`."""
        result = self._alone.step() if self._alone else self._asked()
        self._climbed += 1
        return result

    def _asked(self) -> Result:
        try:
            result: Result = ray.get(self._host.step.remote(self._seat, self._name, self._params, self._climbed))
        except RayError:
            self._alone = TrialRun(self._job, self._params)
            _climb(self._alone, self._climbed)
            return self._alone.step()
        return result


def residents(
    job: TrialJob, resources: dict[str, float], trials: int, share: int
) -> tuple[Residents, dict[str, float]]:
    """Workers for so many trials at a time, `share` on each, and what a trial itself takes.

    Args:
        job: The search.
        resources: CPUs and GPUs of one worker.
        trials: At a time.
        share: Trials on one worker.
    """
    thin, held = parts(resources, share)
    make = ray.remote(_Host).options(
        num_cpus=held["CPU"], num_gpus=held["GPU"], max_concurrency=share + 1, max_restarts=-1
    )
    threads, home = max(1, int(resources["CPU"])), str(Path.cwd())
    return Residents(job, [make.remote(job, home, threads) for _ in range(math.ceil(trials / share))]), thin


def parts(resources: dict[str, float], share: int) -> tuple[dict[str, float], dict[str, float]]:
    """What each of `share` thin trials takes, and what is left to their worker: together no more than there was."""
    thin = {kind: round(min(_THIN[kind], amount / (2 * share)), 4) for kind, amount in resources.items()}
    return thin, {kind: round(amount - thin[kind] * share, 4) for kind, amount in resources.items()}
