"""Examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.trackers.test_mlflow_winner import SPACE


def example_config() -> dict[str, Any]:
    """A small search that needs no model and no file."""
    import pandas as pd

    rows = [
        {"text": f"I {verb} number {n} of them", "label": label}
        for n in range(64)
        for verb, label in (("loved", "positive"), ("hated", "negative"))
    ]
    return {**SPACE, "task": {**SPACE["task"], "data": pd.DataFrame(rows)}, "tracker": {"type": "none"}}


@pytest.mark.parametrize("module", ["autoprompt_search.config.load", "autoprompt_search.result"])
def test_examples_in_docstrings_are_true(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = doctest.testmod(importlib.import_module(module), extraglobs={"example_config": example_config})
    assert found.attempted
    assert not found.failed
