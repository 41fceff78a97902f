"""Trials on a Ray cluster: Tune executes, the study decides.

Tune gets a searcher and a scheduler that only pass questions and answers to the driver. Actors are reused and
keep the model; exceptions are caught inside the trainable, because outside it Ray discards the actor.
"""

from __future__ import annotations

import math
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import ray
from pydantic import Field
from ray import tune
from ray.exceptions import RayError

from autoprompt_search.backends import ENDPOINT
from autoprompt_search.core.errors import ConfigError, first_line, one_line
from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.runners.addresses import address_problem
from autoprompt_search.runners.bridge import RESULT, Asks, Bridge, Decides, Forget
from autoprompt_search.runners.driver import Driver
from autoprompt_search.runners.early import EarlyStart
from autoprompt_search.runners.joining import join
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.runners.resident import HostedRun, Residents, residents
from autoprompt_search.runners.stopping import CtrlC
from autoprompt_search.runners.watching import UNFIT, Watch, known_reason
from autoprompt_search.trial import Failure, TestTask, TrialJob, TrialRun, backend_of, run_test_guarded

_Start = Callable[[Params], TrialRun | HostedRun]
"""A point to a trial at work on it."""
_ONE_THREAD = "autoprompt_search.core.one_thread"
"""What a worker that serves trials of one CPU imports first."""


class RayRunner:
    """Runs trials on this machine's own Ray, or on a cluster.

    Args:
        address: None starts Ray on this machine; `auto` or `host:port` joins a cluster from one of its nodes.
        concurrency: Trials at a time; of a model behind an API, requests, and the driver sends them.
        cpus: CPUs per trial; also the number of threads its worker computes with.
        gpus: GPUs per trial; fractions share one (Ray counts them, it does not divide the memory). None shares
            out what there is: a whole one per trial where there are enough, none where there are none.
        timeout: Seconds that one rung may take, the loading of the model included. A worker that takes longer is
            stopped and its trial run again. None for no limit.
        retries: How often a trial is run again whose worker died, hung or could not load the model; what it had
            measured comes from the ledger. Nodes that say beforehand that they go (preemption) do not count.
        share: Trials that one worker runs side by side on one copy of the model, soft prompts trained in one batch;
            `cpus` and `gpus` are then the worker's. None: one, but where trials would have to share a GPU all of
            that GPU's. On CPUs it saves memory and no time.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        concurrency: Annotated[int, Field(ge=1)] = 2,
        cpus: Annotated[float, Field(gt=0)] = 1,
        gpus: Annotated[float, Field(ge=0)] | None = None,
        timeout: Annotated[float, Field(gt=0)] | None = 7200,
        retries: Annotated[int, Field(ge=0)] = 3,
        share: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        if problem := address and address_problem(address):
            raise ConfigError(f"runner.address: {problem}")
        self._address, self._concurrency = address, concurrency
        self._cpus, self._gpus, self._share = cpus, gpus, share
        self._timeout, self._retries = timeout, retries
        self._resources: dict[str, float] = {}
        self._started = False
        self._early: EarlyStart | None = None

    @property
    def is_on_cluster(self) -> bool:
        """See `Runner.is_on_cluster`."""
        return self._address is not None

    def begin(self, modules: Sequence[str]) -> None:
        """See `Runner.begin`, for this machine's own Ray: a cluster is up already."""
        if not (self.is_on_cluster or self._early or ray.is_initialized()):
            modules = [_ONE_THREAD, __name__, *modules] if self._cpus <= 1 else []
            self._early = EarlyStart(lambda: join(None, self._cores()), modules)

    def run(self, driver: Driver, job: TrialJob) -> None:
        """See `Runner.run`."""
        if not driver.has_work():
            return
        if job.backend.type == ENDPOINT:  # one process asks it, so that one meter counts and one gate holds back
            LocalRunner().run(driver, job)
            return
        self._start()
        start, resources = self._workers(job)
        loads = None if isinstance(start, Residents) else job.backend
        bridge, ctrl_c = Bridge(driver, self._concurrency, self._retries), CtrlC(driver.note)
        home = str(Path.cwd())
        with tempfile.TemporaryDirectory(prefix="autoprompt-tune-", ignore_cleanup_errors=True) as scratch:
            tuner = tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(_Trainable, start=start, home=home, loads=loads, is_named=self.is_on_cluster),
                    tune.PlacementGroupFactory([resources]),
                ),
                run_config=tune.RunConfig(
                    name="search",
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[Watch(bridge.lost, self._timeout), Forget(), ctrl_c],
                    failure_config=tune.FailureConfig(max_failures=0),  # see `Bridge.lost`
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
                tune_config=tune.TuneConfig(
                    search_alg=Asks(bridge),
                    scheduler=Decides(bridge),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_dirname_creator=_short_name,
                ),
            )
            try:
                with ctrl_c:
                    tuner.fit()
            finally:
                if isinstance(start, Residents):
                    start.close()
        if bridge.error is not None:
            raise bridge.error
        if driver.live or ctrl_c.was_pressed:  # Tune swallows Ctrl-C and returns with trials unfinished
            raise KeyboardInterrupt

    def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
        """See `Runner.test`."""
        is_asked_from_here = job.backend.type == ENDPOINT
        if is_asked_from_here or not self.is_on_cluster:  # the libraries are loaded here; a worker would have to start
            return LocalRunner().test(job, tasks)
        self._start()
        shared = ray.put(job)
        cpus, gpus = self._resources["CPU"], self._resources["GPU"]
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=self._retries)(run_test_guarded)
        limit = None if self._timeout is None else self._timeout * max(1, len(tasks))
        return _collect([remote.remote(shared, task) for task in tasks], limit)

    def close(self) -> None:
        """Leave the cluster; stop Ray where this runner started it."""
        if self._early:
            self._early.close(ray.shutdown)
        elif self._started:
            ray.shutdown()
        self._started, self._early = False, None

    def _start(self) -> None:
        if self._started:
            return
        if self._early:
            self._early.wait()
        elif not ray.is_initialized():
            join(self._address, self._cores())
            self._started = True
        self._resources = {"CPU": self._cpus, "GPU": self._share_of_gpus()}
        self._check_resources()

    def _cores(self) -> int:
        """CPUs that this machine's Ray is told of. It starts a worker for each: no more than trials can use."""
        most = min(os.cpu_count() or 1, math.ceil(self._cpus * self._concurrency))
        return max(most, math.ceil(self._cpus))

    def _workers(self, job: TrialJob) -> tuple[_Start, dict[str, float]]:
        """How trials are started, and what each of them takes."""
        share = self._share or self._per_gpu()
        if share == 1:
            return partial(TrialRun, job), self._resources
        gpus = self._resources["GPU"] if self._gpus is not None else min(1.0, share * self._resources["GPU"])
        return residents(job, {**self._resources, "GPU": gpus}, self._concurrency, min(share, self._concurrency))

    def _per_gpu(self) -> int:
        """Trials on one GPU, where it was left to us to share them out and there are more trials than GPUs."""
        there = float(ray.cluster_resources().get("GPU", 0))
        return math.ceil(self._concurrency / there) if self._gpus is None and 0 < there < self._concurrency else 1

    def _share_of_gpus(self) -> float:
        if self._gpus is not None:
            return self._gpus
        return min(1.0, round(float(ray.cluster_resources().get("GPU", 0)) / self._concurrency, 4))

    def _check_resources(self) -> None:
        """A trial that fits on no node would wait for ever."""
        largest = {"CPU": 0.0, "GPU": 0.0}
        for node in ray.nodes():
            for kind, seen in largest.items():
                largest[kind] = max(seen, node["Resources"].get(kind, 0.0))
        missing = [kind for kind, want in self._resources.items() if want > largest[kind]]
        if missing:
            kind = missing[0]
            raise ConfigError(
                f"runner.{kind.lower()}s: a trial asks for {self._resources[kind]:g} {kind} "
                f"and the largest node has {largest[kind]:g}"
            )


