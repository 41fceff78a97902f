"""A job server that is away, for every verb of a job; integration/test_submit.py follows a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="Ray's job server needs ray[default]: pip install '.[cluster]'")

import requests
from aiohttp import ClientPayloadError, RequestInfo, ServerDisconnectedError, WSServerHandshakeError
from multidict import CIMultiDict, CIMultiDictProxy
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus
from yarl import URL

from autoprompt_search.core import retry as retrying
from autoprompt_search.core.errors import ConfigError, SearchError
from autoprompt_search.runners import jobs
from autoprompt_search.runners.jobs import PATIENCE, Job, JobSpec
from autoprompt_search.testing.unavailable import UnavailableClient


class Server:
    """A client of a job that says two lines, runs for as long as it is followed once, and ends well."""

    def __init__(self) -> None:
        self._has_ended = False

    def get_job_status(self, name: str) -> JobStatus:
        return JobStatus.SUCCEEDED if self._has_ended else JobStatus.RUNNING

    async def tail_job_logs(self, name: str) -> AsyncIterator[str]:
        self._has_ended = True
        yield "one\ntw"

    def get_job_logs(self, name: str) -> str:
        return "one\ntwo\n"

    def get_job_info(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(message="Job finished")

    def stop_job(self, name: str) -> bool:
        self._has_ended = True
        return True


def handshake(status: int) -> WSServerHandshakeError:
    url, none = URL("http://head:8265"), CIMultiDictProxy(CIMultiDict[str]())
    return WSServerHandshakeError(RequestInfo(url, "GET", none, url), (), status=status, message="no")


def follow(job: Job) -> object:
    said: list[str] = []
    return job.follow(said.append), said


VERBS: dict[str, tuple[Callable[[Job], object], object]] = {
    "get_job_status": (follow, ("SUCCEEDED", ["one", "two"])),
    "tail_job_logs": (follow, ("SUCCEEDED", ["one", "two"])),
    "get_job_logs": (follow, ("SUCCEEDED", ["one", "two"])),
    "get_job_info": (lambda job: job.reason(), "Job finished"),
    "stop_job": (lambda job: job.stop(), True),
}
PASS = [
    requests.ConnectionError("Connection refused"),
    requests.Timeout("read timed out"),
    ServerDisconnectedError(),
    ClientPayloadError("cut off"),
    handshake(503),
    RuntimeError("Request failed with status code 502: Bad Gateway."),
    RuntimeError("WebSocket connection closed unexpectedly with close code 1006"),
]
STAY = [RuntimeError("Request failed with status code 404: no such job."), AuthenticationError("token"), handshake(401)]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", waits.append)
    return waits


def made(verb: str, problem: Exception, times: float) -> tuple[Job, Any]:
    client: Any = UnavailableClient(Server(), problem, {verb: times})
    return Job(client, "raysubmit_1"), client


@pytest.mark.parametrize("problem", PASS, ids=repr)
@pytest.mark.parametrize("verb", VERBS)
def test_what_passes_is_tried_again(verb: str, problem: Exception, slept: list[float]) -> None:
    job, client = made(verb, problem, 3)
    act, answer = VERBS[verb]
    assert act(job) == answer
    assert client.calls[verb] >= 4
    assert len(slept) == 3


@pytest.mark.parametrize("verb", VERBS)
def test_what_lasts_is_one_error_after_so_many_tries(verb: str, slept: list[float]) -> None:
    job, client = made(verb, PASS[0], float("inf"))
    with pytest.raises(
        SearchError, match=r"does not answer any more \(Connection refused\); the job raysubmit_1 goes on"
    ):
        VERBS[verb][0](job)
    assert client.calls[verb] == PATIENCE.tries
    assert len(slept) == PATIENCE.tries - 1
    assert PATIENCE.most_seconds / 2 <= sum(slept) <= PATIENCE.most_seconds


@pytest.mark.parametrize("problem", STAY, ids=repr)
@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_is_one_error_at_once(verb: str, problem: Exception, slept: list[float]) -> None:
    job, client = made(verb, problem, float("inf"))
    with pytest.raises(SearchError, match="refuses to speak of the job raysubmit_1: "):
        VERBS[verb][0](job)
    assert client.calls[verb] == 1
    assert slept == []


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (ConnectionError("Failed to connect"), "--address: no Ray job server answers at 'http://head:8265': Failed to"),
        (PASS[0], "--address: no Ray job server answers at 'http://head:8265': Connection refused"),
        (PASS[5], "does not take the job: Request failed with status code 502"),
        (STAY[1], "does not take the job: token"),
        (ValueError("working_dir is too large"), "does not take the job: working_dir is too large"),
    ],
    ids=repr,
)
def test_a_job_is_handed_in_once(
    problem: Exception, expected: str, slept: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A try whose answer got lost may have started it."""

    class Client:
        def submit_job(self, **_: object) -> str:
            return "raysubmit_1"

    client = UnavailableClient(Client(), problem, {"submit_job": 1})
    monkeypatch.setattr(jobs, "JobSubmissionClient", lambda address: client)
    with pytest.raises(ConfigError, match=expected):
        Job.submit("http://head:8265", JobSpec("true", tmp_path))
    assert client.calls["submit_job"] == 1
    assert slept == []
    assert Job.submit("http://head:8265", JobSpec("true", tmp_path)).name == "raysubmit_1"
