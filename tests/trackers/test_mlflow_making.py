"""The database is there whole or not at all, however many begin together and whatever ends them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from autoprompt_search.core.file_lock import file_lock
from autoprompt_search.testing.tracker_contract import search_card, trial_record
from autoprompt_search.trackers import _mlflow_making
from autoprompt_search.trackers._mlflow_making import ensure_made
from autoprompt_search.trackers._mlflow_store import MlflowStore
from autoprompt_search.trackers.mlflow import MlflowTracker

from .harness import MlflowHarness, database

OPENERS = Path(__file__).with_name("openers.py")


def half_made(path: Path, tables: int = 3) -> Path:
    """What a kill leaves: MLflow's first tables, and none of the later ones."""
    with closing(sqlite3.connect(database())) as whole, closing(sqlite3.connect(path)) as made:
        for name in ("experiments", "runs", "metrics", "params", "tags", "alembic_version")[:tables]:
            (statement,) = whole.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name]).fetchone()
            made.execute(statement)
        made.commit()
    return path


def use(folder: Path) -> list[int]:
    """Open, record and look: the trials of the one search."""
    harness = MlflowHarness(folder)
    tracker = harness.tracker()
    tracker.open(search_card(folder))
    tracker.log_trial(trial_record(0))
    tracker.close("done", {}, (), status="finished")
    return [number for seen in harness.searches("f" * 16) for number, _ in seen.trials]


@pytest.mark.slow
@pytest.mark.parametrize("tables", [1, 3, 6])
def test_a_half_made_database_is_set_aside_and_made_again(
    tables: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_mlflow_making, "QUIET_SECONDS", 0.0)
    left = half_made(tmp_path / "mlflow.db", tables).read_bytes()
    (tmp_path / "mlflow.db-journal").write_bytes(b"")
    assert use(tmp_path) == [0]
    assert (tmp_path / "mlflow.db.half-made-1").read_bytes() == left
    (said,) = [r.getMessage() for r in caplog.records if "half-made" in r.getMessage()]
    assert "is made again" in said
    assert "\n" not in said


def test_a_file_that_somebody_else_is_just_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mlflow_making, "QUIET_SECONDS", 60.0)
    path = half_made(tmp_path / "mlflow.db")
    end = threading.Timer(0.5, lambda: shutil.copy(database(), path))
    end.start()
    ensure_made(path)
    end.join()
    assert not list(tmp_path.glob("*half-made*"))
    assert use(tmp_path) == [0]


@pytest.mark.parametrize("statement", [
    "INSERT INTO experiments (experiment_id, name) VALUES (7, 'mine')",
    "INSERT INTO runs (run_uuid) VALUES ('a')",
    "CREATE TABLE mine (id INTEGER)",
])  # fmt: skip
def test_what_may_hold_something_is_never_set_aside(statement: str, tmp_path: Path) -> None:
    path = half_made(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    os.utime(path, (1e9, 1e9))
    before = path.read_bytes()
    ensure_made(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_leftovers_of_another_file_do_not_get_into_a_new_one(tmp_path: Path) -> None:
    for ending in ("-wal", "-shm", "-journal", ".draft", ".draft-journal", ".lock"):
        (tmp_path / f"mlflow.db{ending}").write_bytes(b"of a database that is gone " * 100)
    assert use(tmp_path) == [0]
    assert {file.name for file in tmp_path.glob("mlflow.db*")} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["with blank.db", "per%cent.db", "sha#rp.db", "ünï.db"])
def test_any_name(name: str, tmp_path: Path) -> None:
    ensure_made(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mlflow.db").symlink_to(tmp_path / "elsewhere" / "kept.db")
    assert use(tmp_path) == [0]
    assert (tmp_path / "mlflow.db").is_symlink()


def test_a_lock_is_held_by_one_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        file_lock(path, seconds=0),
        pytest.raises(TimeoutError, match="held by another process"),
        file_lock(path, seconds=0.1),
    ):
        pass
    assert not path.exists()
    code = f"""
import os
from pathlib import Path
from autoprompt_search.core.file_lock import file_lock
with file_lock(Path({str(path)!r}), seconds=0):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert path.exists()
    with file_lock(path, seconds=0):
        pass


def test_a_maker_that_does_not_end_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mlflow_making, "MAKING_SECONDS", 0.1)
    tracker = MlflowTracker(tmp_path / "state", uri=f"sqlite:///{tmp_path}/mlflow.db")
    begun = time.monotonic()
    with (
        file_lock(tmp_path / "mlflow.db.lock", seconds=0),
        pytest.raises(Exception, match=r"mlflow\.db\.lock is held by another process"),
    ):
        tracker.open(search_card(tmp_path))
    assert time.monotonic() - begun < 60


def opened(kind: str, folder: Path, count: int) -> list[dict[str, object]]:
    command = [sys.executable, str(OPENERS), kind, str(folder), str(count)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, object]] = json.loads(done.stdout)
    return seen


@pytest.mark.slow
def test_searches_begun_ten_at_a_time_all_find_their_database(tmp_path: Path) -> None:
    assert opened("groups", tmp_path, 40) == [{"codes": [0] * 10, "searches": 10}] * 4


@pytest.mark.slow
def test_forty_kills_while_it_is_made_block_nobody(tmp_path: Path) -> None:
    for lane in opened("kills", tmp_path, 40):
        assert (lane["searches"], lane["left"]) == (1, [])
        codes = lane["codes"]
        assert isinstance(codes, list)
        assert (codes[0], codes[-1]) == (0, 0)
        assert set(codes) <= {0, -9, -15, 130}
        assert sum(code != 0 for code in codes) >= 10


def test_a_file_that_others_write_to_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, tries = MlflowStore.attach, []

    def attach(store: MlflowStore) -> None:
        tries.append(store)
        if len(tries) < 3:
            raise sqlite3.OperationalError("database is locked")
        whole(store)

    shutil.copy(database(), tmp_path / "mlflow.db")
    monkeypatch.setattr(MlflowStore, "attach", attach)
    assert use(tmp_path) == [0]
    assert len(tries) == 3
