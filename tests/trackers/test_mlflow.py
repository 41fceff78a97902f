from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.testing.tracker_contract import search_card, trial_record
from autoprompt_search.trackers.mlflow import MlflowTracker

from .harness import MlflowHarness, Server, database, free_port


@pytest.fixture
def harness(tmp_path: Path) -> MlflowHarness:
    shutil.copy(database(), tmp_path / "mlflow.db")
    return MlflowHarness(tmp_path)


def test_a_trial_is_readable_in_the_run_table(harness: MlflowHarness) -> None:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    params = {"template": "cloze", "demos.strategy": "knn", "demos.k": 4, "soft.method": "none"}
    tracker.log_trial(trial_record(12, TrialState.PRUNED, scores=(0.5,), kind="demos", params=params))
    tracker.log_trial(trial_record(13, TrialState.FAILED, scores=()))
    tracker.close("done", {}, (), status="finished")
    _, pruned, failed = harness.runs("f" * 16)
    assert pruned.info.run_name == "#12 demos template=cloze strategy=knn k=4"
    assert pruned.info.status == "FINISHED"
    tags = pruned.data.tags
    assert (tags["kind"], tags["state"], tags["rung"]) == ("demos", "pruned", "32")
    assert tags["reason"].startswith("not taken beyond 32 dev examples, where it scored 0.500")
    assert "Score **0.5000**" in tags["mlflow.note.content"]
    assert "dev/full_score" not in pruned.data.metrics
    assert failed.info.status == "FAILED"
    assert failed.data.tags["reason"] == "RuntimeError: loss is nan"
    assert pruned.info.start_time == 1_700_000_012_000


def test_metrics_have_the_examples_as_step_and_the_cost_adds_up(harness: MlflowHarness) -> None:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.log_trial(trial_record(0))
    tracker.close("done", {}, (), status="finished")
    run = harness.runs("f" * 16)[1]
    assert harness.series(run, "rung/accuracy") == [(32, 0.5), (128, 0.6)]
    assert harness.series(run, "dev/accuracy") == [(128, 0.6)]
    assert harness.series(run, "cost/forward_passes") == [(32, 32.0), (128, 160.0)]
    assert harness.series(run, "prompt/tokens") == [(32, 20.0), (128, 20.0)]
    assert set(run.data.metrics) >= {"dev/loss", "rung/score", "dev/stderr", "cost/seconds", "dev/full_score"}


def test_best_so_far_follows_trial_order_whatever_order_they_end_in(harness: MlflowHarness) -> None:
    full = {0: 0.5, 2: 0.4, 3: 0.9, 4: 0.6, 7: 0.95}
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    for number in (2, 0, 4):
        tracker.log_trial(trial_record(number, scores=(0.1, full[number])))
    tracker.log_trial(trial_record(1, TrialState.PRUNED, scores=(0.99,)))
    tracker.close("", {}, (), status="stopped")
    tracker.open(search_card(harness.folder))
    for number in (3, 7):
        tracker.log_trial(trial_record(number, scores=(0.1, full[number])))
    tracker.close("", {}, (), status="finished")
    parent = harness.runs("f" * 16)[0]
    points = dict(harness.series(parent, "best_so_far"))
    assert points == {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.9, 4: 0.9, 7: 0.95}
    assert len(harness.series(parent, "best_so_far")) == len(points)


def test_a_prompt_too_long_for_the_note_is_an_artifact_too(harness: MlflowHarness) -> None:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    for number, length in enumerate((4000, 4001)):
        made = trial_record(number)
        last = replace(made.measurements[-1], preview="x" * length)
        tracker.log_trial(replace(made, measurements=(*made.measurements[:-1], last)))
    tracker.close("done", {}, (), status="finished")
    (seen,) = harness.searches("f" * 16)
    assert [len(trial.prompt) for _, trial in sorted(seen.trials)] == [4000, 4001]
    client = MlflowClient(harness.uri)
    files = [[a.path for a in client.list_artifacts(run.info.run_id)] for run in harness.runs("f" * 16)[1:]]
    assert files == [[], ["prompt.txt"]]


def test_the_database_file_alone_holds_everything_when_the_search_ends(harness: MlflowHarness, tmp_path: Path) -> None:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.log_trial(trial_record(0))
    tracker.close("done", {}, (), status="finished")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(harness.folder / "mlflow.db", elsewhere)
    (seen,) = MlflowHarness(elsewhere).searches("f" * 16)
    assert [number for number, _ in seen.trials] == [0]


