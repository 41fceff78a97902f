from __future__ import annotations

import pickle

import pytest

from autoprompt_search.core import errors
from autoprompt_search.core.errors import ConfigError, SearchError


def test_one_problem_is_one_line_after_the_file() -> None:
    assert str(ConfigError("seed: is required", where="x.yaml")) == "x.yaml: seed: is required"
    assert str(ConfigError(["seed: is required"])) == "seed: is required"


def test_several_problems_are_a_list_below_the_file() -> None:
    assert str(ConfigError(["a: wrong", "b: wrong"], where="x.yaml")) == "x.yaml:\n  - a: wrong\n  - b: wrong"


def test_a_config_error_survives_the_way_from_a_worker() -> None:
    for error in (ConfigError(["a", "b"], where="x.yaml"), ConfigError("one")):
        back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, as Ray sends them
        assert type(back) is ConfigError
        assert (back.problems, back.where, str(back)) == (error.problems, error.where, str(error))


def test_every_error_can_be_caught_as_one() -> None:
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(ours) == 9
    assert all(issubclass(kind, SearchError) for kind in ours)
    assert all(kind.__name__ in str(errors.__doc__) for kind in ours)


@pytest.mark.parametrize(
    "name",
    ["TrialError", "SystemicError", "EndpointError", "BudgetError", "StateError", "TamperedError", "MissingExtraError"],
)
def test_the_others_survive_it_too(name: str) -> None:
    error = getattr(errors, name)("why")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(back), str(back)) == (type(error), "why")


@pytest.mark.parametrize(
    ("said", "first", "whole"),
    [
        ("", "ValueError", "ValueError"),
        ("  \n ", "ValueError", "ValueError"),
        ("\n no file\n  at all ", "no file", "no file at all"),
    ],
)
def test_an_exception_is_told_in_a_line(said: str, first: str, whole: str) -> None:
    assert errors.first_line(ValueError(said)) == first
    assert errors.one_line(ValueError(said)) == whole


def test_one_line_is_cut() -> None:
    assert errors.one_line(ValueError("word " * 100), most=9) == "word word"
