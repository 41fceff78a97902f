"""Ray that does not start at the first try; that it does at all shows in every test with a Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from autoprompt_search.core import retry as retrying
from autoprompt_search.core.errors import ConfigError, SearchError
from autoprompt_search.runners import joining
from autoprompt_search.testing.unavailable import UnavailableClient

PROBLEM = RuntimeError("The node failed to start within 30 seconds.\nSee its logs.")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", waits.append)
    return waits


def away(monkeypatch: pytest.MonkeyPatch, times: float) -> Any:
    started = SimpleNamespace(init=lambda **_: None, shutdown=lambda: None)
    made = UnavailableClient(started, PROBLEM, {"init": times})
    monkeypatch.setattr(joining, "ray", made)
    return made


def test_a_start_that_fails_is_tried_again_from_nothing(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    ray = away(monkeypatch, 2)
    joining.join(None, 2)
    assert (ray.calls["init"], ray.calls["shutdown"], len(slept)) == (3, 2, 2)


def test_a_ray_that_never_starts_is_one_error(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    ray = away(monkeypatch, float("inf"))
    with pytest.raises(
        SearchError, match=r"did not start on this machine: The node failed .* --set runner\.type=local"
    ):
        joining.join(None, 2)
    assert (ray.calls["init"], ray.calls["shutdown"], len(slept)) == (3, 3, 2)


def test_a_cluster_is_asked_once(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    """Its address is the user's: a wrong one should be told at once."""
    ray = away(monkeypatch, 1)
    with pytest.raises(ConfigError, match=r"runner\.address: no Ray answers at 'auto': The node failed"):
        joining.join("auto", 2)
    assert (ray.calls["init"], slept) == (1, [])
