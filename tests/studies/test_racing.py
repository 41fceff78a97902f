"""What racing promises: the best is seldom lost, whenever one looks, and the worse are found out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.racing import Racing, wealth
from autoprompt_search.testing.factories import measurement

ALL = 120


def items(hits: NDArray[np.float64]) -> Evidence:
    return Evidence(hits.astype(float)[:, None], np.where(hits > 0, 1.0, -1.0))


class Race:
    """The pruner with the record that it reads."""

    def __init__(self, error: float, trials: int, rungs: tuple[int, ...]) -> None:
        measured = MeasuredTrials()
        self.add, self.stops = measured.add, Racing(measured, error, trials, rungs).stops


def stopped(rows: list[NDArray[np.float64]], error: float, rungs: tuple[int, ...]) -> list[int]:
    """Trials that are stopped on some rung, when all climb side by side."""
    race = Race(error, len(rows), rungs)
    out: list[int] = []
    for rung in rungs:
        alive = [n for n in range(len(rows)) if n not in out]
        for n in alive:
            race.add(n, "text", measurement(0.5, rung), items(rows[n][:rung]))
        out += [n for n in alive if rung < rungs[-1] and race.stops(n, rung)]
    return out


def one(gaps: NDArray[np.float64], total: int, control: NDArray[np.float64] | None = None) -> float:
    """Of a single pair."""
    return float(wealth(gaps[None], total, control)[0])


def population(rng: np.random.Generator, skills: list[float]) -> list[NDArray[np.float64]]:
    """Prompts of these skills on items of different difficulty; the first is the best on the whole population."""
    ease = rng.normal(0, 1.5, size=ALL)
    rows = [(rng.random(ALL) < 1 / (1 + np.exp(-ease - skill))).astype(float) for skill in skills]
    return sorted(rows, key=lambda row: -row.sum())


@pytest.mark.slow
def test_the_best_is_lost_in_at_most_the_promised_share_of_orders() -> None:
    """Among eight prompts of equal skill, looked at on every rung; what is random is the order of dev."""
    rng, searches, error = np.random.default_rng(0), 60, 0.2
    lost = 0
    for _ in range(searches):
        rows, order = population(rng, [0.5] * 8), rng.permutation(ALL)
        lost += 0 in stopped([row[order] for row in rows], error, (30, 60, 90, ALL))
    assert lost / searches <= error


def test_a_much_worse_prompt_is_stopped_long_before_the_end() -> None:
    rng = np.random.default_rng(1)
    rows = population(rng, [2.5, 2.5, -1.5])
    order = rng.permutation(ALL)
    assert 2 in stopped([row[order] for row in rows], 0.05, (20, 40, 60, ALL))


def test_capital_is_fair_where_no_prompt_is_better() -> None:
    """Over random orders of a population whose gaps add up to zero its mean stays at 1, with and without a control."""
    rng = np.random.default_rng(2)
    gaps = np.array([1.0] * 12 + [-1.0] * 12 + [0.0] * 26)
    control = np.where(rng.random(50) < 0.8, gaps, 0) * 0.5 + 0.1
    orders = [rng.permutation(50) for _ in range(1500)]
    plain = wealth(np.array([gaps[order][:30] for order in orders]), 50)
    controlled = np.array([one(gaps[order][:30], 50, control[order]) for order in orders[:800]])
    for capital in (plain, controlled):
        assert np.mean(capital) == pytest.approx(1.0, abs=4 * np.std(capital) / math.sqrt(len(capital)))
        assert np.mean(capital >= 10) <= 0.1


def test_a_control_that_explains_gaps_makes_evidence_surer() -> None:
    rng = np.random.default_rng(3)
    more = 0
    for _ in range(60):
        easy = rng.normal(size=200)
        gaps = np.clip(np.round(0.1 + np.tanh(easy) + 0.2 * rng.normal(size=200)), -1, 1)
        more += one(gaps[:150], 200, np.tanh(easy)) > one(gaps[:150], 200)
    assert more > 40


def test_what_cannot_be_made_up_for_any_more_is_certain() -> None:
    assert one(np.ones(6), 10) == math.inf
    assert one(np.ones(5), 10) < math.inf
    assert one(np.zeros(6), 10) == 1.0


def test_rivals_are_of_one_kind_and_have_got_as_far() -> None:
    race = Race(0.05, 3, (40, 80))
    good, bad = np.ones(40), np.zeros(40)
    race.add(1, "soft", measurement(1.0, 40), items(good))
    race.add(2, "text", measurement(1.0, 20), items(good[:20]))
    race.add(3, "text", measurement(0.0, 40), items(bad))
    assert not race.stops(3, 40)
    race.add(2, "text", measurement(1.0, 40), items(good))
    assert race.stops(3, 40)
    assert not race.stops(2, 40)


def test_without_items_nothing_is_stopped_and_without_rungs_it_is_refused() -> None:
    race = Race(0.05, 3, (8, 16))
    race.add(1, "text", measurement(1.0, 8), None)
    race.add(2, "text", measurement(0.0, 8), None)
    assert not race.stops(2, 8)
    with pytest.raises(ConfigError, match=r"study\.pruner: racing needs the rungs"):
        Racing(MeasuredTrials(), 0.05, 3, ())
