"""`spaces` lists what the package brings and copies it; the wheel would hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.cli.spaces import FOLDER, copied, listed
from autoprompt_search.config import load_config
from autoprompt_search.core.errors import ConfigError


def test_every_space_has_a_line_that_says_what_it_is_for() -> None:
    found = dict(listed())
    assert {"quickstart", "own_data"} <= found.keys()
    assert all(len(line) > 20 and not line.startswith("#") for line in found.values())


def test_a_copy_is_the_space_and_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = copied("quickstart", None)
    assert place == Path("quickstart.yaml")
    assert load_config(place).fingerprint == load_config(FOLDER / "quickstart.yaml").fingerprint
    with pytest.raises(ConfigError, match="is there already"):
        copied("quickstart.yaml", tmp_path)
    with pytest.raises(ConfigError, match="did you mean quickstart"):
        copied("quickstrat", None)


def test_the_folder_lies_in_the_package() -> None:
    assert (FOLDER.parent / "__init__.py").exists()
    assert sorted(p.name for p in FOLDER.glob("*.yaml")) == sorted(
        p.name for p in (Path(__file__).parents[2] / "search_spaces").glob("*.yaml")
    )
