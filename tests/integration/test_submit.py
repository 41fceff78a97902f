"""A search handed to a real job server on loopback, stopped, handed in again, and brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from autoprompt_search import load_prompt

from .conftest import space_file
from .nodes import Cluster, running

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("aiohttp_cors") is None or find_spec("opencensus") is None,
        reason="Ray's job server needs ray[default]: pip install '.[cluster]'",
    ),
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running(cpus=2, dashboard=True) as made:
        made.await_jobs()
        yield made


def hand_in(cluster: Cluster, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "autoprompt_search", "submit", "space.yaml", "--address", cluster.jobs]
    command += ["--there", str(folder / "there"), "--env", "OMP_NUM_THREADS=1"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip


def test_a_job_is_stopped_goes_on_and_its_result_comes_back(cluster: Cluster, folder: Path) -> None:
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.3}
    space_file(folder, backend=backend, budget={"trials": 12}, runner={"type": "ray"}, tracker={"type": "mlflow"})
    first = hand_in(cluster, folder)
    assert first.stdout is not None
    heard = []
    while not any("[2/12]" in line for line in heard):
        heard.append(first.stdout.readline())
        assert heard[-1], "".join(heard) + first.communicate()[1]
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 130, errors
    assert "It has stopped. Finished trials are kept on the cluster" in errors
    assert not (folder / "reports").exists()

    second = hand_in(cluster, folder)
    said, errors = second.communicate(timeout=300)
    assert second.returncode == 0, said + errors
    assert "12 trials, " in said
    assert "of them finished before" in said
    assert "BEGIN AUTOPROMPT" not in said
    result = folder / "reports" / "small"
    assert {p.name for p in result.iterdir()} == {
        "best_prompt", "config.yaml", "report.html", "result.json", "summary.md", "trials.csv",
    }  # fmt: skip
    for name in ("trials.csv", "result.json", "best_prompt/prompt.yaml"):
        assert (result / name).read_bytes() == (folder / "there" / name).read_bytes()
    assert len(load_prompt(result / "best_prompt").predict(["I loved it."])) == 1
    assert (folder / "there" / "mlflow.db").exists()
