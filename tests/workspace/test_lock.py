from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.config import load_config
from autoprompt_search.core.errors import StateError
from autoprompt_search.workspace import Workspace

SPACE = """
name: lock
task: {type: classification, data: "builtin:reviews"}
backend: {type: scripted}
templates: {plain: "{text}"}
space: {template: plain}
rungs: [8]
"""


def test_one_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    config = load_config(path)
    with Workspace(tmp_path / "out", config), pytest.raises(StateError, match=r"in use by another run \(process \d+\)"):
        Workspace(tmp_path / "out", config).__enter__()
    with Workspace(tmp_path / "out", config):
        pass


def test_a_search_that_was_refused_does_not_keep_the_folder(tmp_path: Path) -> None:
    """Also while somebody still looks at the error."""
    path = tmp_path / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    first = load_config(path)
    path.write_text(SPACE + "seed: 9\n", encoding="utf-8")
    other = load_config(path)
    with Workspace(tmp_path / "out", first) as begun:
        begun.check_data({})
    with pytest.raises(StateError, match="seed") as caught:
        Workspace(tmp_path / "out", other).__enter__()
    with Workspace(tmp_path / "out", first) as place:
        assert place.identity
    assert "--fresh" in str(caught.value)
