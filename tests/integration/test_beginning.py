"""When the runner is told to start, and that whatever was started is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search import load_config, search
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.runners.local import LocalRunner

from .conftest import BASE, space_file

Events = list[object]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    seen: Events = []
    monkeypatch.setattr(LocalRunner, "begin", lambda self, modules: seen.append(list(modules)))
    monkeypatch.setattr(LocalRunner, "close", lambda self: seen.append("closed"))
    return seen


def test_a_search_begins_early_with_the_backends_module_and_not_again_once_it_is_finished(
    folder: Path, events: Events
) -> None:
    config = load_config(space_file(folder))
    search(config)
    begun: Events = [["autoprompt_search.testing.scripted"], "closed"]
    assert events == begun
    search(config)
    assert events == [*begun, "closed"]
    more = load_config(space_file(folder, budget={"trials": 17}))
    assert len(search(more).records) == 17


def test_mistakes_in_the_data_start_nothing(folder: Path, events: Events) -> None:
    config = load_config(space_file(folder, task={**BASE["task"], "splits": {"train": 20}}, rungs=[12, 100]))
    with pytest.raises(ConfigError, match="rungs"):
        search(config)
    assert events == ["closed"]


def test_a_model_that_does_not_fit_stops_what_was_begun(folder: Path, events: Events) -> None:
    with pytest.raises(ConfigError, match="too long"):
        search(load_config(space_file(folder, backend={"type": "scripted", "context": 3})))
    assert events == [["autoprompt_search.testing.scripted"], "closed"]


def test_a_mistake_can_be_mended_and_the_search_run_again_in_its_folder(folder: Path) -> None:
    with pytest.raises(ConfigError):
        search(load_config(space_file(folder, backend={"type": "scripted", "context": 3})))
    mended = search(load_config(space_file(folder)))
    assert len(mended.records) == 16
