"""The fuzz of `benchmarks/fuzz.py` in small; the whole of it is a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autoprompt_search

ROOT = Path(__file__).parents[1]
INPUTS = 200


@pytest.mark.slow
def test_bad_input_is_success_or_one_clear_error(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "fuzz.py"), "--inputs", str(INPUTS), "--seed", "7"]
    path = os.pathsep.join([str(Path(autoprompt_search.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "fuzz.json")], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((tmp_path / "fuzz.json").read_text())
    assert found["inputs"] == INPUTS
    assert found["tracebacks"] == found["hangs"] == found["changed_files"] == found["silent_differences"] == 0
    refused = {kind: counts["refused"] for kind, counts in found["by_kind"].items()}
    doors = ("space_bytes", "space_values", "overrides", "exported", "resigned", "archives")
    assert all(refused[kind] > 0 for kind in doors), refused
