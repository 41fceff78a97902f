"""Looks at what trackers recorded."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.protocols.output import Tracker
from autoprompt_search.testing.tracker_contract import SeenSearch, SeenTrial, search_card
from autoprompt_search.trackers.memory import MemoryTracker
from autoprompt_search.trackers.mlflow import MlflowTracker

SEARCHES = {"RUNNING": "running", "FINISHED": "finished", "KILLED": "stopped", "FAILED": "failed"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@functools.cache
def database() -> Path:
    """An MLflow database with its tables, to copy: MLflow takes seconds to make them."""
    folder = Path(tempfile.mkdtemp())
    tracker = MlflowHarness(folder).tracker()
    tracker.open(search_card(folder, "0" * 16))
    tracker.close("", {}, (), status="finished")
    return folder / "mlflow.db"


class MemoryHarness:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tracker = MemoryTracker()

    def tracker(self) -> Tracker:
        return self._tracker

    def searches(self, fingerprint: str) -> list[SeenSearch]:
        t = self._tracker
        trials = [
            (n, SeenTrial(r.state, {k: str(v) for k, v in r.params.items()}, r.last and r.last.score, r.preview))
            for n, r in t.records.items()
        ]
        return [SeenSearch(t.description, t.status, t.metrics, frozenset(f.name for f in t.files), trials)]


class MlflowHarness:
    def __init__(self, folder: Path, uri: str = "") -> None:
        self.folder = folder
        self.uri = uri or f"sqlite:///{folder}/mlflow.db"

    def tracker(self) -> Tracker:
        return MlflowTracker(self.folder / "state", uri=self.uri)

    def runs(self, fingerprint: str) -> list[Run]:
        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name("autoprompt-search")
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id], f"tags.search_fingerprint = '{fingerprint}'")
        return sorted(found, key=lambda r: int(r.data.tags.get("trial", -1)))

    def series(self, run: Run, metric: str) -> list[tuple[int, float]]:
        points = MlflowClient(self.uri).get_metric_history(run.info.run_id, metric)
        return sorted((p.step, p.value) for p in points)

    def searches(self, fingerprint: str) -> list[SeenSearch]:
        runs = self.runs(fingerprint)
        return [self._seen(p, runs) for p in runs if "trial" not in p.data.tags]

    def _seen(self, parent: Run, runs: list[Run]) -> SeenSearch:
        client = MlflowClient(self.uri)
        mine = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return SeenSearch(
            parent.data.tags["mlflow.note.content"],
            SEARCHES[parent.info.status],
            dict(parent.data.metrics),
            frozenset(a.path for a in client.list_artifacts(parent.info.run_id)),
            [(int(r.data.tags["trial"]), self._seen_trial(r)) for r in mine],
        )

    def _seen_trial(self, run: Run) -> SeenTrial:
        client = MlflowClient(self.uri)
        has_prompt = any(a.path == "prompt.txt" for a in client.list_artifacts(run.info.run_id))
        if has_prompt:
            prompt = Path(client.download_artifacts(run.info.run_id, "prompt.txt")).read_text()
        else:
            fenced = re.search(
                r"^(`{3,})text\n(.*)\n\1$", run.data.tags["mlflow.note.content"], re.DOTALL | re.MULTILINE
            )
            prompt = fenced[2] if fenced else ""
        return SeenTrial(
            TrialState(run.data.tags["state"]), dict(run.data.params), run.data.metrics.get("rung/score"), prompt
        )


class Server:
    """A real MLflow server on loopback that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        args = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--artifacts-destination"]
        args += [str(self.folder / "artifacts"), "--workers", "1", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *args],
                env=env,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, HTTPException):
                time.sleep(0.3)
        raise TimeoutError((self.folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
