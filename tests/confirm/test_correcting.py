"""The winner's dev score without the luck of being the best of many."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.confirm import corrected
from autoprompt_search.core.types import TrialRecord, TrialState
from autoprompt_search.testing.factories import measurement

DEV, RUNGS = 120, (30, 60, 120)


def halved(hits: NDArray[np.float64]) -> tuple[list[TrialRecord], list[NDArray[np.float64]]]:
    """Trials of which the better half goes on from every rung, and the hits of those that saw everything."""
    reach = np.full(len(hits), RUNGS[0])
    alive = np.arange(len(hits))
    for below, rung in itertools.pairwise(RUNGS):
        alive = alive[np.argsort(-hits[alive, :below].mean(axis=1), kind="stable")][: max(1, len(alive) // 2)]
        reach[alive] = rung
    records = []
    for number, row in enumerate(hits):
        rungs = [rung for rung in RUNGS if rung <= reach[number]]
        made = tuple(
            measurement(float(row[:rung].mean()), rung, stderr=float(row[:rung].std() / rung**0.5)) for rung in rungs
        )
        state = TrialState.COMPLETE if reach[number] == DEV else TrialState.PRUNED
        records.append(TrialRecord(number, {}, state, made))
    return records, [row for row, seen in zip(hits, reach, strict=True) if seen == DEV]


def errors(spread: float, searches: int) -> tuple[float, float]:
    """Mean error of the winner's dev score, as it is and corrected; prompts differ by `spread` log-odds."""
    rng = np.random.default_rng(0)
    raw, without = [], []
    for _ in range(searches):
        ease, skill = rng.normal(1, 1.5, size=DEV), rng.normal(0, spread, size=16)
        chance = 1 / (1 + np.exp(-ease - skill[:, None]))
        records, complete = halved((rng.random(chance.shape) < chance).astype(float))
        best = max((r for r in records if r.state is TrialState.COMPLETE), key=lambda r: r.measurements[-1].score)
        truth = chance[best.number].mean()
        raw.append(best.measurements[-1].score - truth)
        without.append(corrected(records, best.number, complete) - truth)
    return float(np.mean(raw)), float(np.mean(without))


def test_among_equals_most_of_the_luck_is_taken_off() -> None:
    raw, without = errors(0.0, 60)
    assert raw > 0.03
    assert abs(without) < raw / 4


def test_a_real_lead_is_left() -> None:
    """One prompt is right nearly everywhere, the others nearly nowhere: there is no luck in that."""
    hits = np.zeros((8, DEV))
    hits[:, ::10] = 1
    hits[3, ::] = 1
    hits[3, ::12] = 0
    records, complete = halved(hits)
    assert abs(corrected(records, 3, complete) - hits[3].mean()) < 0.02
