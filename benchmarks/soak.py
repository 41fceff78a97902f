"""Long searches: what grows with their trials, and what is left of them. Needs no model; Linux only.

The first search is a whole one, as a user starts it: scripted trials on this machine's own Ray, two at a time, MLflow
on SQLite (the default tracker), finalists and report. Memory and open files of the driver, of its workers and of
Ray's other processes are looked at along the way, and afterwards what still runs of all that it started.

The second is one study in its journal, asked by simulated workers whose clock is scripted, in the world of
`simulated.py`: the processor time that the study's three verbs take, TPE's own apart, in ten pieces of the search.

    python -m benchmarks.soak [--trials 2000] [--study 10000] [--workers 256]
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.session import Silent
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.walk import search
from benchmarks.harness import command_line, save, study_of
from benchmarks.machine import described, table
from benchmarks.meter import Clock, slope
from benchmarks.overhead import CONCURRENCY, scripted
from benchmarks.processes import adopt, below, command, megabytes, open_files, peak_megabytes, workers
from benchmarks.simulated import RUNGS, World, space

LOOKS, PIECES = 100, 10
"""At memory along the first search; and pieces that the second one is told in."""
LONGEST_END = 15.0
"""Seconds in which what a search started has to be gone after it."""
WATCHED = ("driver_mb", "workers_mb", "ray_mb", "driver_files", "worker_files")
VERBS = ("ask", "report", "tell")


class Looks(Silent):
    """Memory and open files, now and then, as the driver's progress."""

    def __init__(self, trials: int) -> None:
        self._every = max(1, trials // LOOKS)
        self.rows: list[tuple[float, ...]] = []
        """Trials finished, then what `WATCHED` names."""
        self.done = 0

    def finished(self, record: TrialRecord) -> None:
        self.done += 1
        if self.done % self._every == 0:
            me, working = os.getpid(), set(workers())
            files = (open_files(me), sum(map(open_files, working)))
            others = sum(megabytes(pid) for pid in below(me) if pid not in working)
            self.rows.append((self.done, megabytes(me), sum(map(megabytes, working)), others, *files))


def on_ray(trials: int, folder: Path) -> dict[str, Any]:
    """The whole search, in this process."""
    looks, began = Looks(trials), time.monotonic()
    search(scripted(trials, folder), out=folder / "search", progress=looks)
    first, middle, last = looks.rows[0], looks.rows[len(looks.rows) // 2], looks.rows[-1]
    return {
        "trials": looks.done,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "rows": [
            {
                "what": name,
                "start": round(first[n]),
                "middle": round(middle[n]),
                "end": round(last[n]),
                "per_1000_trials": round(slope(looks.rows, n), 1),
            }
            for n, name in enumerate(WATCHED, 1)
        ],
        "peak_mb": peak_megabytes(),
        "looks": [[round(value, 1) for value in row] for row in looks.rows],
    }


def study(trials: int, folder: Path, at_a_time: int) -> dict[str, Any]:
    """A study asked by so many workers at once; a rung takes a minute or so of their clock, and none of ours."""
    clock, world, over = Clock(), World(0), space("joint")
    clock.sampler()
    for verb in VERBS:
        clock.times(OptunaStudy, [verb], verb)
    asked_of = study_of(over, 0, trials, over.baseline({}), "soak", folder=folder, rungs=RUNGS)
    chance, tie = np.random.default_rng(0), count()
    ends: list[tuple[float, int, int, Any, int]] = []
    """When a worker is through with a rung: its clock, a tie-breaker, the trial's number and point, the rung."""
    marks, done, now = [_mark(0, clock)], 0, 0.0

    def begin(number: int, params: Any, rung: int) -> None:
        minutes = world.passes(params, rung) / RUNGS[0] * chance.lognormal(0, 0.5)
        heapq.heappush(ends, (now + minutes, next(tie), number, params, rung))

    while True:
        while len(ends) < at_a_time and (asked := asked_of.ask()) is not None:
            begin(*asked, rung=0)
        if not ends:
            break
        now, _, number, params, rung = heapq.heappop(ends)
        is_over = asked_of.report(number, world.measured(params, rung, paired=False))
        if not is_over and rung + 1 < len(RUNGS):
            begin(number, params, rung + 1)
            continue
        asked_of.tell(number, TrialState.PRUNED if is_over else TrialState.COMPLETE)
        done += 1
        if done % max(1, trials // PIECES) == 0:
            marks.append(_mark(done, clock))
    return {
        "trials": done,
        "workers": at_a_time,
        "rows": [_piece(*pair) for pair in pairwise(marks)],
        "peak_mb": peak_megabytes(),
        "journal_mb": round((folder / "study.journal").stat().st_size / 1024**2),
    }


def _mark(done: int, clock: Clock) -> dict[str, float]:
    spent = {verb: clock.spent[verb] for verb in ("tpe", *VERBS)}
    return {"trials": done, **spent, "driver_mb": megabytes(os.getpid())}


def _piece(start: dict[str, float], end: dict[str, float]) -> dict[str, float]:
    """Milliseconds per trial; `ask` without TPE, which only works inside it."""
    new = end["trials"] - start["trials"]
    ms = {name: 1000 * (end[name] - start[name]) / new for name in ("tpe", *VERBS)}
    ms["ask"] -= ms["tpe"]
    ms["without_tpe"] = sum(ms[verb] for verb in VERBS)
    shown = {f"{name}_ms": round(value, 2) for name, value in ms.items()}
    return {"up_to_trial": int(end["trials"]), **shown, "driver_mb": round(end["driver_mb"])}


def alone(side: str, *options: str) -> dict[str, Any]:
    """One part in a process of its own, and what still runs of it after its end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "found.json"
        subprocess.run(
            [sys.executable, "-m", "benchmarks.soak", "--side", side, *options, "--out", str(out)], check=True
        )
        left = _left()
        return {**json.loads(out.read_text(encoding="utf-8")), "processes_left": len(left), "left": left}


def _left() -> list[str]:
    """Processes that were started below this one and have not ended, once they had time to."""
    last = time.monotonic() + LONGEST_END
    while left := [command(pid) for pid in below(os.getpid()) if command(pid)]:
        if time.monotonic() > last:
            break
        time.sleep(0.2)
    return [words.replace(b"\0", b" ").decode(errors="replace")[:200].strip() for words in left]


def text_of(made: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    ray, of_study = made["ray"], made["study"]
    growing = [row["per_1000_trials"] for row in ray["rows"]]
    return (
        f"# Long searches\n\nMade by `{made['remake']}` on {made['machine']}.\n\n"
        f"## {ray['trials']} scripted trials on Ray, {CONCURRENCY} at a time, MLflow on SQLite\n\n"
        f"{table(ray['rows'])}\n\n"
        "Memory is resident megabytes; `workers` are all that run trials, `ray` all other processes that the search "
        "started; growth is the line of least squares through the second half, when all is loaded. "
        f"The driver grows by {growing[0]:g} MB per 1,000 trials; its peak, finalists and report included, is "
        f"{ray['peak_mb']} MB. {ray['minutes']} minutes. Processes left after the end: **{ray['processes_left']}**.\n\n"
        f"## A study of {of_study['trials']} trials, {of_study['workers']} simulated workers\n\n"
        "Processor milliseconds of the driver per trial, by verb of the study; `ask_ms` is without TPE's own."
        f"\n\n{table(of_study['rows'])}\n\nPeak {of_study['peak_mb']} MB; the journal takes "
        f"{of_study['journal_mb']} MB on disk.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__, "soak")
    parser.add_argument("--trials", type=int, default=2000, help="on Ray")
    parser.add_argument("--study", type=int, default=10_000, help="trials of the simulated workers")
    parser.add_argument("--workers", type=int, default=256)
    parser.add_argument("--side", choices=("ray", "study"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    folder = options.out.parent
    if options.side:
        made = (
            on_ray(options.trials, folder)
            if options.side == "ray"
            else study(options.study, folder / "state", options.workers)
        )
        options.out.write_text(json.dumps(made))
        return
    adopt()
    sizes = [f"--trials={options.trials}", f"--study={options.study}", f"--workers={options.workers}"]
    made = {
        **described("ray", "optuna", "mlflow"),
        "ray": alone("ray", *sizes),
        "study": alone("study", *sizes),
        "remake": " ".join(["python -m benchmarks.soak", *sys.argv[1:]]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save(options.out, made, text_of(made))
    print(text_of(made))
    sys.exit(bool(made["ray"]["processes_left"]))


if __name__ == "__main__":
    main()
