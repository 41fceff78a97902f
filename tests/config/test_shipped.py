"""The space files in the repository say only what exists."""

from pathlib import Path

import pytest

from autoprompt_search.config import load_config

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_there_are_examples():
    assert {"quickstart.yaml", "own_data.yaml"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_file_is_sound(path):
    assert load_config(path).name == path.stem.replace("_", "-")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_file_begins_with_what_it_is_and_its_command(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines[:12] if line.startswith("#")]
    assert len(comments) >= 2
    assert any(
        f"autoprompt-search run   search_spaces/{path.name}" in c or f"run search_spaces/{path.name}" in c
        for c in comments
    )


def test_soft_prompts_can_be_switched_on_in_the_example_for_own_data():
    config = load_config(FOLDER / "own_data.yaml", ["space.soft.method=prompt-tuning"])
    assert "soft.lr" in config.space.baseline()
