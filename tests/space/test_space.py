from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import ValidationError

from autoprompt_search.core.types import Params
from autoprompt_search.space import Float, SearchSpace

words = st.sampled_from(["a", "b", "c", 1, 2.5, False])


@st.composite
def declarations(draw: st.DrawFn, kinds: Sequence[str] = ("choice", "int", "float", "fixed")) -> dict[str, Any]:
    """Spaces as written in YAML, some of whose conditions depend on each other."""
    out: dict[str, Any] = {}
    for i in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(kinds))
        if kind == "choice":
            param: dict[str, Any] = {"kind": kind, "values": draw(st.lists(words, min_size=1, max_size=3, unique=True))}
        elif kind == "fixed":
            param = {"kind": kind, "value": draw(words)}
        else:
            low = draw(st.integers(1, 5))
            param = {"kind": kind, "low": low, "high": low + draw(st.integers(0, 3)), "log": draw(st.booleans())}
        parents = [name for name, p in out.items() if p["kind"] != "float"]
        chosen = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        if chosen:
            param["when"] = {
                name: draw(st.lists(st.sampled_from(possible(out[name])), min_size=1, max_size=2, unique=True))
                for name in chosen
            }
        out[f"p{i}"] = param
    return out


def possible(param: dict[str, Any]) -> list[Any]:
    if param["kind"] == "int":
        return list(range(param["low"], param["high"] + 1))
    return list(param["values"]) if param["kind"] == "choice" else [param["value"]]


def accepted(written: dict[str, Any]) -> SearchSpace | None:
    try:
        return SearchSpace.model_validate(written)
    except ValidationError:
        return None


