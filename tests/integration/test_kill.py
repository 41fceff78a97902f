"""A driver killed at random moments loses nothing that was measured."""

from __future__ import annotations

import csv
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
import yaml

from autoprompt_search import SearchResult, load_config, search

from .conftest import space_file

QUICKSTART = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"


def _run(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "autoprompt_search", "run", str(folder / "space.yaml"), "--out", out]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip


def _kill(folder: Path, seconds: float, *, after: str = "study.journal") -> bool:
    """Start the search, wait until it writes and `after` is there, wait `seconds` more, and kill it.

    False when it had ended by itself.
    """
    process = _run(folder, "killed")
    state = folder / "killed" / "state"
    journal, awaited = state / "study.journal", state / after
    before = journal.stat().st_size if journal.exists() else 0
    while process.poll() is None and not (awaited.exists() and journal.stat().st_size > before):
        time.sleep(0.02)
    time.sleep(seconds)
    is_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return is_running


def _is_finished_and_repeats(folder: Path) -> SearchResult:
    """Run the killed search to its end, then once more: that computes nothing."""
    finished = _run(folder, "killed")
    _, errors = finished.communicate(timeout=300)
    assert finished.returncode == 0, errors.decode()
    again = search(load_config(folder / "space.yaml"), out=folder / "killed")
    assert again.data["new_forward_passes"] == 0
    return again


def _trials(folder: Path) -> tuple[list[dict[str, str]], list[float]]:
    """The leaderboard without its losses, and the losses."""
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, [float(row.pop("loss")) for row in rows]


@pytest.mark.slow
def test_ten_kills_and_the_same_leaderboard(folder: Path) -> None:
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.15}
    undisturbed = search(load_config(space_file(folder, backend=backend, budget={"trials": 30})), out=folder / "whole")
    rng = random.Random(11)
    for _ in range(10):
        assert _kill(folder, rng.uniform(0.0, 0.8)), "it ended before it was killed ten times: give it more to do"
    again = _is_finished_and_repeats(folder)
    assert (again.folder / "trials.csv").read_bytes() == (undisturbed.folder / "trials.csv").read_bytes()
    for part in ("best", "baseline", "difference", "verdict"):
        ours, theirs = again.data[part], undisturbed.data[part]
        if part in ("best", "baseline"):  # each was timed by itself
            ours, theirs = {**ours, "latency_ms": 0}, {**theirs, "latency_ms": 0}
        assert ours == theirs, part


@pytest.mark.slow
@pytest.mark.model
def test_a_real_model_and_half_trained_soft_prompts_survive_kills(folder: Path) -> None:
    """Killed among texts, and in soft prompts whose training has to go on where it stood.

    What stands in front of the vectors is read once and kept, alone or beside other prompts, as it comes; a new
    process reads it in other company. The sums' last bits differ then, and training widens that to the losses'
    fifth decimal: everything else is equal.
    """
    plain = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    plain["task"]["splits"] = {"train": 24, "dev": 48, "test": 40}
    plain["space"]["soft.steps"]["value"] = 36
    plain["space"]["demos.k"]["high"] = 2
    small = {"rungs": [12, 24, 48], "budget": {"trials": 8}, "runner": {"type": "local"}, "tracker": {"type": "none"}}
    (folder / "space.yaml").write_text(yaml.safe_dump({**plain, **small}, sort_keys=False), encoding="utf-8")
    undisturbed = search(load_config(folder / "space.yaml"), out=folder / "whole")
    assert [record.kind for record in undisturbed.records][-3:] == ["soft"] * 3
    rng = random.Random(5)
    for after in ("study.journal", "soft", "soft", "soft"):
        assert _kill(folder, rng.uniform(0.0, 1.0), after=after), "it ended before it was killed: give it more to do"
    again = _is_finished_and_repeats(folder)
    (rows, losses), (expected, others) = _trials(again.folder), _trials(undisturbed.folder)
    assert rows == expected
    assert losses == pytest.approx(others, abs=1e-3)
    assert again.data["verdict"] == undisturbed.data["verdict"]
    for part in ("best", "baseline"):
        ours, theirs = again.data[part], undisturbed.data[part]
        assert (ours["params"], ours["dev"]["score"]) == (theirs["params"], theirs["dev"]["score"]), part
        assert ours["test"]["score"] == pytest.approx(theirs["test"]["score"], abs=0.026), part  # one of 40


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
