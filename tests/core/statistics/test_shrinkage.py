"""The winner's dev score without the luck of being the best of many."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from autoprompt_search.confirm import Lead, Shrinkage, corrected
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.testing.factories import measurement

DEV, RUNGS = 120, (30, 60, 120)
Floats = NDArray[np.float64]


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


def searches(
    spread: float, count: int
) -> Iterator[tuple[list[TrialRecord], list[NDArray[np.float64]], Floats, Floats]]:
    """Trials, hits of the complete ones, and of all their hits and true scores; prompts differ by `spread` log-odds."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        ease, skill = rng.normal(1, 1.5, size=DEV), rng.normal(0, spread, size=16)
        chance = 1 / (1 + np.exp(-ease - skill[:, None]))
        hits = (rng.random(chance.shape) < chance).astype(float)
        yield *halved(hits), hits, chance.mean(axis=1)


def errors(spread: float, count: int) -> tuple[float, float]:
    """Mean error of the winner's dev score, as it is and corrected."""
    raw, without = [], []
    for records, complete, _, truth in searches(spread, count):
        best = max((r for r in records if r.state is TrialState.COMPLETE), key=lambda r: r.measurements[-1].score)
        raw.append(best.measurements[-1].score - truth[best.number])
        without.append(corrected(records, best.number, complete) - truth[best.number])
    return float(np.mean(raw)), float(np.mean(without))


def leads(spread: float, count: int) -> tuple[list[Lead], Floats, Floats]:
    """Of the best complete trial over another one: what is made of it, as it is, and in truth."""
    found, raw, true = [], [], []
    for records, complete, hits, truth in searches(spread, count):
        done = [r.number for r in records if r.state is TrialState.COMPLETE]
        other, best = done[0], max(done, key=lambda n: float(hits[n].mean()))
        raw.append(hits[best].mean() - hits[other].mean())
        true.append(truth[best] - truth[other])
        found.append(Shrinkage.of(records, complete).lead(raw[-1], DEV))
    return found, np.array(raw), np.array(true)


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


@pytest.mark.slow
def test_of_equal_prompts_a_lead_is_seldom_taken_for_real() -> None:
    found, raw, _ = leads(0.0, 100)
    assert (raw > 0.02).mean() > 0.4
    assert sum(lead.is_real for lead in found) <= 40


@pytest.mark.slow
def test_a_lead_among_prompts_that_differ_is_worth_what_is_made_of_it() -> None:
    """As it is, it is too large; shrunk it is nearly right on average, and within two standard errors nearly always."""
    found, raw, true = leads(0.3, 100)
    made, error = np.array([lead.expected for lead in found]), np.array([lead.stderr for lead in found])
    assert (raw - true).mean() > 0.015
    assert abs((made - true).mean()) < min(0.01, (raw - true).mean() / 2)
    assert (abs(made - true) <= 2 * error + 0.01).mean() > 0.9
    is_real = np.array([lead.is_real for lead in found])
    assert true[is_real].mean() > 0.04
    assert true[is_real].sum() > 0.5 * true.clip(0).sum()


@pytest.mark.parametrize("prompts", [2, 3, 5])
def test_of_few_prompts_the_spread_is_never_taken_for_none(prompts: int) -> None:
    """Eight points on 96 examples: what such few prompts show of their spread must not decide that it is zero."""
    hits = np.zeros((prompts, DEV))
    hits[:, : DEV // 2] = 1
    hits[-1, DEV // 2 : DEV // 2 + DEV // 12] = 1
    records = [
        TrialRecord(n, {}, TrialState.COMPLETE, (measurement(float(row.mean()), DEV),)) for n, row in enumerate(hits)
    ]
    lead = Shrinkage.of(records, list(hits)).lead(1 / 12, DEV)
    assert 0 < lead.expected < 1 / 12
    assert lead.stderr > 0
    assert 0.5 < lead.chance < 1


def test_probabilities_of_the_spread_sum_to_one_and_follow_the_data() -> None:
    for spread, low, high in ((0.0, 0.0, 0.03), (0.6, 0.05, 0.2)):
        records, complete, _, _ = next(searches(spread, 1))
        found = Shrinkage.of(records, complete).spreads
        assert sum(found.values()) == pytest.approx(1)
        assert low <= sum(s * p for s, p in found.items()) <= high
