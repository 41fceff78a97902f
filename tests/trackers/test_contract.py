from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autoprompt_search.testing.tracker_contract import TRACKER_CASES, TrackerHarness

from .harness import MemoryHarness, MlflowHarness, database

Case = Callable[[TrackerHarness], None]


@pytest.mark.parametrize("case", TRACKER_CASES, ids=lambda case: case.__name__)
def test_memory(case: Case, tmp_path: Path) -> None:
    case(MemoryHarness(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("case", TRACKER_CASES, ids=lambda case: case.__name__)
def test_mlflow(case: Case, tmp_path: Path) -> None:
    shutil.copy(database(), tmp_path / "mlflow.db")
    case(MlflowHarness(tmp_path))
