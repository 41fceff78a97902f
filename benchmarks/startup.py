"""How long `autoprompt-search run` takes to its first measurement, and what that time is spent on.

Runs `autoprompt-search run search_spaces/quickstart.yaml` as a user would, in a fresh folder with a fresh MLflow
database, watches its files, and stops it as soon as the ledger holds a measurement. A file that appears ends a phase.
The processor seconds of the search's processes are added up by what they are: on N cores no start can be faster than
their sum divided by N. `--help` and `import autoprompt_search` are timed beside it. Linux only.

    python benchmarks/startup.py [--repeats 5] [--note TEXT] [--out reports/benchmarks/startup.json]

On a machine in use `chrt -r 1 python benchmarks/startup.py` (as root) gives the figures of a quiet one.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median

from harness import command_line, save
from machine import host

SPACE = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"
LEDGER = "out/state/ledger.sqlite"
PHASES = {
    "out/state/identity": "file read",
    "out/state/data.json": "data read and model examined, while Ray starts",
    "out/state/mlflow-search.json": "MLflow imported",
    "out/state/study.journal": "MLflow's tables made",
    LEDGER: "study and ledger opened",
}
"""File -> the phase that it ends, in their order."""
FIRST = "first measurement"
MARK = "AUTOPROMPT_STARTUP"
_EVERY, _LIMIT = 0.02, 180.0
"""Seconds between two looks; seconds after which a run is given up."""
SMALL = {
    "help": [sys.executable, "-m", "autoprompt_search", "--help"],
    "import": [sys.executable, "-c", "import autoprompt_search"],
}


def run_once() -> tuple[dict[str, float], dict[str, float]]:
    """Seconds from the command to the end of each phase, and processor seconds by kind of process."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, mark = Path(name), str(time.time_ns())
        command = [sys.executable, "-m", "autoprompt_search", "run", str(SPACE), "--out", "out", "--quiet"]
        began = time.perf_counter()
        run = subprocess.Popen(command, cwd=folder, env={**os.environ, MARK: mark})
        reached: dict[str, float] = {}
        while FIRST not in reached:
            if run.poll() is not None or time.perf_counter() - began > _LIMIT:
                raise SystemExit(f"no first measurement; the search ended with {run.poll()}")
            time.sleep(_EVERY)
            now = time.perf_counter() - began
            for phase in (phase for file, phase in PHASES.items() if (folder / file).exists()):
                reached.setdefault(phase, now)
            if PHASES[LEDGER] in reached and has_measurement(folder / LEDGER):
                reached[FIRST] = now
        spent = seconds_by_kind(f"{MARK}={mark}".encode())
        run.send_signal(signal.SIGINT)
        run.wait()
        return reached, spent


def has_measurement(ledger: Path) -> bool:
    """Whether something was measured; what cannot be read yet holds nothing."""
    try:
        with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute("SELECT count(*) FROM costs").fetchone()[0])
    except sqlite3.Error:
        return False


def seconds_by_kind(mark: bytes) -> dict[str, float]:
    """User and system seconds of every process that carries `mark` in its environment."""
    total: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                kind = kind_of((folder / "cmdline").read_text(errors="replace"))
                total[kind] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # it ended while we looked
            continue
    return dict(total)


def kind_of(command: str) -> str:
    if "autoprompt_search" in command:
        return "driver"
    is_worker = command.startswith("ray::") and "Agent" not in command
    return "workers" if is_worker else "Ray's own processes"


def seconds_of(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = command_line(__doc__, "startup")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--note", default="", help="how the machine was, for the record")
    options = parser.parse_args()
    runs = [run_once() for _ in range(options.repeats)]
    firsts = [reached[FIRST] for reached, _ in runs]
    spent = {kind: median(s.get(kind, 0.0) for _, s in runs) for kind in runs[0][1]}
    found = {
        "seconds_to_first_measurement": round(median(firsts), 2),
        "all": [round(first, 2) for first in firsts],
        "reached_after_seconds": {p: round(median(r[p] for r, _ in runs), 2) for p in [*PHASES.values(), FIRST]},
        "processor_seconds": {kind: round(value, 2) for kind, value in spent.items()},
        "seconds_of": {n: round(median(seconds_of(c) for _ in range(options.repeats)), 2) for n, c in SMALL.items()},
        "repeats": options.repeats,
        "machine": host(),
        "note": options.note,
        "versions": {name: version(name) for name in ("ray", "mlflow", "optuna", "torch", "transformers")},
        "remake": "python benchmarks/startup.py",
    }
    save(options.out, found, indent=2)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
