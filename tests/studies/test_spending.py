"""A budget of forward passes, whoever decides when a trial ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.measurements import Cost, TrialRecord, TrialState
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.pruning import PRUNERS
from autoprompt_search.studies.terms import HardLimits
from autoprompt_search.testing.factories import RUNGS, ladder, measurement, open_study
from autoprompt_search.testing.study_contract import BASELINE, facts, play

PASSES = 200
MOST = sum(RUNGS)
"""Passes of one trial of the factories' ladder, which books every rung as a whole."""


def make(folder: Path, passes: int | None = PASSES, over: SearchSpace | None = None, **options: Any) -> OptunaStudy:
    baseline = BASELINE if over is None else over.baseline()
    return open_study(folder, over, 60, baseline=baseline, rungs=RUNGS, passes=passes, **options)


def spent(records: list[TrialRecord]) -> list[int]:
    return [sum(m.cost.forward_passes for m in r.measurements) for r in records if r.number]


@pytest.mark.parametrize("pruner", sorted(PRUNERS))
def test_no_trial_begins_once_the_passes_are_spent(pruner: Any, tmp_path: Path) -> None:
    study = make(tmp_path, pruner=pruner)
    play(study)
    costs = spent(list(study.records()))
    assert sum(costs[:-1]) < PASSES <= sum(costs), "the last trial began while there was something left"
    assert sum(costs) < PASSES + MOST


def test_gradient_keeps_within_them(tmp_path: Path) -> None:
    """But for what the best one lacks of all of dev."""
    study = make(tmp_path, pruner="knowledge-gradient")
    play(study)
    assert PASSES - RUNGS[0] < sum(spent(list(study.records()))) <= PASSES + RUNGS[-1]


def test_trials_that_run_are_finished(tmp_path: Path) -> None:
    study = make(tmp_path, passes=RUNGS[0], pruner="none")
    running = [study.ask() for _ in range(4)]
    assert None not in running
    for asked in running:
        assert asked is not None
        for made in ladder([0.5, 0.6]):
            assert not study.report(asked[0], made)
        study.tell(asked[0], TrialState.COMPLETE)
    assert study.ask() is None
    assert [r.state for r in study.records()] == [TrialState.COMPLETE] * 4


def test_the_baseline_comes_on_top(tmp_path: Path) -> None:
    study = make(tmp_path, passes=1, pruner="none")
    assert [number for number, _ in play(study)] == [0, 1]


def test_a_resumed_search_spends_what_an_undisturbed_one_does_and_more_passes_go_on(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", pruner="halving")
    play(whole)
    for most in (3, 5):
        play(make(tmp_path / "parts", pruner="halving"), most)
    parts = make(tmp_path / "parts", pruner="halving")
    play(parts)
    assert facts(parts.records()) == facts(whole.records())
    before = len(parts.records())
    assert make(tmp_path / "parts", pruner="halving").ask() is None
    play(more := make(tmp_path / "parts", passes=1 + sum(spent(list(parts.records()))), pruner="halving"))
    assert len(more.records()) == before + 1


@pytest.mark.parametrize(("passes", "pruner"), [(PASSES, "knowledge-gradient"), (None, "halving")])
def test_where_nobody_chose_passes_are_shared_out_by_the_gradient(
    passes: int | None, pruner: Any, tmp_path: Path
) -> None:
    usual, chosen = make(tmp_path / "usual", passes=passes), make(tmp_path / "chosen", passes=passes, pruner=pruner)
    play(usual)
    play(chosen)
    assert facts(usual.records()) == facts(chosen.records())


SOFT = SearchSpace.model_validate(
    {
        "template": {"kind": "choice", "values": ["plain", "cloze", "ask"]},
        "layout.casing": {"kind": "choice", "values": ["as-is", "upper", "lower"]},
        "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
        "soft.tokens": {"kind": "int", "low": 1, "high": 40, "when": {"soft.method": ["prompt-tuning"]}},
    }
)


@pytest.mark.parametrize("pruner", ["halving", "knowledge-gradient"])
def test_soft_prompts_begin_when_their_share_of_the_passes_does(pruner: Any, tmp_path: Path) -> None:
    """Though a number of trials would never come to that."""
    study = make(tmp_path, over=SOFT, pruner=pruner, text_share=0.5)
    asked: list[tuple[int, Params]] = [(n, p) for n, p in play(study)]  # type: ignore[misc]
    kinds = [params["soft.method"] for _, params in asked]
    assert kinds[0] == "none"
    assert "prompt-tuning" in kinds
    assert kinds.index("prompt-tuning") > 1


def tokens_of_a_search(folder: Path, most: int, pruner: Any, *, parallel: int = 1, held: int = 0) -> float:
    """What all trials take together, of prompts of 10 to 49 tokens, so many trials at a time."""
    hard_limits = HardLimits({"tokens": most}, planned=most // 30, held=held)
    terms = {"passes": None, "pruner": pruner, "hard_limits": hard_limits}
    study = make(folder, **terms)
    live: dict[int, int] = {}
    seen: dict[int, int] = {}
    tokens = 0.0
    while True:
        while len(live) < parallel and (asked := study.ask()) is not None:
            live[asked[0]] = 0
        if not live:
            return tokens
        number = min(live)
        place, each = live[number], 10 + 7 * number % 40
        rung, before = RUNGS[place], max(RUNGS[place - 1] if place else 0, seen.get(number, 0))
        fresh = max(0, rung - before)
        cost = Cost(fresh, prompt_tokens=(each - 4) * fresh, completion_tokens=4 * fresh)
        tokens += cost.tokens
        seen[number], live[number] = max(seen.get(number, 0), rung), place + 1
        is_full = rung == RUNGS[-1]
        stops = study.report(number, measurement(0.5 + number % 9 / 20, rung, is_full=is_full, cost=cost))
        if stops or is_full:
            study.tell(number, TrialState.PRUNED if stops else TrialState.COMPLETE)
            del live[number]


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("pruner", ["knowledge-gradient", "halving", "none"])
@pytest.mark.parametrize("held", [0, 40])
def test_tokens_are_never_passed_and_most_of_them_are_used(
    pruner: Any, parallel: int, held: int, tmp_path: Path
) -> None:
    """The final test, which is held back, takes prompts as dear as the dearest."""
    most = 12_000
    spent = tokens_of_a_search(tmp_path, most, pruner, parallel=parallel, held=held) + held * 49
    assert 0.6 * most < spent <= most


def test_a_limit_that_pays_for_the_baseline_alone_is_no_reason_to_fail(tmp_path: Path) -> None:
    assert tokens_of_a_search(tmp_path, 300, "halving") == 10 * RUNGS[-1]
