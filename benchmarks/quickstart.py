"""What the quickstart costs on this machine: wall time, and the memory of all its processes together.

Runs `autoprompt-search run search_spaces/quickstart.yaml` as a user would, in a folder of its own, and adds up the
proportional set size (PSS: shared pages counted once) of that process, Ray's daemons and its workers. Linux only.

    python benchmarks/quickstart.py [--out reports/benchmarks/quickstart.json]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import command_line, save
from machine import host

SPACE = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"
_EVERY = 0.5
"""Seconds between two looks."""


def session_megabytes(session: int) -> float:
    """PSS of every process whose environment carries our mark, in MiB."""
    mark = f"AUTOPROMPT_BENCHMARK={session}".encode()
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, ValueError):  # it ended while we looked
            continue
    return total / 1024


def main() -> None:
    parser = command_line(__doc__, "quickstart")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        command = [sys.executable, "-m", "autoprompt_search", "run", str(SPACE), "--out", f"{name}/out"]
        environment = {**os.environ, "AUTOPROMPT_BENCHMARK": str(os.getpid())}
        run = subprocess.Popen(command, cwd=name, env=environment, stdout=subprocess.DEVNULL)
        peak = 0.0
        while run.poll() is None:
            peak = max(peak, session_megabytes(os.getpid()))
            time.sleep(_EVERY)
        seconds = time.perf_counter() - began
        if run.returncode:
            raise SystemExit(f"the quickstart ended with {run.returncode}")
        result = json.loads(Path(f"{name}/out/result.json").read_text(encoding="utf-8"))
    found = {
        "seconds_with_start_up": round(seconds, 1),
        "peak_megabytes": round(peak),
        "verdict": result["verdict"],
        "trials": result["trials"],
        "forward_passes": result["forward_passes"],
        "baseline_test": result["baseline"]["test"]["score"],
        "best_test": result["best"]["test"]["score"],
        "machine": host(),
        "remake": "python benchmarks/quickstart.py",
    }
    save(options.out, found, indent=2)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