def enumerate_points(written: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every point of a finite space, the slow way: all assignments, of each only what is active."""
    seen = set()
    for values in itertools.product(*(possible(p) for p in written.values())):
        point: dict[str, Any] = {}
        for (name, param), value in zip(written.items(), values, strict=True):
            if all(parent in point and point[parent] in ok for parent, ok in param.get("when", {}).items()):
                point[name] = value
        if repr(point) not in seen:
            seen.add(repr(point))
            yield point


@given(declarations(), st.integers())
def test_a_drawn_point_is_in_the_space_and_nothing_beside_it_is(written: dict[str, Any], seed: int) -> None:
    space = accepted(written)
    if space is None:
        return
    point = space.random_point(random.Random(seed))
    event(f"inactive parameters: {len(point) < len(space.root)}")
    assert space.contains(point)
    assert not space.contains({**point, "unknown": 1})
    for name in point:
        assert not space.contains({n: v for n, v in point.items() if n != name})
        assert not space.contains({**point, name: "no such value"})
    for name in space.root.keys() - point.keys():
        assert not space.contains({**point, name: space.root[name].first})


@given(declarations(), st.integers())
def test_a_random_point_keeps_what_is_given_and_draws_the_rest_as_without_it(
    written: dict[str, Any], seed: int
) -> None:
    space = accepted(written)
    if space is None:
        return
    free, last = space.random_point(random.Random(seed)), list(space.root)[-1]
    kept = space.random_point(random.Random(seed), {last: space.root[last].first})
    assert kept == {**free, **({last: space.root[last].first} if last in free else {})}


@given(declarations())
def test_yaml_round_trip(written: dict[str, Any]) -> None:
    space = accepted(written)
    if space is not None:
        text = yaml.safe_dump(space.model_dump(mode="json"), sort_keys=False)
        again = SearchSpace.model_validate(yaml.safe_load(text))
        assert again == space
        assert list(again.root) == list(space.root)


@given(declarations(), st.integers())
def test_the_baseline_is_in_the_space_and_takes_what_is_given(written: dict[str, Any], seed: int) -> None:
    space = accepted(written)
    if space is not None:
        assert space.contains(space.baseline())
        wanted = space.random_point(random.Random(seed))
        assert space.baseline(wanted) == wanted


@given(declarations(kinds=("choice", "int", "fixed")))
def test_the_size_of_a_finite_space_is_the_number_of_its_points(written: dict[str, Any]) -> None:
    space = accepted(written)
    if space is not None:
        points = list(enumerate_points(written))
        assert space.size == len(points)
        assert all(map(space.contains, points))


@given(declarations(kinds=("choice", "int")))
def test_a_space_is_refused_exactly_when_a_parameter_can_never_be_active(written: dict[str, Any]) -> None:
    alive = {name for point in enumerate_points(written) for name in point}
    event(f"dead parameters: {len(written) - len(alive)}")
    assert (accepted(written) is not None) == (alive == set(written))


def test_an_active_float_makes_a_space_infinite() -> None:
    lr = {"kind": "float", "low": 0.1, "high": 1}
    assert SearchSpace.model_validate({"lr": lr}).size == math.inf
    assert SearchSpace.model_validate({"lr": {**lr, "high": 0.1}}).size == 1
    tied = {"lr": lr, "more": {"kind": "choice", "values": [1, 2], "when": {"lr": [0.5]}}}
    assert SearchSpace.model_validate(tied).size == math.inf


def test_a_float_is_a_float_whoever_picks_it() -> None:
    """A baseline of 1 and the 1.0 that the storage gives back are one point."""
    space = SearchSpace({"lr": Float(kind="float", low=0.5, high=2)})
    assert type(space.point(lambda *_: 1)["lr"]) is float
    assert type(space.baseline({"lr": 1})["lr"]) is float


def test_a_fixed_parent_may_switch_its_children_off() -> None:
    """An ablation fixes `soft.method: none` and leaves the rest of the file as it is."""
    on_k = {"kind": "int", "low": 1, "high": 4, "when": {"mode": ["knn"]}}
    by_k = {"kind": "choice", "values": ["a", "b"], "when": {"k": [1, 2]}}
    off = SearchSpace.model_validate({"mode": "none", "k": on_k, "x": by_k})
    assert off.size == 1
    assert off.random_point(random.Random(0)) == off.baseline() == {"mode": "none"}
    assert SearchSpace.model_validate({"mode": "knn", "k": on_k, "x": by_k}).size == 2 * 2 + 2


MODE = {"kind": "choice", "values": ["none", "knn"]}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "the space is empty: declare at least one parameter"),
        ({"a": {"kind": "choice", "values": []}}, "at least 1 item"),
        ({"a": {"kind": "choice", "values": ["x", "x"]}}, "values must be distinct"),
        ({"a": {"kind": "choice", "values": [1, True]}}, "values must be distinct"),
        ({"a": {"kind": "choice", "values": ["x"], "valeus": 1}}, "Extra inputs are not permitted"),
        ({"a": {"kind": "chioce", "values": ["x"]}}, "Input tag 'chioce'"),
        ({"a": {"kind": "int", "low": 4, "high": 2}}, "low must not exceed high: low is 4, high is 2"),
        ({"a": {"kind": "float", "low": 0, "high": 2, "log": True}}, "a log scale needs low above 0: low is 0"),
        ({"a": {"kind": "int", "low": 1.5, "high": 2}}, "valid integer"),
        (
            {"k": {"kind": "int", "low": 1, "high": 2, "when": {"mode": ["knn"]}}, "mode": MODE},
            "'mode', which is not declared above",
        ),
        ({"k": {"kind": "int", "low": 1, "high": 2, "when": {"k": [1]}}}, "'k', which is not declared above"),
        (
            {"mode": MODE, "k": {"kind": "int", "low": 1, "high": 2, "when": {"mode": ["kmn"]}}},
            "'mode' is never one of ['kmn']",
        ),
        ({"mode": MODE, "k": {"kind": "int", "low": 1, "high": 2, "when": {"mode": []}}}, "can never hold"),
        (
            {
                "mode": MODE,
                "k": {"kind": "int", "low": 1, "high": 2, "when": {"mode": ["knn"]}},
                "x": {"kind": "int", "low": 1, "high": 2, "when": {"k": [1], "mode": ["none"]}},
            },
            "x: `when` can never hold",
        ),
    ],
)
def test_mistakes_are_named(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SearchSpace.model_validate(written)
    assert message in str(caught.value)


def test_all_mistakes_in_conditions_come_at_once() -> None:
    k = {"kind": "int", "low": 1, "high": 2}
    written = {"mode": MODE, "a": {**k, "when": {"mood": ["knn"]}}, "b": {**k, "when": {"mode": ["kn"]}}}
    with pytest.raises(ValidationError, match=r"(?s)a: .*'mood'.*b: .*'kn'"):
        SearchSpace.model_validate(written)


@pytest.mark.parametrize(
    ("point", "is_in"),
    [
        ({"mode": "none"}, True),
        ({"mode": "knn", "k": 2}, True),
        ({"mode": "knn"}, False),
        ({"mode": "none", "k": 2}, False),
        ({"mode": "knn", "k": 5}, False),
        ({"mode": "knn", "k": 2.0}, False),
        ({"mode": "knn", "k": True}, False),
        ({}, False),
    ],
)
def test_only_active_parameters_with_possible_values_are_a_point(point: Params, is_in: bool) -> None:
    k = {"kind": "int", "low": 1, "high": 4, "when": {"mode": ["knn"]}}
    assert SearchSpace.model_validate({"mode": MODE, "k": k}).contains(point) == is_in
