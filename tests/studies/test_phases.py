"""Texts first, then soft prompts on the best of them."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.ranking import best_texts, text_of
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.testing.factories import RUNGS, ladder, measurement, open_study
from autoprompt_search.testing.study_contract import facts, finish

TRIALS = 20
PARAMS: dict[str, Any] = {
    "template": {"kind": "choice", "values": ["a", "b", "c", "d"]},
    "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
    "demos.k": {"kind": "int", "low": 1, "high": 4, "when": {"demos.strategy": ["random"]}},
    "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning", "p-tuning"]},
    "soft.tokens": {"kind": "int", "low": 1, "high": 50, "when": {"soft.method": ["prompt-tuning", "p-tuning"]}},
    "soft.lr": {"kind": "float", "low": 0.1, "high": 1.0, "when": {"soft.method": ["prompt-tuning"]}},
}
START = {"kind": "int", "low": 1, "high": 3, "when": {"soft.method": ["prompt-tuning"]}}
BASELINE: Params = {"template": "c", "demos.strategy": "none", "soft.method": "none"}


def make(folder: Path, *, space: dict[str, Any] | None = None, trials: int = TRIALS, **options: Any) -> OptunaStudy:
    over = SearchSpace.model_validate(space or PARAMS)
    return open_study(folder, over, trials, **{"baseline": BASELINE, "reduction": 2, **options})


def play(study: OptunaStudy, most: int = 1000) -> list[Params]:
    asked: list[Params] = []
    while len(asked) < most and (found := study.ask()) is not None:
        asked.append(found[1])
        finish(study, *found)
    return asked


def kinds(asked: list[Params]) -> list[bool]:
    return [kind_of(params) == "soft" for params in asked]


def test_texts_come_first_and_soft_prompts_start_from_the_best_of_them(tmp_path: Path) -> None:
    study = make(tmp_path)
    asked = play(study)
    assert kinds(asked) == [False] * 12 + [True] * 8
    (best, *_) = best_texts(study.records())
    assert all(text_of(params) == best for params in asked[12:])
    assert {params["soft.method"] for params in asked[12:]} == {"prompt-tuning", "p-tuning"}
    over = SearchSpace.model_validate(PARAMS)
    assert all(over.contains(params) for params in asked)


@pytest.mark.parametrize(("share", "texts"), [(0.0, 1), (0.25, 5), (1.0, 20)])
def test_the_share_is_of_the_budget(share: float, texts: int, tmp_path: Path) -> None:
    """The baseline is the first trial whatever the share; with 1 there are soft prompts when texts are used up."""
    space = {**PARAMS, "demos.k": {**PARAMS["demos.k"], "high": 40}}
    assert kinds(play(make(tmp_path, space=space, text_share=share))) == [False] * texts + [True] * (TRIALS - texts)


def test_a_text_is_best_by_score_then_loss_then_age_and_only_when_it_was_seen_to_its_end(tmp_path: Path) -> None:
    study = make(tmp_path, text_share=0.25)
    rungs = [(0.7, 0.5), (0.9, 0.5), (0.9, 0.3), (0.9, 0.3)]
    for score, loss in rungs:
        number, _ = study.ask() or pytest.fail("no trial")
        study.report(number, measurement(score, RUNGS[1], is_full=True, loss=loss))
        study.tell(number, TrialState.COMPLETE)
    number, _ = study.ask() or pytest.fail("no trial")
    study.report(number, measurement(0.99, RUNGS[0]))
    study.tell(number, TrialState.PRUNED)
    _, params = study.ask() or pytest.fail("no trial")
    assert text_of(params) == text_of(study.records()[2].params)


def test_soft_start_chooses_among_the_best_distinct_texts(tmp_path: Path) -> None:
    study = make(tmp_path, space={**PARAMS, "soft.start": START}, trials=60, text_share=0.3)
    asked = play(study)
    texts = best_texts(study.records())
    soft = [params for params in asked if kind_of(params) == "soft"]
    assert all(text_of(params) == texts[int(params.get("soft.start", 1)) - 1] for params in soft)
    assert set(Counter(params.get("soft.start") for params in soft)) == {None, 1, 2, 3}


def test_texts_that_read_alike_are_one(tmp_path: Path) -> None:
    study = make(tmp_path)
    for key in ("same", "same", "other"):
        number, _ = study.ask() or pytest.fail("no trial")
        study.report(number, measurement(0.9, RUNGS[1], is_full=True, prompt=key))
        study.tell(number, TrialState.COMPLETE)
    records = study.records()
    assert best_texts(records) == [text_of(records[0].params), text_of(records[2].params)]


def test_while_nothing_else_is_known_soft_prompts_start_from_the_baseline(tmp_path: Path) -> None:
    """Several trials at a time: the second phase does not wait for the first."""
    study = make(tmp_path, trials=6, text_share=0.5)
    asked = [(study.ask() or pytest.fail("no trial"))[1] for _ in range(6)]
    assert kinds(asked) == [False] * 3 + [True] * 3
    assert all(text_of(params) == text_of(BASELINE) for params in asked[3:])


@pytest.mark.parametrize("used_up", ["texts", "soft"])
def test_where_one_kind_is_used_up_the_other_goes_on(used_up: str, tmp_path: Path) -> None:
    few = {"template": PARAMS["template"], "soft.method": {"kind": "choice", "values": ["none", "p-tuning"]}}
    tokens = {"kind": "int", "low": 1, "high": 2, "when": {"soft.method": ["p-tuning"]}}
    many = {"kind": "int", "low": 1, "high": 50}
    space = {**few, "soft.tokens": tokens} if used_up == "texts" else {**few, "layout.x": many, "soft.tokens": tokens}
    asked = play(make(tmp_path, space=space, baseline=SearchSpace.model_validate(space).baseline(), text_share=0.4))
    if used_up == "texts":
        assert kinds(asked) == [False] * 4 + [True] * 2
    else:
        soft = kinds(asked)
        assert soft[:10] == [False] * 8 + [True] * 2
        # From then on texts; a better one among them brings its own two soft prompts.
        assert len(asked) == TRIALS
        assert soft.count(False) > 12


BOTH = {"kind": "choice", "values": ["prompt-tuning", "p-tuning"]}


@pytest.mark.parametrize("method", ["p-tuning", BOTH, "none"])
def test_where_nothing_is_left_open_there_is_one_phase(method: Any, tmp_path: Path) -> None:
    space = {**PARAMS, "soft.method": method}
    baseline = SearchSpace.model_validate(space).baseline()
    asked = play(make(tmp_path, space=space, baseline=baseline, text_share=0.2))
    assert len({str(text_of(params)) for params in asked}) > 5
    assert set(kinds(asked)) == {method != "none"}


def test_texts_have_their_share_of_the_minutes_too(tmp_path: Path) -> None:
    study = make(tmp_path, minutes=10, text_share=0.5)
    assert kinds(play(study, 2)) == [False, False]
    study._study.set_user_attr("seconds_used", 301.0)
    assert kinds(play(make(tmp_path, minutes=10, text_share=0.5), 2)) == [True, True]


def test_kinds_climb_ladders_of_their_own(tmp_path: Path) -> None:
    """A weak first soft prompt goes on: no soft prompt was better there."""
    study = make(tmp_path, text_share=0.3)
    for _ in range(6):
        number, _ = study.ask() or pytest.fail("no trial")
        for made in ladder([0.9, 0.9]):
            study.report(number, made)
        study.tell(number, TrialState.COMPLETE)
    number, params = study.ask() or pytest.fail("no trial")
    assert kind_of(params) == "soft"
    assert not study.report(number, measurement(0.1, RUNGS[0]))


def test_a_search_killed_at_every_write_asks_what_one_never_killed_asks(tmp_path: Path) -> None:
    space = {**PARAMS, "soft.start": START}
    whole = make(tmp_path / "whole", space=space)
    play(whole)
    journal = (tmp_path / "whole" / "study.journal").read_bytes()
    ends = list(itertools.accumulate(map(len, journal.splitlines(keepends=True))))
    for place, end in enumerate(ends[-60::3]):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "study.journal").write_bytes(journal[:end])
        again = make(folder, space=space)
        play(again)
        assert facts(again.records()) == facts(whole.records())
