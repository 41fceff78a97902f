"""Trials whose workers are lost, between Tune's ids and ours; no Ray is started."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.bridge import Bridge
from autoprompt_search.runners.driver import Driver
from autoprompt_search.testing.factories import examples, measurement, open_study
from autoprompt_search.testing.runner_contract import Watch
from autoprompt_search.trackers.memory import MemoryTracker


@pytest.fixture
def tracker() -> MemoryTracker:
    return MemoryTracker()


@pytest.fixture
def bridge(tmp_path: Path, tracker: MemoryTracker) -> Iterator[Bridge]:
    study = open_study(tmp_path, trials=5)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    dev = {e.id: e for e in examples(24)}
    yield Bridge(Driver(study, ledger, tracker, Watch(), examples=dev, weights=tmp_path), 2, 2)
    ledger.close()


def test_a_lost_trial_is_asked_for_again_before_any_other(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    first, second = bridge.ask("a"), bridge.ask("b")
    assert bridge.ask("c") is None, "two at a time"
    with caplog.at_level(logging.WARNING):
        bridge.lost("b", "its node was lost")
    assert "Trial 1 is run again (1 of at most 2 times): its node was lost" in caplog.text
    assert bridge.ask("c") == second
    assert bridge.ask("d") is None
    assert first != second


def test_a_trial_that_loses_every_worker_has_failed(bridge: Bridge, tracker: MemoryTracker) -> None:
    baseline, params = bridge.ask("z"), bridge.ask("a")
    assert baseline != params
    for name, then in (("a", "b"), ("b", "c")):
        bridge.lost(name, "the worker process died")
        assert bridge.ask(then) == params
    bridge.lost("c", "its node was lost")
    assert (tracker.records[1].state, tracker.records[1].error) == (TrialState.FAILED, "its node was lost")
    assert bridge.ask("d") != params


def test_a_worker_that_dies_after_its_trial_has_ended_changes_nothing(bridge: Bridge, tracker: MemoryTracker) -> None:
    bridge.ask("a")
    assert bridge.stops("a", measurement(0.5, 24, is_full=True, prompt="p"))
    bridge.lost("a", "the worker process died")
    assert tracker.records[0].state is TrialState.COMPLETE
    assert bridge.ask("b") is not None
    assert bridge.ask("c") is not None
    assert bridge.ask("d") is None
