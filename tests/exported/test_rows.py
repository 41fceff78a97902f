"""Inputs become examples that are nobody's demonstrations."""

from __future__ import annotations

import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.exported.rows import Row, examples_of, sound_rows


def test_made_up_ids_are_nobody_s() -> None:
    rows = sound_rows(["a", "b"], ["text"])
    first = {e.id for e in examples_of(rows, set())}
    again = {e.id for e in examples_of(rows, {*first, "other"})}
    assert len(first) == len(again) == 2
    assert not first & again


def test_many_mistakes_are_counted_and_the_first_ones_named() -> None:
    with pytest.raises(ConfigError) as caught:
        sound_rows([{"txt": "x"}] * 12, ["text"])
    assert caught.value.problems[0] == "row 1: the field 'text' is missing"
    assert caught.value.problems[10:] == ("and 2 more",)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"q": "which?"}, "'options' is missing"),
        ("which?", "'options' is missing"),
        ({"q": "which?", "options": "a"}, "is no list of texts"),
        ({"q": "which?", "options": ["a", " "]}, "is no list of texts"),
        ({"q": "which?", "options": ["a"]}, "two different texts"),
        ({"q": "which?", "options": ["a", "b", "a"]}, "two different texts"),
    ],
)
def test_options_that_are_no_choice_are_named(row: Row, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        sound_rows([row], ["q"], are_options_asked=True)


def test_options_are_shown_behind_letters_and_kept_as_they_are() -> None:
    (row,) = sound_rows([{"q": "which?", "options": ["red", "blue"]}], ["q", "options"], are_options_asked=True)
    assert row.inputs == {"q": "which?", "options": "A. red\nB. blue"}
    assert row.options == ("red", "blue")
