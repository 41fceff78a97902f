"""A dozen diverse prompts before the search, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Outcome, TrialState
from autoprompt_search.metrics import metric_named
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.initial_design import initial_design
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.pruning import ALLOCATORS, PRUNERS
from autoprompt_search.studies.terms import ProbePlan
from autoprompt_search.testing.factories import RUNGS, measurement, open_study
from autoprompt_search.testing.study_contract import BASELINE, facts

WIDE = SearchSpace.model_validate(
    {
        "template": {"kind": "choice", "values": ["plain", "cloze", "ask"]},
        "calibration": {"kind": "choice", "values": ["none", "batch"]},
        "layout.casing": {"kind": "choice", "values": ["as-is", "upper"]},
        "demos.strategy": {"kind": "choice", "values": ["none", "random", "hard"]},
        "demos.k": {"kind": "int", "low": 1, "high": 8, "when": {"demos.strategy": ["random", "hard"]}},
        "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
        "soft.tokens": {"kind": "int", "low": 1, "high": 9, "when": {"soft.method": ["prompt-tuning"]}},
        "soft.lr": {"kind": "float", "low": 0.1, "high": 1, "log": True, "when": {"soft.method": ["prompt-tuning"]}},
    }
)


def test_anchors_are_distinct_points_of_the_space_without_soft_prompts() -> None:
    found = initial_design(WIDE, WIDE.baseline(), 10)
    assert len({fingerprint(point) for point in [WIDE.baseline(), *found]}) == 11
    assert all(WIDE.contains(point) and point["soft.method"] == "none" for point in found)
    assert {point["template"] for point in found[:4]} == {"plain", "cloze", "ask"}
    assert {point["calibration"] for point in found[:4]} == {"none", "batch"}
    assert {point["demos.strategy"] for point in found} == {"none", "random"}, "hard ones cost a pass per train example"
    assert found == initial_design(WIDE, WIDE.baseline(), 10)
    assert found[:4] == initial_design(WIDE, WIDE.baseline(), 4)


def test_there_are_none_where_every_prompt_is_trained() -> None:
    trained = WIDE.model_copy(update={"root": {**WIDE.root, "soft.method": WIDE.root["soft.method"].model_copy(
        update={"values": ["prompt-tuning"]})}})  # fmt: skip
    assert initial_design(trained, trained.baseline(), 10) == []


def made(share: float, examples: int, total: int = RUNGS[-1]) -> Any:
    """The first examples of a prompt that is right on a share of all, and on the same ones as any better prompt."""
    hits = [(7 * i) % total < share * total for i in range(examples)]
    outcomes = tuple(
        Outcome(str(i), "a", "a" if hit else "b", LabelLogprobs((-0.1, -2.4))) for i, hit in enumerate(hits)
    )
    return measurement(sum(hits) / examples, examples, is_full=examples == total, outcomes=outcomes)


def make(folder: Path, over: SearchSpace | None = None, **options: Any) -> OptunaStudy:
    baseline = BASELINE if over is None else over.baseline()
    return open_study(
        folder,
        over,
        20,
        baseline=baseline,
        rungs=RUNGS,
        **{"probe": 5, "metric": metric_named("accuracy", ()), **options},
    )


def share_of(params: Any) -> float:
    return {"plain": 0.5, "cloze": 0.6, "ask": 0.8}[params["template"]] + 0.02 * int(params.get("demos.k", 0))


def run(study: OptunaStudy, share: Any = share_of, most: int = 10**6) -> list[tuple[int, int]]:
    """Every rung measured, in order: (trial, examples)."""
    order = []
    while len(order) < most and (asked := study.ask()) is not None:
        number, params = asked
        for examples in RUNGS:
            order.append((number, examples))
            if study.report(number, made(share(params), examples)):
                study.tell(number, TrialState.PRUNED)
                break
        else:
            study.tell(number, TrialState.COMPLETE)
    return order


@pytest.mark.slow
@pytest.mark.parametrize("pruner", sorted([*PRUNERS, *ALLOCATORS]))
def test_anchors_see_the_first_rung_before_anybody_goes_on(pruner: Any, tmp_path: Path) -> None:
    study = make(tmp_path, pruner=pruner)
    first = run(study)[: len(RUNGS) + 5]
    assert first == [(0, RUNGS[0]), (0, RUNGS[1])] + [(number, RUNGS[0]) for number in range(1, 6)]
    found = study.headroom()
    assert found is not None
    assert (found.anchors, found.examples) == (5, RUNGS[0])
    assert [r.number for r in study.records()] == list(range(20)), "and they are trials like all others"


def test_halving_goes_on_with_the_best_of_them(tmp_path: Path) -> None:
    study = make(tmp_path, reduction=3)
    run(study)
    anchors_ended = {r.number: r for r in study.records() if 1 <= r.number <= 5}
    complete = [r for r in anchors_ended.values() if r.state is TrialState.COMPLETE]
    assert 1 <= len(complete) <= 3
    best = max(anchors_ended.values(), key=lambda r: r.measurements[0].score)
    assert best.state is TrialState.COMPLETE


@pytest.mark.parametrize("pruner", ["halving", "racing", "knowledge-gradient"])
def test_a_probe_that_was_interrupted_goes_on_as_if_it_was_not(pruner: Any, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", pruner=pruner)
    run(whole)
    for most in (3, 2, 1, 1):
        run(make(tmp_path / "parts", pruner=pruner), most=most)
    parts = make(tmp_path / "parts", pruner=pruner)
    run(parts)
    assert facts(parts.records()) == facts(whole.records())
    assert parts.headroom() == whole.headroom()
    later = make(tmp_path / "parts", pruner=pruner, probe=0)
    assert later.headroom() == whole.headroom(), "however large the budget is now"


def test_a_search_that_began_without_a_probe_has_none_later(tmp_path: Path) -> None:
    run(make(tmp_path, probe=0), most=3)
    later = make(tmp_path)
    run(later)
    assert later.headroom() is None


def test_a_saturated_task_stops_and_one_with_headroom_goes_on(tmp_path: Path) -> None:
    saturated = make(tmp_path / "saturated", probe=ProbePlan(5, 0.02))
    run(saturated, lambda _: 1.0)
    assert saturated.is_futile
    assert len(saturated.records()) == 6
    assert [r.state for r in saturated.records()[1:]] == [TrialState.PRUNED] * 5
    assert make(tmp_path / "saturated", probe=ProbePlan(5, 0.02)).ask() is None, "and stays so"
    goes_on = make(tmp_path / "on", probe=ProbePlan(5, 0.02))
    run(goes_on)
    assert not goes_on.is_futile
    assert len(goes_on.records()) == 20
    unasked = make(tmp_path / "unasked")
    run(unasked, lambda _: 1.0)
    assert len(unasked.records()) == 20


def test_where_soft_prompts_may_come_only_the_ceiling_is_futile(tmp_path: Path) -> None:
    alike = make(tmp_path / "alike", WIDE, probe=ProbePlan(5, 0.5))
    run(alike, lambda _: 0.45)
    found = alike.headroom()
    assert found is not None
    assert found.gain.high < 0.5 < found.ceiling
    assert not alike.is_futile
    full = make(tmp_path / "full", WIDE, probe=ProbePlan(5, 0.02))
    run(full, lambda _: 1.0)
    assert full.is_futile


def test_an_anchor_that_fails_is_left_out_and_a_baseline_that_fails_ends_the_search(tmp_path: Path) -> None:
    study = make(tmp_path / "anchor")
    run(study, most=1 + len(RUNGS))
    number, _ = study.ask() or pytest.fail("no trial")
    study.tell(number, TrialState.FAILED, error="NaN")
    run(study)
    found = study.headroom()
    assert found is not None
    assert found.anchors == 4
    without = make(tmp_path / "baseline")
    without.ask()
    with pytest.raises(SystemicError, match=r"the baseline failed.*NaN"):
        without.tell(0, TrialState.FAILED, error="NaN")
    assert without.headroom() is None
