"""Ctrl-C at the terminal while a search runs on Ray: every process of the foreground gets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoprompt_search import load_config, search
from autoprompt_search.runners.stopping import STOPPING
from autoprompt_search.session import Silent

from .conftest import space_file

pytestmark = [pytest.mark.ray, pytest.mark.slow]
CUES = {"good": "loved", "bad": "hated"}


class Terminal:
    """A search in the foreground."""

    def __init__(self, folder: Path) -> None:
        self.heard: list[str] = []
        command = [sys.executable, "-m", "autoprompt_search", "run", str(folder / "space.yaml"), "--out", "out"]
        self._process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )  # fmt: skip

    def listen(self, until: Callable[[str], bool]) -> None:
        """Up to a line."""
        assert self._process.stderr is not None
        while not (self.heard and until(self.heard[-1])):
            line = self._process.stderr.readline()
            assert line, "".join(self.heard)
            self.heard.append(line)

    def press(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def rest(self) -> str:
        """All that was said, when it has ended as what the user stopped does."""
        self.heard.append(self._process.communicate(timeout=120)[1])
        said = "".join(self.heard)
        assert self._process.returncode == 130, said
        assert said.count("Stopped. Finished trials are kept. Go on with: autoprompt-search run ") == 1, said
        assert "Traceback" not in said
        return said


def statuses(folder: Path) -> list[str]:
    lines = (folder / "out" / "state" / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["status"] for line in lines]


@pytest.mark.parametrize("presses", [1, 2])
def test_a_word_at_once_and_the_next_one_waits_for_nobody(folder: Path, presses: int) -> None:
    backend = {"type": "scripted", "cues": CUES, "seconds": 0.3}
    space_file(folder, backend=backend, budget={"trials": 12}, runner={"type": "ray"})
    terminal = Terminal(folder)
    terminal.listen(lambda line: line.startswith("[2/12]"))
    terminal.press()
    terminal.listen(lambda line: STOPPING in line)
    if presses == 2:
        terminal.press()
    said = terminal.rest()
    assert said.count("Stopping: ") == 1
    assert "[12/12]" not in said
    assert statuses(folder) == ["stopped"]
    again = search(load_config(folder / "space.yaml", ["runner.type=local"]), out=folder / "out")
    assert [r.number for r in again.records] == list(range(12))


def test_while_finalists_are_measured_the_first_one_stops_it(folder: Path) -> None:
    """Tune leaves its handler behind, which only notes that it was pressed."""
    backend = {"type": "scripted", "cues": CUES, "seconds": 1.0}
    space_file(folder, backend=backend, budget={"trials": 2}, rungs=[48], runner={"type": "ray"})
    terminal = Terminal(folder)
    terminal.listen(lambda line: line.startswith("Measuring the finalists"))
    terminal.press()
    said = terminal.rest()
    assert "[2/2]" in said
    assert not (folder / "out" / "result.json").exists()
    assert statuses(folder) == ["stopped"]
    started: list[int] = []
    watch = Silent()
    watch.started = lambda number, params: started.append(number)  # type: ignore[method-assign]
    again = search(load_config(folder / "space.yaml", ["runner.type=local"]), out=folder / "out", progress=watch)
    assert len(again.records) == 2
    assert started == []
    assert statuses(folder) == ["stopped", "finished"]
