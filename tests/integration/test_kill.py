"""A driver killed at random moments loses nothing that was measured."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoprompt_search import load_config, search

from .conftest import space_file

KILLS = 10


def _run(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "autoprompt_search", "run", str(folder / "space.yaml"), "--out", out]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip


@pytest.mark.slow
def test_ten_kills_and_the_same_leaderboard(folder: Path) -> None:
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.15}
    space_file(folder, backend=backend, budget={"trials": 30})
    config = load_config(folder / "space.yaml")
    undisturbed = search(config, out=folder / "undisturbed")
    rng = random.Random(11)
    kills = 0
    while kills < KILLS:
        process = _run(folder, "killed")
        journal = folder / "killed" / "state" / "study.journal"
        before = journal.stat().st_size if journal.exists() else 0
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
            time.sleep(0.02)  # until it is at work again
        time.sleep(rng.uniform(0.0, 0.8))
        if process.poll() is not None:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    assert kills == KILLS, "the search ended before it was killed ten times: give it more to do"
    finished = _run(folder, "killed")
    _, errors = finished.communicate(timeout=120)
    assert finished.returncode == 0, errors.decode()
    for name in ("trials.csv",):
        assert (folder / "killed" / name).read_bytes() == (undisturbed.folder / name).read_bytes()
    again = search(config, out=folder / "killed")
    assert again.data["new_forward_passes"] == 0
    assert again.data["best"] == undisturbed.data["best"]
    assert again.data["difference"] == undisturbed.data["difference"]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("runner", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_ctrl_c_and_sigterm_say_how_to_continue(folder: Path, sent: signal.Signals, runner: str) -> None:
    """A preempted machine and a time limit send SIGTERM; Ray and Tune each want to handle it in their own way."""
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.15}
    space_file(folder, backend=backend, budget={"trials": 16}, runner={"type": runner})
    process = _run(folder, "stopped")
    journal = folder / "stopped" / "state" / "study.journal"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 4000):
        time.sleep(0.05)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert "autoprompt-search run" in errors.decode()  # the very command that goes on
    assert "Traceback" not in errors.decode()
    runs = [json.loads(line) for line in (folder / "stopped" / "state" / "runs.jsonl").read_text().splitlines()]
    assert [run["status"] for run in runs] == ["stopped"]
    again = search(load_config(folder / "space.yaml", ["runner.type=local"]), out=folder / "stopped")
    assert [r.number for r in again.records] == list(range(16))


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 40, 120])
def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(folder: Path, kilobytes: int) -> None:
    """No file may grow beyond so much: the journal, the ledger or the report is the first that cannot."""
    space_file(folder, budget={"trials": 30})
    config = load_config(folder / "space.yaml")
    undisturbed = search(config, out=folder / "undisturbed")
    command = [sys.executable, "-m", "autoprompt_search", "run", "space.yaml", "--out", "full"]
    limit = kilobytes * 1024
    full = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert full.returncode == 2, full.stderr
    last = full.stderr.strip().splitlines()[-1]
    assert re.match(r"Error: \S+ cannot be written: .*run the same command again to go on$", last), full.stderr
    assert "Traceback" not in full.stderr
    again = search(config, out=folder / "full")
    assert (again.folder / "trials.csv").read_bytes() == (undisturbed.folder / "trials.csv").read_bytes()
    assert again.data["forward_passes"] == undisturbed.data["forward_passes"]
