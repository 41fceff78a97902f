"""A store that is away, for every verb of MLflow's client that the sender uses, over a real database."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.tracking import MlflowClient

from autoprompt_search.core.retry import Patience
from autoprompt_search.testing.tracker_contract import search_card, trial_record
from autoprompt_search.testing.unavailable import UnavailableClient
from autoprompt_search.trackers import _mlflow_sender as sending
from autoprompt_search.trackers import _mlflow_store as storing
from autoprompt_search.trackers.mlflow import MlflowTracker

from .harness import MlflowHarness, database

TRIALS, QUICK = 3, 0.01
OF_A_TRIAL = ("create_run", "log_batch", "set_terminated")
OF_ATTACHING = ("get_experiment_by_name", "search_runs", "update_run", "get_metric_history")
OF_THE_END = ("get_run",)
OF_ARTIFACTS = ("log_text", "log_artifact", "set_tag")
"""A store that takes no artifacts is told from one that is away by `set_tag`, which then says so."""
VERBS = (*OF_A_TRIAL, *OF_ATTACHING, *OF_THE_END, *OF_ARTIFACTS)
AWAY = [
    MlflowException("the server is starting", TEMPORARILY_UNAVAILABLE),
    ConnectionError("connection refused"),
]
REFUSES = MlflowException("this cannot be stored", INVALID_PARAMETER_VALUE)


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowHarness:
    shutil.copy(database(), tmp_path / "mlflow.db")
    monkeypatch.setattr(sending, "FIRST_WAIT", QUICK)
    monkeypatch.setattr(sending, "PATIENCE", Patience(tries=0, first=QUICK, longest=4 * QUICK))
    return MlflowHarness(tmp_path)


class Store:
    """The client of every connection that the sender makes, as one whose verbs fail from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away: Any = None
        real = MlflowClient
        monkeypatch.setattr(storing, "MlflowClient", lambda uri: self.away or real(uri))

    def fails(self, tracker: MlflowTracker, uri: str, problem: Exception, times: dict[str, float]) -> None:
        assert tracker._sender is not None
        self.away = UnavailableClient(MlflowClient(uri), problem, times)
        tracker._sender._store._client = self.away


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def plan(verb: str, times: float) -> dict[str, float]:
    """What has to fail so that this verb is asked, and fails."""
    if verb in OF_ATTACHING:
        return {"set_terminated": 1, verb: times}
    if verb in OF_ARTIFACTS:
        return {"log_text" if verb == "log_text" else "log_artifact": times, "set_tag": times}
    return {verb: times}


def send(tracker: MlflowTracker, folder: Path) -> None:
    """Three trials, one of them with a long prompt, and the end of the search with a file."""
    for number in range(TRIALS):
        made = trial_record(number)
        last = replace(made.measurements[-1], preview="x" * (5000 if number == 1 else 10))
        tracker.log_trial(replace(made, measurements=(*made.measurements[:-1], last)))
    (folder / "result.txt").write_text("done")
    tracker.close("all there", {"best/test": 0.5}, [folder / "result.txt"], status="finished")


def is_complete(harness: MlflowHarness) -> bool:
    (seen,) = harness.searches("f" * 16)
    assert sorted(number for number, _ in seen.trials) == list(range(TRIALS)), "each is there once"
    return (seen.status, seen.description) == ("finished", "all there")


@pytest.mark.slow
@pytest.mark.parametrize("problem", AWAY, ids=lambda problem: type(problem).__name__)
@pytest.mark.parametrize("verb", VERBS)
def test_what_passes_is_sent_again_and_is_there_once(
    verb: str, problem: Exception, harness: MlflowHarness, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tracker: Any = harness.tracker()
    tracker.open(search_card(harness.folder))
    store.fails(tracker, harness.uri, problem, plan(verb, 3))
    send(tracker, harness.folder)
    assert is_complete(harness)
    assert store.away.calls[verb] >= 3
    assert caplog.text.count("does not answer") == 1
    assert caplog.text.count("answers again") == 1
    assert not list((harness.folder / "state").glob("*spool*"))


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_what_lasts_is_given_up_at_the_end_said_once_and_sent_by_the_next_run(
    verb: str, harness: MlflowHarness, store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "CLOSING_PATIENCE", 20 * QUICK)
    tracker: Any = harness.tracker()
    tracker.open(search_card(harness.folder))
    store.fails(tracker, harness.uri, AWAY[1], plan(verb, float("inf")))
    with caplog.at_level(logging.WARNING):
        send(tracker, harness.folder)
    assert store.away.calls[verb] >= 1
    assert caplog.text.count("sent when the same search is run again") == 1
    assert (harness.folder / "state" / "mlflow-spool.jsonl").exists()
    store.away = None
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.close("all there", {}, (), status="finished")
    assert is_complete(harness)


@pytest.mark.parametrize("verb", OF_A_TRIAL)
def test_a_trial_that_is_refused_is_tried_twice_and_holds_up_no_other(
    verb: str, harness: MlflowHarness, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Twice, because the first answer may be about what another try has left there."""
    tracker: Any = harness.tracker()
    tracker.open(search_card(harness.folder))
    store.fails(tracker, harness.uri, REFUSES, {verb: 2})
    send(tracker, harness.folder)
    parent, *runs = harness.runs("f" * 16)
    finished = {run.data.tags["trial"] for run in runs if run.info.status == "FINISHED"}
    assert (finished, parent.info.status) == ({"1", "2"}, "FINISHED")
    assert caplog.text.count("refuses trial 0: ") == 1
    assert "does not answer" not in caplog.text


def test_tries_grow_rarer_also_where_the_store_can_be_read(
    harness: MlflowHarness, store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that cannot be written to for a while: attaching works, and is no sign that it is over."""
    waits: list[float] = []
    pause = sending.Sender._pause
    monkeypatch.setattr(sending.Sender, "_pause", lambda self, wait: waits.append(wait) or pause(self, wait))
    monkeypatch.setattr(sending, "PATIENCE", Patience(tries=0, first=QUICK, longest=100 * QUICK))
    tracker: Any = harness.tracker()
    tracker.open(search_card(harness.folder))
    store.fails(tracker, harness.uri, AWAY[1], {"set_terminated": 5})
    send(tracker, harness.folder)
    assert is_complete(harness)
    assert all(later >= QUICK * 2**n / 2 for n, later in enumerate(waits))
    assert len(waits) == 5
    assert caplog.text.count("does not answer") == 1
