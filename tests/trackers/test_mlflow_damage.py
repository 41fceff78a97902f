"""What people do to a store and to the spool while a search runs, or between two runs: said once, and it goes on."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from autoprompt_search.core.retry import Patience
from autoprompt_search.testing.tracker_contract import search_card, trial_record
from autoprompt_search.trackers import _mlflow_sender as sending
from autoprompt_search.trackers.mlflow import MlflowTracker

from .harness import MlflowHarness, database

PRINT = "f" * 16


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowHarness:
    shutil.copy(database(), tmp_path / "mlflow.db")
    monkeypatch.setattr(sending, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(sending, "PATIENCE", Patience(tries=0, first=0.01, longest=0.04))
    monkeypatch.setattr(sending, "CLOSING_PATIENCE", 0.3)
    return MlflowHarness(tmp_path)


def opened(harness: MlflowHarness) -> MlflowTracker:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    assert isinstance(tracker, MlflowTracker)
    return tracker


def search(harness: MlflowHarness, *numbers: int) -> None:
    tracker = opened(harness)
    for number in numbers:
        tracker.log_trial(trial_record(number))
    tracker.close("done", {}, (), status="finished")


def spool(harness: MlflowHarness) -> Path:
    return harness.folder / "state" / "mlflow-spool.jsonl"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_deleted_parent_run_is_made_anew_with_the_trials_that_are_left(
    harness: MlflowHarness, caplog: pytest.LogCaptureFixture
) -> None:
    search(harness, 0, 1)
    client = MlflowClient(harness.uri)
    client.delete_run(next(run.info.run_id for run in harness.runs(PRINT) if "trial" not in run.data.tags))
    search(harness, 0, 1, 2)
    [found] = harness.searches(PRINT)
    assert sorted(number for number, _ in found.trials) == [0, 1, 2]
    parent = next(run.info.run_id for run in harness.runs(PRINT) if "trial" not in run.data.tags)
    children = [run for run in harness.runs(PRINT) if "trial" in run.data.tags]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent}
    [said] = warnings(caplog)
    assert "was deleted" in said


def test_a_deleted_experiment_ends_no_search(harness: MlflowHarness, caplog: pytest.LogCaptureFixture) -> None:
    tracker = opened(harness)
    client = MlflowClient(harness.uri)
    experiment = client.get_experiment_by_name("autoprompt-search")
    client.delete_experiment(experiment.experiment_id)
    for number in range(3):
        tracker.log_trial(trial_record(number))
    tracker.close("done", {}, (), status="finished")
    assert any("is deleted: restore it" in line for line in warnings(caplog))
    assert sum("does not answer, trials are kept" in line for line in warnings(caplog)) == 1
    client.restore_experiment(experiment.experiment_id)
    search(harness, 0, 1, 2)
    [found] = harness.searches(PRINT)
    assert sorted(number for number, _ in found.trials) == [0, 1, 2]


def test_a_database_that_was_removed_is_said_and_made_by_the_next_run(
    harness: MlflowHarness, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = opened(harness)
    tracker.log_trial(trial_record(0))
    for path in harness.folder.glob("mlflow.db*"):
        path.unlink()
    tracker.close("done", {}, (), status="finished")
    assert sum("was removed while the search ran" in line for line in warnings(caplog)) == 1
    assert not (harness.folder / "mlflow.db").exists(), "an empty file would look like a store"
    shutil.copy(database(), harness.folder / "mlflow.db")
    search(harness, 0)


def test_damaged_lines_of_the_spool_are_put_aside(harness: MlflowHarness, caplog: pytest.LogCaptureFixture) -> None:
    tracker = opened(harness)
    tracker.log_trial(trial_record(0))
    whole = spool(harness).read_text(encoding="utf-8")
    tracker.close("", {}, (), status="stopped")
    odd = whole.replace('"number": 0', '"number": [0]')
    seventh = whole.replace('"number": 0', '"number": 7').replace('"trial": "0"', '"trial": "7"')
    spool(harness).write_text("rubbish\n" + odd + seventh + '{"torn', encoding="utf-8")
    search(harness)
    [said] = warnings(caplog)
    assert "2 of its lines cannot be read" in said
    assert len(list(spool(harness).parent.glob("*.damaged"))) == 1
    [found] = harness.searches(PRINT)
    assert 7 in {number for number, _ in found.trials}


def test_a_folder_in_the_spools_place_is_put_aside(harness: MlflowHarness, caplog: pytest.LogCaptureFixture) -> None:
    spool(harness).mkdir(parents=True)
    search(harness, 0, 1)
    [said] = warnings(caplog)
    assert "is damaged (Is a directory)" in said
    [found] = harness.searches(PRINT)
    assert sorted(number for number, _ in found.trials) == [0, 1]
