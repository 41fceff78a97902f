"""Workers that Ray's memory monitor kills, on a node to which the monitor grants next to nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.runners import RUNNERS, Runner
from autoprompt_search.testing.factories import examples, job, space
from autoprompt_search.testing.runner_contract import drive
from autoprompt_search.trial import Failure, TestTask

from .nodes import Cluster, Node, running

pytestmark = [pytest.mark.ray, pytest.mark.slow]
STARVED = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}
"""What the machine already uses is more than that: nothing has to be allocated, and nothing runs short."""
REASON = r"its node ran out of memory; less is taken by fewer trials at a time \(runner\.concurrency\)"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as made:
        yield made


@pytest.fixture
def starved(cluster: Cluster) -> Node:
    node = cluster.add(2, **STARVED)
    node.await_line("Ray runtime started")
    return node


@pytest.fixture
def runner(cluster: Cluster, starved: Node) -> Iterator[Runner]:
    options = {"type": "ray", "address": cluster.address, "concurrency": 2, "gpus": 0, "retries": 2, "timeout": 60}
    made = RUNNERS.build(ComponentSpec.model_validate(options))
    yield made
    made.close()


def slow_job(folder: Path) -> Any:
    return job(folder, rungs=(24,), backend=ComponentSpec.model_validate({"type": "scripted", "seconds": 0.5}))


def test_where_memory_stays_short_a_trial_fails_after_its_retries_and_says_what_to_change(
    runner: Runner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = slow_job(tmp_path)
    with caplog.at_level(logging.WARNING), pytest.raises(SystemicError, match=REASON):
        drive(runner, work, trials=3)
    assert "Trial 0 is run again (2 of at most 2 times)" in caplog.text
    again = caplog.text.count("is run again")
    assert 2 <= again <= 4, "the baseline twice, whose failure ends the search, and perhaps the trial beside it"
    assert caplog.text.count("ran out of memory") == again
    [found] = runner.test(work, [TestTask(0, space().baseline(), None, examples(8))])
    assert isinstance(found, Failure)
    assert "ran out of memory" in found.reason


class Relief(logging.Handler):
    """Brings a node with room, and takes the other one away, as soon as the first trial was lost."""

    def __init__(self, cluster: Cluster, starved: Node) -> None:
        super().__init__(logging.WARNING)
        self._cluster, self._starved = cluster, starved
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.reasons.append(record.getMessage())
        if len(self.reasons) == 1:
            self._cluster.add(2).await_line("Ray runtime started")
            self._starved.kill()


def test_where_there_is_memory_again_nothing_is_lost(
    runner: Runner, cluster: Cluster, starved: Node, tmp_path: Path
) -> None:
    relief = Relief(cluster, starved)
    logger = logging.getLogger("autoprompt_search.runners.bridge")
    logger.addHandler(relief)
    try:
        done = drive(runner, slow_job(tmp_path), trials=6, sampler="random")
    finally:
        logger.removeHandler(relief)
    assert "its node ran out of memory" in relief.reasons[0]
    assert [r.state for r in done.records] == [TrialState.COMPLETE] * 6
