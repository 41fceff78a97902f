"""A study that minds what prompts cost: by weight, and by limits that Optuna sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.objective import Limit, Objective
from autoprompt_search.core.types import Params
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.testing.factories import RUNGS, measurement, open_study

SHORT = Objective(limits=(Limit("prompt_tokens", 30.0),))


def study_of(folder: Path, objective: Objective, trials: int = 24, **options: Any) -> OptunaStudy:
    return open_study(folder, trials=trials, rungs=RUNGS, objective=objective, **options)


def tokens_of(params: Params) -> float:
    """Every demonstration is ten tokens."""
    return 10.0 + 10.0 * int(params.get("demos.k", 0))


def play(study: OptunaStudy) -> None:
    """Every demonstration adds two points as well."""
    while (asked := study.ask()) is not None:
        number, params = asked
        score = 0.6 + 0.02 * int(params.get("demos.k", 0)) + 0.01 * (params["template"] == "ask")
        for examples in RUNGS:
            made = measurement(score, examples, is_full=examples == RUNGS[-1], tokens=tokens_of(params))
            if study.report(number, made):
                study.tell(number, TrialState.PRUNED)
                break
        else:
            study.tell(number, TrialState.COMPLETE)


def stored(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name="test", storage=storage).trials


@pytest.mark.parametrize("pruner", ["halving", "knowledge-gradient", "none"])
def test_a_trial_that_breaks_a_limit_ends_on_its_first_rung(tmp_path: Path, pruner: str) -> None:
    study = study_of(tmp_path, SHORT, pruner=pruner)
    play(study)
    long = [r for r in study.records() if tokens_of(r.params) > 30]
    assert long
    assert all(r.state is TrialState.PRUNED and len(r.measurements) == 1 for r in long)
    assert any(r.state is TrialState.COMPLETE and r.kind == "demos" for r in study.records())


def test_long_prompts_are_nobodys_rivals(tmp_path: Path) -> None:
    """With reduction 2 half of a rung goes on: none would, if the better and forbidden ones counted."""
    study = study_of(tmp_path, Objective(limits=(Limit("prompt_tokens", 20.0),)), trials=40, reduction=2)
    play(study)
    short = [r for r in study.records() if r.kind == "demos" and tokens_of(r.params) == 20]
    assert any(r.state is TrialState.COMPLETE for r in short)


def test_optuna_is_told_by_how_much_each_trial_is_above_its_limits(tmp_path: Path) -> None:
    play(study_of(tmp_path, SHORT))
    for trial in stored(tmp_path):
        assert trial.constraints == {"prompt_tokens <= 30": tokens_of(trial.params) - 30}
        assert trial.state in (OptunaState.COMPLETE, OptunaState.PRUNED)


def test_the_sampler_keeps_away_from_what_is_forbidden(tmp_path: Path) -> None:
    """Without limits it goes for more demonstrations, with them for fewer."""
    late = {}
    for name, objective in (("free", Objective()), ("short", SHORT)):
        study = study_of(tmp_path / name, objective, trials=40, pruner="none")
        play(study)
        late[name] = sum(tokens_of(r.params) > 30 for r in study.records() if r.number >= 20)
    assert late["short"] < late["free"]


def test_by_weight_shorter_prompts_go_on(tmp_path: Path) -> None:
    """Three points a demonstration are more than the two it adds."""
    for weight, wanted in ((0.0, True), (0.003, False)):
        folder = tmp_path / str(weight)
        study = study_of(folder, Objective(weight=weight), trials=40)
        play(study)
        full = [r for r in study.records() if r.state is TrialState.COMPLETE and r.number > 12]
        assert any(tokens_of(r.params) > 30 for r in full) == wanted
        for trial in stored(folder):
            if trial.state is OptunaState.COMPLETE:
                score = next(r for r in study.records() if r.number == trial.number).measurements[-1].score
                assert trial.value == pytest.approx(score - weight * tokens_of(trial.params))


def test_a_baseline_that_breaks_a_limit_is_measured_all_the_same(tmp_path: Path) -> None:
    study = study_of(tmp_path, Objective(limits=(Limit("prompt_tokens", 5.0),)), trials=3)
    play(study)
    assert [r.state for r in study.records()] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]


def test_a_resumed_study_asks_what_an_undisturbed_one_asks(tmp_path: Path) -> None:
    objective = Objective(weight=0.001, limits=SHORT.limits)
    whole = study_of(tmp_path / "whole", objective)
    play(whole)
    play(study_of(tmp_path / "parts", objective, trials=9))
    parts = study_of(tmp_path / "parts", objective)
    play(parts)
    assert [(r.params, r.state) for r in parts.records()] == [(r.params, r.state) for r in whole.records()]
