"""Spellings of the last version: read as today's, named by `check`, and equal to them when a search goes on."""

from __future__ import annotations

from typing import Any

import pytest

from autoprompt_search.config.deprecated import notes, renewed
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.validation import validate

OLD: dict[str, Any] = {
    "name": "n",
    "task": {"type": "t"},
    "backend": {"type": "b"},
    "templates": {"a": {"text": "{text}"}},
    "space": {"template": "a"},
    "rungs": [8],
    "budget": {"trials": 9, "stop_if_hopeless": True},
    "study": {"type": "optuna", "pruner": "gradient"},
}
NEW: dict[str, Any] = {
    **OLD,
    "budget": {"trials": 9, "stop_for_futility": True},
    "study": {"type": "optuna", "pruner": "knowledge-gradient"},
}


def test_old_spellings_mean_what_they_are_called_now() -> None:
    old, new = SearchConfig.model_validate(OLD), SearchConfig.model_validate(NEW)
    assert old == new
    assert old.fingerprint == new.fingerprint
    assert old.budget.stop_for_futility
    assert old.study.options["pruner"] == "knowledge-gradient"


def test_each_old_spelling_has_a_note_and_a_new_one_has_none() -> None:
    assert [line.partition(": ")[0] for line in validate(OLD).notes] == ["budget.stop_if_hopeless", "study.pruner"]
    assert validate(NEW).notes == []
    assert not validate(OLD).problems


def test_both_spellings_of_a_key_are_one_too_many() -> None:
    both = {**OLD, "budget": {"stop_if_hopeless": True, "stop_for_futility": False}}
    [problem] = validate(both).problems
    assert problem.text.startswith("budget.stop_if_hopeless: ")


@pytest.mark.parametrize(
    "data", [None, [], {"study": "optuna"}, {"study": {"pruner": ["gradient"]}, "budget": "quick"}]
)
def test_anything_else_is_left_as_it_is(data: Any) -> None:
    assert renewed(data) == data
    assert list(notes(data)) == []