class _Trainable(tune.Trainable):  # type: ignore[misc]
    """One actor, many trials: `reset_config` starts the next one in the same process, beside the loaded model.

    `loads` is the model of this process; None where the model is another one's.
    """

    def setup(
        self, config: dict[str, Any], start: _Start, home: str, loads: ComponentSpec | None, is_named: bool
    ) -> None:
        if Path(home).is_dir():  # on another node it may not exist; absolute paths work there
            os.chdir(home)
        self._loads, self._place = loads, f" (on {socket.gethostname()})" if is_named else ""
        self._start = start
        self._run = start(config["params"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._run = self._start(new_config["params"])
        return True

    def step(self) -> dict[str, Any]:
        """Measure one rung.

        The driver has loaded the model before any trial, so a worker that cannot is at fault, not the trial, and so
        is one that has no memory left: the exception leaves the actor, and the trial is run again in another one.
        """
        try:
            if self._loads is not None:
                backend_of(self._loads)
        except Exception as exc:  # it leaves the process of this worker
            raise RuntimeError(f"{UNFIT} the worker cannot load the model: {one_line(exc)}{self._place}") from exc
        result = self._run.step()
        if isinstance(result, Failure) and result.is_of_worker:
            raise RuntimeError(f"{UNFIT} {result.reason}{self._place}")
        return {RESULT: replace(result, reason=result.reason + self._place) if isinstance(result, Failure) else result}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: the ledger keeps what survives."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: nothing was saved."""


def _collect(started: list[Any], seconds: float | None) -> list[Measurement | Failure]:
    """The results in their order; what has none by then, or lost its worker for good, is a failure."""
    ready, late = ray.wait(started, num_returns=len(started), timeout=seconds)
    for task in late:
        ray.cancel(task, force=True)
    results: list[Measurement | Failure] = []
    for task in started:
        try:
            results.append(
                ray.get(task) if task in ready else Failure(f"no answer within {seconds:g} s (runner.timeout)")
            )
        except RayError as exc:
            reason = known_reason(f"{type(exc).__name__}: {exc}")
            results.append(Failure(reason or f"its worker was lost: {first_line(exc)}"))
    return results


def _short_name(trial: Any) -> str:
    return str(trial.trial_id)
