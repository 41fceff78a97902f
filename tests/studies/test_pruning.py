"""Every pruner and every sampler keeps the study's contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.pruning import ALLOCATORS, PRUNERS
from autoprompt_search.testing.factories import RUNGS, measurement, open_study, space
from autoprompt_search.testing.study_contract import BASELINE, STUDY_CASES, MakesStudy, climb, facts, play


def maker(**options: Any) -> MakesStudy:
    def make(
        folder: Path, space: SearchSpace, *, trials: int, baseline: Params, minutes: float | None = None
    ) -> OptunaStudy:
        return open_study(folder, space, trials, baseline=baseline, minutes=minutes, rungs=RUNGS, **options)

    return make


@pytest.mark.parametrize("pruner", [name for name in (*PRUNERS, *ALLOCATORS) if name != "halving"])
@pytest.mark.parametrize("case", STUDY_CASES, ids=lambda case: case.__name__)
def test_pruners_keep_the_contract(case: Callable[[MakesStudy, Path], None], pruner: str, tmp_path: Path) -> None:
    case(maker(pruner=pruner), tmp_path)


@pytest.mark.parametrize("sampler", ["random", "grid", "auto", "cma", "nsga2", "surrogate"])
@pytest.mark.parametrize("case", STUDY_CASES, ids=lambda case: case.__name__)
def test_samplers_keep_the_contract(case: Callable[[MakesStudy, Path], None], sampler: str, tmp_path: Path) -> None:
    case(maker(sampler=sampler, scores="modelled"), tmp_path)


def test_gp_proposes_points_of_a_space_with_conditions_and_repeats_itself(tmp_path: Path) -> None:
    """Its fits take a while, so that it is not taken through the whole contract."""
    asked = []
    for place in ("first", "second"):
        study = maker(sampler="gp")(tmp_path / place, space(), trials=10, baseline=BASELINE)
        asked.append(play(study))
    assert asked[0] == asked[1]
    assert len({str(params) for _, params in asked[0]}) == 10


def test_auto_is_a_gaussian_process_where_all_are_numbers(tmp_path: Path) -> None:
    numbers = SearchSpace.model_validate({"a": {"kind": "float", "low": 0, "high": 1}, "b": "x"})
    for over, kind in ((numbers, "gp"), (space(), "tpe")):
        study = open_study(tmp_path / kind, over, 5, sampler="auto")
        assert study._phases._texts._kind == kind


def test_a_grid_is_every_point_once_in_order(tmp_path: Path) -> None:
    small = SearchSpace.model_validate(
        {
            "a": {"kind": "choice", "values": ["x", "y"]},
            "b": {"kind": "int", "low": 1, "high": 3, "when": {"a": ["y"]}},
            "c": {"kind": "float", "low": 0.1, "high": 10, "log": True},
        }
    )
    study = open_study(tmp_path, small, 20, baseline={"a": "y", "b": 2, "c": 0.1}, sampler="grid")
    asked = [params for _, params in play(study)]
    assert len(asked) == 20
    assert asked[1] == {"a": "x", "c": 0.1}
    assert [round(float(str(p["c"])), 3) for p in asked[1:6]] == [0.1, 0.316, 1.0, 3.162, 10.0]
    assert [p["b"] for p in asked[6:11]] == [1] * 5
    assert {str(p) for p in asked} == {str(p) for p in map(dict, {tuple(p.items()): 0 for p in asked})}


def test_a_grid_over_texts_takes_soft_prompts_from_the_best_of_them(tmp_path: Path) -> None:
    over = SearchSpace.model_validate(
        {
            "template": {"kind": "choice", "values": ["a", "b", "c"]},
            "soft.method": {"kind": "choice", "values": ["none", "p-tuning"]},
            "soft.tokens": {"kind": "int", "low": 1, "high": 9, "when": {"soft.method": ["p-tuning"]}},
        }
    )
    study = open_study(tmp_path, over, 8, sampler="grid", text_share=0.4)
    asked = [params for _, params in play(study)]
    assert [p["soft.method"] for p in asked] == ["none"] * 3 + ["p-tuning"] * 5
    assert len({p["template"] for p in asked[3:]}) == 1
    assert [p["soft.tokens"] for p in asked[3:]] == [1, 2, 3, 4, 5]


def test_a_sampler_may_learn_from_scores_that_unequal_rungs_do_not_distort(tmp_path: Path) -> None:
    """Trial 2 saw the hard end of dev and trial 1 did not; as told to the sampler, 2 is the better one."""
    study = maker(scores="modelled", pruner="none")(tmp_path, space(), trials=9, baseline=BASELINE)
    low, high = RUNGS
    for scores in ([0.9, 0.5], [0.85], [0.95, 0.6]):
        number, _ = study.ask() or pytest.fail("no trial")
        for examples, score in zip((low, high), scores, strict=False):
            study.report(number, measurement(score, examples, is_full=examples == high))
        study.tell(number, TrialState.COMPLETE if len(scores) == 2 else TrialState.PRUNED)
    assert isinstance(study, OptunaStudy)
    assert study._scheduler.is_modelled
    estimates = study._scheduler.model.estimates()
    scores = {number: estimate.score for number, estimate in estimates.items()}
    assert scores[0] == pytest.approx(0.5)
    assert scores[2] == pytest.approx(0.6)
    assert scores[1] < scores[2]
    seen = study._phases._texts._rescored(estimates).get_trials(deepcopy=False)[1:]
    assert [(t.state, t.value) for t in seen] == [(OptunaState.COMPLETE, scores[n]) for n in range(3)]


def test_gradient_pauses_and_takes_up_again_and_survives_every_kill(tmp_path: Path) -> None:
    """Killed at any write, a search ends as one that never was."""
    make = maker(pruner="knowledge-gradient", sampler="random", passes=400)
    whole = make(tmp_path / "whole", space(), trials=12, baseline=BASELINE)
    order = []
    while (found := whole.ask()) is not None:
        order.append(found[0])
        climb(whole, *found)
    assert len(order) > len(set(order)), "nothing was taken up again"
    lines = (tmp_path / "whole" / "study.journal").read_bytes().splitlines(keepends=True)
    for end in range(5, len(lines), 7):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:end]))
        again = make(folder, space(), trials=12, baseline=BASELINE)
        while (found := again.ask()) is not None:
            climb(again, *found)
        assert facts(again.records()) == facts(whole.records())
