"""A search that writes to a real PostgreSQL and a real MLflow server while each of them is restarted."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest

from autoprompt_search import load_config, search
from autoprompt_search.core.measurements import Measurement, TrialRecord, TrialState
from autoprompt_search.session import Silent
from tests.trackers.harness import MlflowHarness, Server

from .conftest import space_file
from .servers import Postgres, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.skipif(find_spec("psycopg") is None, reason="needs psycopg: pip install '.[postgres]'"),
]
TRIALS = 16


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="postgres", ignore_cleanup_errors=True) as short:  # sockets: short names
        made = Postgres(Path(short))
        try:
            made.start()
            yield made
        finally:
            made.crash()


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[Server]:
    place = tmp_path / "mlflow server"
    place.mkdir()
    made = Server(place)
    try:
        made.start()
        yield made
    finally:
        made.kill()


class Restarts(Silent):
    """Takes the servers away in mid-search, one after the other, and brings each back while the search goes on."""

    def __init__(self, postgres: Postgres, mlflow: Server) -> None:
        self._postgres, self._mlflow = postgres, mlflow
        self._ended, self._has_crashed = 0, False
        self.ended_without_mlflow = 0
        self._back: threading.Thread | None = None

    def measured(self, number: int, measurement: Measurement) -> None:
        if number == TRIALS // 4 and not self._has_crashed:
            self._has_crashed = True
            self._postgres.crash()
            threading.Timer(1.0, self._postgres.start).start()

    def finished(self, record: TrialRecord) -> None:
        self._ended += 1
        if self._ended == TRIALS // 2:
            self._mlflow.kill()
            self._back = threading.Thread(target=self._mlflow.start)
            self._back.start()
        if self._back is not None and self._back.is_alive():
            self.ended_without_mlflow += 1
            if self._ended == TRIALS:
                self._back.join()


def test_both_servers_are_restarted_and_every_trial_is_there_once(
    folder: Path, postgres: Postgres, mlflow: Server, caplog: pytest.LogCaptureFixture
) -> None:
    calm = search(load_config(space_file(folder)), out=folder / "calm")
    study = {"type": "optuna", "reduction": 2, "storage": postgres.url}
    config = load_config(space_file(folder, study=study, tracker={"type": "mlflow", "uri": mlflow.uri}))
    watch = Restarts(postgres, mlflow)
    result = search(config, progress=watch)
    assert "The study's database answers again" in caplog.text
    assert f"MLflow at {mlflow.uri} answers again" in caplog.text
    assert watch.ended_without_mlflow > 1
    assert (result.folder / "trials.csv").read_bytes() == (calm.folder / "trials.csv").read_bytes()

    (name,) = optuna.get_all_study_names(postgres.url)
    stored = optuna.load_study(study_name=name, storage=postgres.url).trials
    assert sorted(t.user_attrs["number"] for t in stored) == list(range(TRIALS))
    assert all(t.state.is_finished() for t in stored)

    (parent, *trials) = MlflowHarness(folder, mlflow.uri).runs(name)  # both are named by what never changes of a search
    assert parent.info.status == "FINISHED"
    assert [int(run.data.tags["trial"]) for run in trials] == list(range(TRIALS))
    states = Counter(run.data.tags["state"] for run in trials)
    assert states == Counter(result.data["trials"])
    assert states.keys() >= {TrialState.COMPLETE.value, TrialState.PRUNED.value}
    assert not (result.folder / "state" / "mlflow-spool.jsonl").exists()
