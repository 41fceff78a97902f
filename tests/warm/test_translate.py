"""A recorded prompt as a point of another space: names follow their texts, types come back, the rest is left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.earlier import EarlierSearch, EarlierTrial
from autoprompt_search.core.types import Scalar
from autoprompt_search.warm.translate import is_related, points

TEMPLATES = {"plain": {"text": "{text} It was"}, "ask": {"text": "{text} Verdict?"}}
SPACE: dict[str, Any] = {
    "template": {"kind": "choice", "values": ["plain", "ask"]},
    "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
    "demos.k": {"kind": "int", "low": 1, "high": 4, "when": {"demos.strategy": ["random"]}},
    "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
    "soft.lr": {"kind": "float", "low": 0.01, "high": 1.0, "when": {"soft.method": ["prompt-tuning"]}},
}
PLAIN: dict[str, Scalar] = {"template": "plain", "demos.strategy": "none", "soft.method": "none"}
SOFT: dict[str, Scalar] = {**PLAIN, "soft.method": "prompt-tuning", "soft.lr": 0.25}


def config(**changes: Any) -> SearchConfig:
    plain = {
        "name": "n",
        "task": {"type": "t"},
        "backend": {"type": "b"},
        "templates": TEMPLATES,
        "space": SPACE,
        "rungs": [8],
    }
    return SearchConfig.model_validate({**plain, **changes})


def earlier(*trials: tuple[dict[str, Any], float, float]) -> EarlierSearch:
    made = [EarlierTrial(number, params, score, loss) for number, (params, score, loss) in enumerate(trials)]
    return EarlierSearch("old", "", "", None, tuple(made))


def moved(new: SearchConfig, old: SearchConfig, *params: dict[str, Any]) -> list[dict[str, Scalar]]:
    return [dict(point) for point in points(new, old, earlier(*((p, 0.5, 1.0) for p in params)))]


@given(seed=st.randoms(use_true_random=False), is_text=st.booleans())
def test_a_point_of_the_same_space_is_itself_also_where_the_record_knows_no_types(seed: Any, is_text: bool) -> None:
    same = config()
    point = same.space.random_point(seed)
    recorded = {name: str(value) for name, value in point.items()} if is_text else point
    assert moved(same, same, recorded) == [point]


def test_the_best_come_first_then_the_lower_loss_then_the_older() -> None:
    ask, random = {**PLAIN, "template": "ask"}, {**PLAIN, "demos.strategy": "random", "demos.k": 2}
    search = earlier((PLAIN, 0.5, 0.2), (ask, 0.7, 0.9), (random, 0.5, 0.1), (SOFT, 0.5, 0.2))
    assert [dict(point) for point in points(config(), config(), search)] == [ask, random, PLAIN, SOFT]


def test_a_name_follows_its_text() -> None:
    swapped = {"plain": TEMPLATES["ask"], "ask": TEMPLATES["plain"]}
    assert moved(config(templates=swapped), config(), PLAIN) == [{**PLAIN, "template": "ask"}]


def test_a_text_that_is_not_here_leaves_its_prompt_out() -> None:
    other = {**TEMPLATES, "plain": {"text": "{text} In short it was"}}
    assert moved(config(templates=other), config(), PLAIN, {**PLAIN, "template": "ask"}) == [
        {**PLAIN, "template": "ask"}
    ]


def test_a_parameter_that_the_earlier_search_had_not_is_as_in_the_baseline() -> None:
    old = config(space={name: param for name, param in SPACE.items() if not name.startswith("demos.")})
    without = {name: value for name, value in PLAIN.items() if not name.startswith("demos.")}
    new = config(baseline={"demos.strategy": "random", "demos.k": 3})
    assert moved(new, old, without) == [{**PLAIN, "demos.strategy": "random", "demos.k": 3}]


def test_a_value_outside_this_space_leaves_its_prompt_out() -> None:
    narrow = config(space={**SPACE, "demos.k": {**SPACE["demos.k"], "high": 1}})
    assert moved(narrow, config(), {**PLAIN, "demos.strategy": "random", "demos.k": 2}) == []


def test_of_another_kind_of_backend_only_the_text_is_taken() -> None:
    other = config(backend={"type": "other"})
    assert not is_related(other, config())
    assert moved(other, config(), SOFT) == [PLAIN]


def test_texts_that_were_written_during_the_search_are_left_out() -> None:
    assert moved(config(), config(), {**PLAIN, "template.text": "{text} So?"}, SOFT) == [SOFT]


@pytest.mark.parametrize(
    "broken",
    [{**PLAIN, "template": "gone"}, {"template": "plain"}, {**SOFT, "soft.lr": "many"}, {**SOFT, "soft.lr": 9}],
)
def test_a_record_that_is_no_point_of_its_own_space_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((ValueError, LookupError)):
        moved(config(), config(), broken)
