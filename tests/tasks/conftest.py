"""An empty working folder: relative paths are relative to it."""

from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path()
