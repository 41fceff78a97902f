"""Starting Ray on this machine, or joining a cluster, with the settings that searches need."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError

from autoprompt_search.core.errors import ConfigError, SearchError, first_line
from autoprompt_search.core.retry import Patience, retry
from autoprompt_search.core.rng import derive_rng

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the user's working folder
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # csv, json and tensorboard files of every trial
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # our results are one object, not metrics
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the study is the only state that is ever resumed
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # a rung is decided before the next one starts
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "PL_DISABLE_FORK": "1",  # as Tune sets it for its actors
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # `gpus: 0` means no GPU
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "3",  # of a finalist's measurement; without end by default
}
_STARTS = Patience(tries=3, first=1.0)
"""Ray gives a node 30 seconds to start, which a busy machine may miss."""


def join(address: str | None, cores: int) -> None:
    """Connect this process to the Ray at `address`, or to one that it starts here, which is told of so many CPUs.

    Raises `ConfigError` where no Ray answers at the address, `SearchError` where none starts here.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _survive_memory_kills()
    _stay_on_loopback(is_alone=address is None)
    logging.getLogger("ray").setLevel(logging.ERROR)
    for chatty in ("ray.tune.execution.tune_controller", "ray.tune.tune"):  # a page for every worker that dies
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    with _own_sigterm():
        if address:
            _knock(address)
            _connect(address)
            return
        retry(
            lambda: _connect(None, include_dashboard=False, num_cpus=cores),
            _STARTS,
            passes=lambda exc: isinstance(exc, SearchError),
            rng=derive_rng("ray", os.getpid()),
        )


def _connect(address: str | None, **options: Any) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    try:
        ray.init(address=address or "local", **quiet, **options)
    except Exception as exc:  # Ray's client raises errors of many kinds
        ray.shutdown()
        reason = first_line(exc)
        if address:
            raise ConfigError(f"runner.address: no Ray answers at {address!r}: {reason}") from exc
        raise SearchError(
            f"Ray did not start on this machine: {reason} Use --set runner.type=local to do without it."
        ) from exc


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the caller's: put it back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _stay_on_loopback(*, is_alone: bool) -> None:
    """Let a Ray of this machine alone listen on this machine alone; on Linux it would listen to the whole network.

    Ray has the switch for other systems, where a firewall asks; it is read whenever a node starts.
    """
    if hasattr(ray_constants, "ENABLE_RAY_CLUSTER"):
        ray_constants.ENABLE_RAY_CLUSTER = not is_alone


def _knock(address: str) -> None:
    """Raise `ConfigError` at once where nothing listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        return  # `auto`, or a form that Ray judges itself
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as exc:
        raise ConfigError(f"runner.address: no Ray answers at {address!r}: {exc.strerror or exc}") from exc


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
            reason = f"{type(exception).__name__}: {first_line(exception)}"
            dead = RayActorError()
            dead.error_msg = dead.base_error_msg = reason
            exception = dead
        return original(self, tracked_actor_task=tracked_actor_task, exception=exception)

    mended.mended = True  # type: ignore[attr-defined]
    RayActorManager._actor_task_failed = mended