@pytest.mark.slow
def test_a_driver_that_dies_loses_nothing(harness: MlflowHarness) -> None:
    code = f"""
import os
from pathlib import Path
from autoprompt_search.testing.tracker_contract import search_card, trial_record
from autoprompt_search.trackers.mlflow import MlflowTracker
folder = Path({str(harness.folder)!r})
tracker = MlflowTracker(folder / "state", uri={harness.uri!r})
tracker.open(search_card(folder))
for number in range(6):
    tracker.log_trial(trial_record(number))
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert done.stderr == ""
    spool = harness.folder / "state" / "mlflow-spool.jsonl"
    with spool.open("a") as file:
        file.write('{"number": 6, "name": "torn')
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.log_trial(trial_record(6))
    tracker.close("done", {}, (), status="finished")
    (seen,) = harness.searches("f" * 16)
    assert [n for n, _ in seen.trials] == list(range(7))
    assert not spool.exists()


def test_a_search_started_afresh_gets_a_run_of_its_own(harness: MlflowHarness) -> None:
    for _ in range(2):
        tracker = harness.tracker()
        tracker.open(search_card(harness.folder))
        tracker.log_trial(trial_record(0))
        tracker.close("done", {}, (), status="finished")
        shutil.rmtree(harness.folder / "state")
    assert [len(seen.trials) for seen in harness.searches("f" * 16)] == [1, 1]


def test_a_trial_the_store_refuses_does_not_hold_up_the_others(
    harness: MlflowHarness, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    (parent,) = harness.runs("f" * 16)
    tags = {k: parent.data.tags[k] for k in ("search_id", "search_fingerprint")} | {"trial": "1"}
    client = MlflowClient(harness.uri)
    half = client.create_run(parent.info.experiment_id, tags=tags)
    client.log_param(half.info.run_id, "template", "another")  # MLflow lets no one change a parameter
    tracker.close("", {}, (), status="stopped")
    tracker.open(search_card(harness.folder))
    for number in range(3):
        tracker.log_trial(trial_record(number))
    tracker.close("done", {}, (), status="finished")
    states = {r.data.tags.get("trial"): r.info.status for r in harness.runs("f" * 16)}
    assert states == {None: "FINISHED", "0": "FINISHED", "1": "RUNNING", "2": "FINISHED"}
    assert "refuses trial 1" in caplog.text
    assert "does not answer" not in caplog.text


def test_the_module_is_importable_without_waiting_for_mlflow() -> None:
    code = "import sys, autoprompt_search.trackers.mlflow; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("uri", ["file:./mlruns", "file:///tmp/mlruns", "./mlruns", "mlruns"])
def test_plain_folders_are_refused_with_what_to_use(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///mlflow\.db"):
        MlflowTracker(tmp_path, uri=uri)


@pytest.mark.parametrize("place", ["file/mlflow.db", "not_a_database.db", "folder"])
def test_a_database_that_cannot_be_used_is_one_clear_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "not_a_database.db").write_text("words " * 1000)
    (tmp_path / "folder").mkdir()
    tracker = MlflowTracker(tmp_path / "state", uri=f"sqlite:///{tmp_path}/{place}")
    with pytest.raises(ConfigError, match=place) as caught:
        tracker.open(search_card(tmp_path))
    assert "does not answer: " in str(caught.value)
    assert "nothing came back" not in str(caught.value), "the reason is the database's own, and no limit was waited for"


@pytest.mark.slow
@pytest.mark.parametrize("answers", [False, True])
def test_a_server_that_is_not_there_is_one_clear_error(answers: bool, tmp_path: Path) -> None:
    """`answers`: the port is open, but whoever is behind it says nothing."""
    port = free_port()
    with socket.socket() as mute:
        if answers:
            mute.bind(("127.0.0.1", port))
            mute.listen()
        tracker = MlflowTracker(tmp_path / "state", uri=f"http://someone:secret@127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=str(port)) as caught:
            tracker.open(search_card(tmp_path))
    assert "nothing came back" not in str(caught.value), "the client gives up before the tracker does"
    assert "secret" not in str(caught.value)
    tracker.log_trial(trial_record(0))
    tracker.close("", {}, (), status="failed")


@pytest.mark.slow
def test_a_server_killed_in_the_middle_loses_nothing_and_shows_nothing_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(tmp_path)
    try:
        server.start()
        harness = MlflowHarness(tmp_path, server.uri)
        tracker = harness.tracker()
        tracker.open(search_card(tmp_path))
        for number in range(8):
            tracker.log_trial(trial_record(number))
            time.sleep(0.1)
        server.kill()
        with caplog.at_level(logging.WARNING):
            for number in range(8, 16):
                tracker.log_trial(trial_record(number))
            sender = tracker._sender
            assert sender is not None
            assert {entry.number for entry in sender._spool.load()} >= set(range(8, 16))
            tracker.close("gone", {}, (), status="stopped")
        assert not sender._thread.is_alive(), "it gave up, and was not left behind"
        assert "run again" in caplog.text

        server.start()
        tracker = harness.tracker()
        tracker.open(search_card(tmp_path))
        for number in range(16, 20):
            tracker.log_trial(trial_record(number))
        server.kill()
        tracker.log_trial(trial_record(20))
        server.start()
        tracker.log_trial(trial_record(21))
        tracker.close("all there", {}, (), status="finished")
        (seen,) = harness.searches("f" * 16)
        assert sorted(n for n, _ in seen.trials) == list(range(22))
        assert all(trial.prompt and trial.score == 0.6 for _, trial in seen.trials)
        assert (seen.description, seen.status) == ("all there", "finished")
        parent = harness.runs("f" * 16)[0]
        assert sorted(step for step, _ in harness.series(parent, "best_so_far")) == list(range(22))
    finally:
        server.kill()


def test_searches_can_be_compared_by_what_never_changes_about_them(harness: MlflowHarness) -> None:
    for _ in range(2):  # continued, the parent run has them once and still
        tracker = harness.tracker()
        tracker.open(search_card(harness.folder))
        tracker.close("", {}, (), status="stopped")
    (parent,) = harness.runs("f" * 16)
    assert parent.data.params == {"seed": "7"}
