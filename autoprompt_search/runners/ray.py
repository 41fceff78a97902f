"""Trials on a Ray cluster: Tune executes, the study decides.

Tune gets a searcher and a scheduler that only pass questions and answers to the driver. Actors are reused and
keep the model; exceptions are caught inside the trainable, because outside it Ray discards the actor.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import ray
from pydantic import Field
from ray import tune
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from autoprompt_search.core.errors import ConfigError, SearchError
from autoprompt_search.core.types import Measurement, Params, TrialState
from autoprompt_search.runners.driver import Driver
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.runners.resident import HostedRun, Residents, residents
from autoprompt_search.trial import Failure, TestTask, TrialJob, TrialRun, run_test_guarded

_Start = Callable[[Params], TrialRun | HostedRun]
"""A point to a trial at work on it."""
_RESULT = "result"
_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the user's working folder
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # csv, json and tensorboard files of every trial
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # our results are one object, not metrics
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the study is the only state that is ever resumed
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # a rung is decided before the next one starts
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # `gpus: 0` means no GPU
    "RAY_USAGE_STATS_ENABLED": "0",
}
_START_ATTEMPTS = 3
"""Ray gives a node 30 seconds to start, which a busy machine may miss."""
_RETRIES = 1
"""A trial whose worker died is run once more; what it had measured comes from the ledger."""


class RayRunner:
    """Runs trials on this machine's own Ray, or on a cluster.

    Args:
        address: None starts Ray on this machine; `auto`, `host:port` or `ray://host:port` joins a cluster.
        concurrency: Trials at a time.
        cpus: CPUs per trial; also the number of threads its worker computes with.
        gpus: GPUs per trial; fractions share one (Ray counts them, it does not divide the memory). None shares
            out what there is: a whole one per trial where there are enough, none where there are none.
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
        share: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        self._address, self._concurrency = address, concurrency
        self._cpus, self._gpus, self._share = cpus, gpus, share
        self._resources: dict[str, float] = {}
        self._started = False

    @property
    def is_on_cluster(self) -> bool:
        """As `Runner.is_on_cluster`."""
        return self._address is not None

    def run(self, driver: Driver, job: TrialJob) -> None:
        """As `Runner.run`."""
        if not driver.has_work():
            return
        self._start()
        bridge = _Bridge(driver, self._concurrency)
        start, resources = self._workers(job)
        home = str(Path.cwd())
        with tempfile.TemporaryDirectory(prefix="autoprompt-tune-", ignore_cleanup_errors=True) as scratch:
            tuner = tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(_Trainable, start=start, home=home), tune.PlacementGroupFactory([resources])
                ),
                run_config=tune.RunConfig(
                    name="search",
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[_Forget()],
                    failure_config=tune.FailureConfig(max_failures=_RETRIES),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
                tune_config=tune.TuneConfig(
                    search_alg=_Asks(bridge),
                    scheduler=_Decides(bridge),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_dirname_creator=_short_name,
                ),
            )
            try:
                tuner.fit()
            finally:
                if isinstance(start, Residents):
                    start.close()
        if bridge.error is not None:
            raise bridge.error
        if driver.live:  # Tune swallows Ctrl-C and returns with trials unfinished
            raise KeyboardInterrupt

    def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
        """As `Runner.test`."""
        if not self.is_on_cluster:  # this process has the libraries loaded; a worker would have to start first
            return LocalRunner().test(job, tasks)
        self._start()
        shared = ray.put(job)
        cpus, gpus = self._resources["CPU"], self._resources["GPU"]
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)(run_test_guarded)
        found: list[Measurement | Failure] = ray.get([remote.remote(shared, task) for task in tasks])
        return found

    def close(self) -> None:
        """Leave the cluster; stop Ray where this runner started it."""
        if self._started:
            ray.shutdown()
            self._started = False

    def _start(self) -> None:
        if self._started:
            return
        if not ray.is_initialized():
            self._join()
            self._started = True
        self._resources = {"CPU": self._cpus, "GPU": self._share_of_gpus()}
        self._check_resources()

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

    def _join(self) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        _survive_memory_kills()
        if self._address:
            _knock(self._address)
        logging.getLogger("ray").setLevel(logging.ERROR)
        options = {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, math.ceil(self._cpus))}
        for attempt in range(_START_ATTEMPTS):
            try:
                ray.init(
                    address=self._address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    configure_logging=False,
                    **({} if self._address else options),
                )
            except Exception as exc:
                ray.shutdown()
                reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
                if self._address:
                    raise ConfigError(f"runner.address: no Ray answers at {self._address!r}: {reason}") from exc
                if attempt == _START_ATTEMPTS - 1:
                    raise SearchError(
                        f"Ray did not start on this machine: {reason} Use --set runner.type=local to do without it."
                    ) from exc
            else:
                return

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
    """One actor, many trials: `reset_config` starts the next one in the same process, beside the loaded model."""

    def setup(self, config: dict[str, Any], start: _Start, home: str) -> None:
        if Path(home).is_dir():  # on another node it may not exist; absolute paths work there
            os.chdir(home)
        self._start = start
        self._run = start(config["params"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._run = self._start(new_config["params"])
        return True

    def step(self) -> dict[str, Any]:
        """One rung."""
        return {_RESULT: self._run.step()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the ledger is what survives."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing was saved."""


class _Bridge:
    """Tune's trial ids on one side, the driver's numbers on the other; lives in the driver process."""

    def __init__(self, driver: Driver, concurrency: int) -> None:
        self._driver, self._concurrency = driver, concurrency
        self._numbers: dict[str, int] = {}
        self.error: Exception | None = None
        """What ended the search early, raised again once Tune has stopped."""

    def ask(self, trial_id: str) -> dict[str, Any] | str | None:
        """Parameters of the next trial; None for "later", `Searcher.FINISHED` at the end."""
        if self.error is not None:
            return str(Searcher.FINISHED)
        if len(self._driver.live) >= self._concurrency:
            return None
        try:
            asked = self._driver.ask()
        except Exception as exc:  # noqa: BLE001 - Tune would log it and go on; it is raised again after `fit`
            self.error = exc
            return str(Searcher.FINISHED)
        if asked is None:
            return None if self._driver.live else str(Searcher.FINISHED)
        self._numbers[trial_id], params = asked
        return {"params": dict(params)}

    def stops(self, trial_id: str, result: Measurement | Failure | None) -> bool:
        """Take a trial's result in; True when the trial has ended."""
        number = self._numbers[trial_id]
        if number not in self._driver.live or self.error is not None:
            return True
        try:
            if isinstance(result, Failure):
                self._driver.failed(number, result)
            elif result is None:
                self._driver.ended(number, TrialState.COMPLETE)
            elif not self._driver.measured(number, result):
                if not result.fidelity.is_full:
                    return False
                self._driver.ended(number, TrialState.COMPLETE)
        except Exception as exc:  # noqa: BLE001 - as above
            self.error = exc
        return True

    def lost(self, trial_id: str) -> None:
        """A worker died, and died again."""
        number = self._numbers[trial_id]
        if number in self._driver.live:
            self.stops(trial_id, Failure("the worker process died (out of memory, or its node was lost)"))


class _Asks(Searcher):  # type: ignore[misc]
    """Tune's question for a next trial, passed to the study."""

    def __init__(self, bridge: _Bridge | None) -> None:
        super().__init__(metric=_RESULT, mode="max")
        self._bridge = bridge

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._bridge.ask(trial_id) if self._bridge else str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if error and self._bridge:
            self._bridge.lost(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a search is continued by running it again, never by restoring a Tune experiment")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bridge": None}


class _Decides(FIFOScheduler):  # type: ignore[misc]
    """Tune's question whether a trial goes on, passed to the study."""

    def __init__(self, bridge: _Bridge | None) -> None:
        super().__init__()
        self._bridge = bridge

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = self._bridge is None or self._bridge.stops(trial.trial_id, result[_RESULT])
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bridge": None}


class _Forget(tune.Callback):  # type: ignore[misc]
    """Tune keeps every trial's last result for ever; ours are large and already recorded."""

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        result.pop(_RESULT, None)


def _knock(address: str) -> None:
    """Raise `ConfigError` at once where nothing listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return  # `auto`, or a form that Ray judges itself
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as exc:
        raise ConfigError(f"runner.address: no Ray answers at {address!r}: {exc.strerror or exc}") from exc


def _short_name(trial: Any) -> str:
    return str(trial.trial_id)


def _survive_memory_kills() -> None:
    """Let Tune see a worker that Ray's memory monitor killed as a dead worker.

    Tune knows RayActorError and RayTaskError only; an OutOfMemoryError (a plain RayError) would end the whole
    `fit`. The patch is applied once, and only while Tune still has the method it mends.
    """
    original = getattr(RayActorManager, "_actor_task_failed", None)
    if original is None or getattr(original, "mended", False):
        return

    def mended(self: Any, tracked_actor_task: Any, exception: Exception) -> Any:
        if isinstance(exception, RayError) and not isinstance(exception, (RayActorError, RayTaskError)):
            reason = f"{type(exception).__name__}: {str(exception).splitlines()[0]}"
            dead = RayActorError()
            dead.error_msg = dead.base_error_msg = reason
            exception = dead
        return original(self, tracked_actor_task=tracked_actor_task, exception=exception)

    mended.mended = True  # type: ignore[attr-defined]
    RayActorManager._actor_task_failed = mended
