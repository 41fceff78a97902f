"""The best soft prompts are trained again from other draws, and judged by all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.ranking import ranked, steadiest
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.replicates import draws_of, reserved
from autoprompt_search.testing.factories import RUNGS, measurement, open_study
from autoprompt_search.testing.study_contract import finish

SOFT = {"soft.method": ["prompt-tuning"]}
PARAMS: dict[str, Any] = {
    "template": {"kind": "choice", "values": ["a", "b", "c", "d"]},
    "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
    "soft.tokens": {"kind": "int", "low": 1, "high": 50, "when": SOFT},
    "soft.draw": {"kind": "int", "low": 0, "high": 2, "when": SOFT},
}
BASELINE: Params = {"template": "c", "soft.method": "none"}


def make(folder: Path, params: dict[str, Any] = PARAMS, **options: Any) -> OptunaStudy:
    over = SearchSpace.model_validate(params)
    return open_study(folder, over, 16, baseline=BASELINE, **{"pruner": "none", **options})


def play(study: OptunaStudy, most: int = 100) -> list[Params]:
    asked: list[Params] = []
    while len(asked) < most and (found := study.ask()) is not None:
        asked.append(found[1])
        finish(study, *found)
    return asked


def without_draw(params: Params) -> Params:
    return {name: value for name, value in params.items() if name != "soft.draw"}


def test_the_last_trials_train_the_best_two_again(tmp_path: Path) -> None:
    study = make(tmp_path)
    asked = play(study)
    assert len(asked) == 16
    before, again = asked[:12], asked[12:]
    assert {params["soft.draw"] for params in before if kind_of(params) == "soft"} == {0}
    best = [r.params for r in ranked(study.records()[:12]) if r.kind == "soft"][:2]
    assert [params["soft.draw"] for params in again] == [1, 1, 2, 2]
    assert [without_draw(params) for params in again] == [without_draw(params) for params in best] * 2


@pytest.mark.parametrize("killed_after", [5, 12, 13, 15])
def test_a_resumed_search_trains_the_same_again(killed_after: int, tmp_path: Path) -> None:
    expected = play(make(tmp_path / "whole"))
    first = play(make(tmp_path / "killed"), killed_after)
    assert first + play(make(tmp_path / "killed")) == expected


def test_all_of_a_space_without_texts_is_replicated_too(tmp_path: Path) -> None:
    params = {**PARAMS, "soft.method": {"kind": "fixed", "value": "prompt-tuning"}}
    over = SearchSpace.model_validate(params)
    baseline = over.baseline({})
    asked = play(open_study(tmp_path, over, 10, baseline=baseline, pruner="none"))
    assert [params["soft.draw"] for params in asked] == [0] * 6 + [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("param", "draws"),
    [
        (None, []),
        ({"kind": "fixed", "value": 1}, []),
        ({"kind": "int", "low": 3, "high": 3}, []),
        ({"kind": "int", "low": 1, "high": 3}, [1, 2, 3]),
        ({"kind": "choice", "values": [4, 0]}, [4, 0]),
    ],
)
def test_draws_are_the_values_of_the_parameter(param: dict[str, Any] | None, draws: list[int]) -> None:
    others = {name: value for name, value in PARAMS.items() if name != "soft.draw"}
    space = SearchSpace.model_validate({**others, "soft.draw": {**param, "when": SOFT}} if param else others)
    assert draws_of(space) == draws
    assert reserved(draws) == (2 * (len(draws) - 1) if draws else 0)


def record(number: int, tokens: int, draw: int, score: float, state: TrialState = TrialState.COMPLETE) -> TrialRecord:
    params = {"soft.method": "prompt-tuning", "soft.tokens": tokens, "soft.draw": draw}
    made = measurement(score, RUNGS[-1], is_full=state is TrialState.COMPLETE)
    return TrialRecord(number, params, state, (made,), kind="soft")


def test_settings_are_judged_by_the_mean_minus_the_spread_of_their_draws() -> None:
    lucky = [record(1, 4, 0, 0.95), record(4, 4, 1, 0.75), record(6, 4, 2, 0.85)]
    steady = [record(2, 8, 0, 0.88), record(5, 8, 1, 0.86), record(7, 8, 2, 0.87)]
    alone = [record(3, 9, 0, 0.99)]
    assert steadiest([*lucky, *steady, *alone]) == {2, 5, 7}
    assert steadiest(alone) is None
    assert steadiest([]) is None


def test_a_draw_that_was_stopped_early_counts_with_what_it_scored() -> None:
    broken = [record(1, 4, 0, 0.95), record(4, 4, 1, 0.60, TrialState.PRUNED)]
    steady = [record(2, 8, 0, 0.85), record(5, 8, 1, 0.84)]
    assert steadiest([*broken, *steady]) == {2, 5}
