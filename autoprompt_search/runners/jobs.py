"""Ray's job server, as far as a search needs it: hand in a job, follow what it says, stop it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError
from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from autoprompt_search.core.errors import ConfigError, SearchError, one_line
from autoprompt_search.core.retry import Patience, retry
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.uris import public, public_uri

for _chatty in ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
    logging.getLogger(_chatty).setLevel(logging.ERROR)

PATIENCE = Patience(tries=12, first=0.5, longest=10.0)
"""Patience with a server that answered before: about a minute and a half."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a job is given."""

    command: str
    """Command for the head node's shell, run in a copy of `folder`."""
    folder: Path
    left_out: tuple[str, ...] = ()
    """Patterns of files in `folder` that stay here, as in a .gitignore."""
    package: Path | None = None
    """A Python package that the job and its workers import; None where the cluster has it."""
    requirements: tuple[str, ...] = ()
    """Installed with pip on every node before the job starts."""
    environment: Mapping[str, str] = field(default_factory=dict)


class Job:
    """One job on a cluster. Reading and stopping it are tried again while the server does not answer."""

    def __init__(self, client: JobSubmissionClient, name: str) -> None:
        self._client, self.name = client, name
        self._rng = derive_rng("jobs", name)

    @classmethod
    def submit(cls, address: str, spec: JobSpec) -> Job:
        """Hand in a job, once: nobody knows what became of a try that failed.

        `ConfigError` where no job server answers or what it is given cannot be sent.
        """
        shown = public_uri(address)
        try:
            client = JobSubmissionClient(address)
            return cls(client, client.submit_job(entrypoint=spec.command, runtime_env=_environment(spec)))
        except OSError as exc:
            raise ConfigError(f"--address: no Ray job server answers at {shown!r}: {_said(exc, address)}") from exc
        except (RuntimeError, ValueError, RayError) as exc:
            raise ConfigError(f"the cluster at {shown!r} does not take the job: {_said(exc, address)}") from exc

    def follow(self, say: Callable[[str], None]) -> str:
        """Pass on every line that the job writes, until it ends; how it ended: `SUCCEEDED`, `FAILED` or `STOPPED`.

        A connection that breaks is taken up again where it broke.
        """
        heard = _Lines(say)
        while not (status := self._ask(lambda: self._client.get_job_status(self.name))).is_terminal():
            heard.begin()
            self._ask(lambda: asyncio.run(self._listen(heard)))
        heard.begin()
        heard.hear(self._ask(lambda: self._client.get_job_logs(self.name)))
        heard.end()
        return str(status.value)

    def reason(self) -> str:
        """What the server says of how the job ended, in one line."""
        said = str(self._ask(lambda: self._client.get_job_info(self.name)).message or "").strip()
        return said.partition("\n")[0].partition(", last available logs")[0]

    def stop(self, patience: float = 60.0) -> bool:
        """Ask the job to stop, as a person would with Ctrl-C; whether it has within so many seconds."""
        self._ask(lambda: self._client.stop_job(self.name))
        waiting = threading.Event()
        for _ in range(int(patience)):
            if self._ask(lambda: self._client.get_job_status(self.name)).is_terminal():
                return True
            waiting.wait(1.0)
        return False

    async def _listen(self, heard: _Lines) -> None:
        async for chunk in self._client.tail_job_logs(self.name):
            heard.hear(chunk)

    def _ask(self, action: Callable[[], Any]) -> Any:
        try:
            return retry(action, PATIENCE, passes=_is_away, rng=self._rng)
        except Exception as exc:  # Ray's client raises errors of many kinds
            if not _is_away(exc):
                raise SearchError(f"the job server refuses to speak of the job {self.name}: {one_line(exc)}") from exc
            raise SearchError(
                f"the job server does not answer any more ({one_line(exc)}); the job {self.name} goes on without us"
            ) from exc


def _said(exc: Exception, address: str) -> str:
    return public(one_line(exc), address)


class _Lines:
    """Whole lines, each once: a connection that is taken up again begins with what was heard before."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said, self._seen, self._rest = 0, 0, ""

    def begin(self) -> None:
        """Start again at the beginning of the log."""
        self._seen, self._rest = 0, ""

    def hear(self, chunk: str) -> None:
        """The next piece of the log, cut anywhere."""
        *lines, self._rest = (self._rest + chunk).split("\n")
        for line in lines:
            self._seen += 1
            if self._seen > self._said:
                self._said = self._seen
                self._say(line)

    def end(self) -> None:
        """Print what is left, because the log is complete."""
        if self._rest:
            self.hear("\n")


def _environment(spec: JobSpec) -> dict[str, Any]:
    environment: dict[str, Any] = {
        "working_dir": str(spec.folder),
        "excludes": list(spec.left_out),
        "env_vars": dict(spec.environment),
    }
    if spec.package is not None:
        environment["py_modules"] = [str(spec.package)]
    if spec.requirements:
        environment["pip"] = list(spec.requirements)
    return environment


def _is_away(exc: Exception) -> bool:
    """Whether the connection or the server is at fault, as opposed to what was asked of it."""
    if isinstance(exc, ClientError):
        return int(getattr(exc, "status", 500)) >= 500
    return isinstance(exc, OSError) or "WebSocket" in str(exc) or "status code 5" in str(exc)


__all__ = ["Job", "JobSpec", "JobStatus"]
