"""Two real nodes, one of which is lost in mid-search while a new one joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.runners import RUNNERS
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import job
from autoprompt_search.testing.runner_contract import Watch, drive, outlines

from .nodes import Cluster, Node, running

pytestmark = [pytest.mark.ray, pytest.mark.slow]
TRIALS = 30


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as made:
        yield made


class Disturbs(Watch):
    """Takes the only node with CPUs away in mid-search, and brings another one."""

    def __init__(self, cluster: Cluster, first: Node) -> None:
        super().__init__()
        self._cluster, self._first, self.lost_in_flight = cluster, first, 0

    def finished(self, record: TrialRecord) -> None:
        super().finished(record)
        ended = sum(kind == "finished" for kind, *_ in self.seen)
        if ended == TRIALS // 3:
            self._first.kill()
            self.lost_in_flight = sum(kind == "started" for kind, *_ in self.seen) - ended
            self._cluster.add(2)


def test_a_node_is_lost_and_another_joins_and_nobody_can_tell(cluster: Cluster, tmp_path: Path) -> None:
    """30 trials, two at a time. Points are drawn by number alone and there is one rung, so order changes nothing."""
    work = job(
        tmp_path / "state", rungs=(24,), backend=ComponentSpec.model_validate({"type": "scripted", "seconds": 0.1})
    )
    first = cluster.add(2)
    first.await_line("Ray runtime started")
    runner = RUNNERS.build(
        ComponentSpec.model_validate({"type": "ray", "address": cluster.address, "concurrency": 2, "gpus": 0})
    )
    watch = Disturbs(cluster, first)
    try:
        disturbed = drive(runner, work, trials=TRIALS, watch=watch, sampler="random")
    finally:
        runner.close()
    calm = drive(LocalRunner(), replace(work, state=tmp_path / "calm"), trials=TRIALS, sampler="random")
    assert watch.lost_in_flight >= 1
    assert [r.number for r in disturbed.records] == list(range(TRIALS))
    assert {r.state for r in disturbed.records} == {TrialState.COMPLETE}
    assert outlines(disturbed.records) == outlines(calm.records)
    assert sorted(r.number for r in disturbed.tracked) == list(range(TRIALS))
    assert disturbed.cost.forward_passes == calm.cost.forward_passes
    again = drive(LocalRunner(), work, trials=TRIALS, sampler="random")
    assert (again.cost, list(again.shown)) == (disturbed.cost, [])
