"""Whose turn it is, and what it may cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Cost, Measurement, TrialState
from autoprompt_search.core.statistics.additive import ScoreModel
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.driver import Driver
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.allocation import Begin, GoOn, Phase
from autoprompt_search.studies.knowledge_gradient import BREADTH, KnowledgeGradient
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.spending import Spending
from autoprompt_search.studies.terms import SearchBudget
from autoprompt_search.testing.factories import measurement, open_study
from autoprompt_search.testing.runner_contract import Watch
from autoprompt_search.trackers.memory import MemoryTracker

RUNGS = (20, 40, 60, 80, 100)
NUMBERS = SearchSpace.model_validate({"a": {"kind": "int", "low": 0, "high": 60}})


def made(score: float, rung: int, new: int = 20) -> Measurement:
    error = (score * (1 - score) / rung) ** 0.5
    is_full = rung == RUNGS[-1]
    return measurement(score, rung, stderr=error, cost=Cost(forward_passes=new), is_full=is_full)


class Race:
    """An allocator with what it reads: scores and passes, entered as the scheduler enters them."""

    def __init__(self, passes: int, trials: int, text_share: float = 1.0) -> None:
        self.model, self.spending = ScoreModel(RUNGS), Spending(SearchBudget(trials, passes=passes))
        self.allocator = KnowledgeGradient(self.model, self.spending, text_share)
        self.choose, self.leader, self.drop = self.allocator.choose, self.allocator.leader, self.allocator.drop

    def add(self, number: int, kind: str, measurement: Measurement) -> None:
        self.model.add(number, kind, measurement)
        self.spending.book(number, measurement)


def entered(race: Race, *trials: list[float], first: int = 1) -> Race:
    for number, scores in enumerate(trials, start=first):
        for rung, score in zip(RUNGS, scores, strict=False):
            race.add(number, "text", made(score, rung))
    return race


def test_first_looks_come_first_and_have_their_share() -> None:
    race = Race(500, 50)
    begun = 0
    while isinstance(race.choose(range(1, begun + 1), may_begin=True), Begin):
        begun += 1
        entered(race, [0.6], first=begun)
    assert begun == BREADTH * 500 / RUNGS[0]
    assert isinstance(race.choose([1, 2], may_begin=True), GoOn)


TRAINING = 60
"""Passes that a soft prompt is trained for, per rung."""


def spent_on_both(passes: int) -> tuple[list[tuple[int, str, int]], dict[int, int]]:
    """(trial, kind, examples) of every rung of a search of texts and then soft prompts; the rung each trial reached."""
    race = Race(passes, 500, text_share=0.6)
    rng = np.random.default_rng(0)
    kinds: dict[int, str] = {}
    reached: dict[int, int] = {}
    scores: dict[int, float] = {}
    steps = []
    while True:
        waiting = [n for n, rung in reached.items() if rung < len(RUNGS)]
        step = race.choose(waiting, may_begin=True)
        if step is None:
            return steps, reached
        if isinstance(step, Begin):
            number = len(kinds) + 1
            kinds[number], reached[number] = step.phase.value, 0
            scores[number] = 0.5 + 0.1 * rng.random() + 0.2 * (step.phase is Phase.SOFT)
        else:
            number = step.number
        rung = RUNGS[reached[number]]
        is_soft = kinds[number] == "soft"
        cost = TRAINING + rung if is_soft else 20
        now = replace(made(scores[number], rung, cost), prompt=f"{number} at {rung}" if is_soft else f"{number}")
        race.add(number, kinds[number], now)
        steps.append((number, kinds[number], rung))
        reached[number] += 1


def test_texts_have_their_share_first_and_their_best_is_known_before_soft_prompts_start_from_it() -> None:
    steps, reached = spent_on_both(3000)
    order = [kind for _, kind, _ in steps]
    first = order.index("soft")
    of_texts, of_soft = steps[:first], [step for step in steps[first:] if step[1] == "soft"]
    assert order[first:].count("text") <= len(RUNGS), "at most the leader of all is finished later"
    assert 0.9 * 1800 <= 20 * len(of_texts) <= 1800 + 20 * len(RUNGS)
    assert any(reached[number] == len(RUNGS) for number, kind, _ in of_texts if kind == "text")
    spent = sum(TRAINING + rung for _, _, rung in of_soft)
    assert spent <= 1200 + sum(TRAINING + rung for rung in RUNGS)
    assert any(reached[number] == len(RUNGS) for number, _, _ in of_soft), "one of them at least is trained to its end"


def test_texts_that_may_not_begin_go_on_and_texts_that_are_over_do_not() -> None:
    """A share of the trials, and of the minutes."""
    race = entered(Race(3000, 500, text_share=0.6), [0.6], [0.7], [0.5])
    waiting = [1, 2, 3]
    assert race.choose(waiting, may_begin=True) == Begin()
    assert isinstance(race.choose(waiting, may_begin=True, may_begin_text=False), GoOn)
    assert race.choose(waiting, may_begin=True, is_text_over=True) == GoOn(2), "the best text is finished"
    entered(race, [0.7] * 5, first=2)
    assert race.choose([1, 3], may_begin=True, is_text_over=True) == Begin(Phase.SOFT)
    assert race.choose([1, 3], may_begin=True, is_over=True) is None


def test_what_a_soft_prompt_costs_next_is_its_training_and_all_examples_again() -> None:
    race = Race(3000, 500, text_share=0.6)
    race.add(1, "soft", made(0.6, 20, TRAINING + 20))
    race.add(2, "text", made(0.6, 20, 20))
    assert race.allocator._prices(1, 20) == [np.inf, 100, 220, 360, 520]
    assert race.allocator._prices(2, 20) == [np.inf, 20, 40, 60, 80]


def test_without_texts_beside_them_soft_prompts_have_it_all() -> None:
    race = Race(1000, 50)
    assert race.choose([], may_begin=True) == Begin()
    race.add(1, "soft", made(0.6, 20, 100))
    assert race.choose([1], may_begin=True) == Begin()


def test_then_the_best_and_its_near_rivals_are_looked_at_and_one_far_behind_is_not() -> None:
    race = entered(Race(400, 8), *[[0.6]] * 4, [0.75], [0.7], [0.1])
    turns = []
    for _ in range(8):
        step = race.choose(range(1, 8), may_begin=False)
        assert isinstance(step, GoOn)
        turns.append(step.number)
        score = {5: 0.75, 6: 0.7}.get(step.number, 0.6)
        race.add(step.number, "text", made(score, RUNGS[turns.count(step.number)]))
    assert turns[0] in (5, 6)
    assert {5, 6} <= set(turns)
    assert 7 not in turns
    assert race.leader() == 5


def test_when_the_passes_are_spent_only_the_leader_goes_on_and_to_the_end() -> None:
    race = entered(Race(100, 8), [0.6], [0.9], [0.5], [0.4], [0.3])
    assert race.spending.passes == 100
    for rung in RUNGS[1:]:
        assert race.choose([1, 2, 3, 4, 5], may_begin=True) == GoOn(2)
        race.add(2, "text", made(0.9, rung))
    assert race.choose([1, 3, 4, 5], may_begin=True) is None


def test_a_search_that_is_over_by_the_clock_ends_the_same_way() -> None:
    race = entered(Race(10_000, 8), [0.6], [0.9])
    assert race.choose([1, 2], may_begin=False, is_over=True) == GoOn(2)


def test_a_trial_that_failed_is_nobodys_rival() -> None:
    race = entered(Race(100, 8), [0.9], [0.6])
    race.drop(1)
    assert race.leader() == 2


def test_the_baseline_costs_nothing_of_the_budget() -> None:
    race = entered(Race(100, 8), [0.5] * 5, first=0)
    assert race.spending.passes == 0
    assert isinstance(race.choose([], may_begin=True), Begin)


def test_dear_trials_are_asked_to_be_worth_it() -> None:
    """The same scores; the second costs ten times as much per example."""
    race = entered(Race(1000, 8), [0.5], [0.5], [0.5])
    for number, new in ((4, 20), (5, 200)):
        race.add(number, "text", made(0.6, RUNGS[0], new))
    assert race.choose([4, 5], may_begin=False) == GoOn(4)


def test_rungs_are_needed() -> None:
    with pytest.raises(ConfigError, match=r"study\.pruner: knowledge-gradient needs the rungs"):
        KnowledgeGradient(ScoreModel(()), Spending(SearchBudget(3, passes=100)))


def search(folder: Path, passes: int, seed: int, **options: Any) -> tuple[OptunaStudy, dict[int, int]]:
    """A whole search through the driver; the study, and passes per trial."""
    rng = np.random.default_rng(seed)
    skill = rng.normal(0.6, 0.05, size=61)
    blocks = np.clip(skill[:, None] + rng.normal(0, 0.05, size=(61, 5)), 0.05, 0.95)
    study = open_study(folder, NUMBERS, 61, pruner="knowledge-gradient", rungs=RUNGS, passes=passes, **options)
    ledger, tracker, watch = Ledger(folder / "ledger.sqlite"), MemoryTracker(), Watch()
    driver = Driver(study, ledger, tracker, watch, examples={}, weights=folder)
    seen: dict[int, int] = {}
    while (asked := driver.ask()) is not None:
        number, params = asked
        for place, rung in enumerate(RUNGS):
            is_new = place >= seen.get(number, 0)
            seen[number] = max(seen.get(number, 0), place + 1)
            score = float(blocks[int(params["a"]), : place + 1].mean())
            if driver.measured(number, made(score, rung, 20 if is_new else 0)):
                break
        else:
            driver.ended(number, TrialState.COMPLETE)
    ledger.close()
    assert sorted(tracker.records) == sorted(r.number for r in study.records()) == sorted(seen)
    assert [n for what, n, _ in watch.seen if what == "finished"].count(1) == 1
    return study, {number: 20 * places for number, places in seen.items()}


@settings(max_examples=8, deadline=None)
@given(passes=st.integers(100, 1500), seed=st.integers(0, 99))
def test_the_budget_holds_and_the_leader_is_complete_at_the_end(
    tmp_path_factory: pytest.TempPathFactory, passes: int, seed: int
) -> None:
    study, spent = search(tmp_path_factory.mktemp("search"), passes, seed, sampler="random")
    leader = study.leader()
    assert leader is not None
    records = {r.number: r for r in study.records()}
    assert records[leader].state is TrialState.COMPLETE
    last = sum(r.state is TrialState.COMPLETE for r in records.values())
    assert sum(spent.values()) - spent[0] <= passes + 100 * last
    assert all(r.measurements for r in records.values())


def test_it_learns_from_paused_trials_what_to_try_next(tmp_path: Path) -> None:
    """With TPE, whose memory would otherwise hold them as running ones of which nothing is known."""
    study, _ = search(tmp_path, 1500, 3)
    assert len(study.records()) >= BREADTH * 1500 / 20 - 1
