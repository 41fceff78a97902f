"""Inputs become examples that are nobody's demonstrations."""

from __future__ import annotations

import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.exported.rows import examples_of, sound_rows


def test_made_up_ids_are_nobody_s() -> None:
    rows = [{"text": "a"}, {"text": "b"}]
    first = {e.id for e in examples_of(rows, (), set())}
    again = {e.id for e in examples_of(rows, (), {*first, "other"})}
    assert len(first) == len(again) == 2
    assert not first & again


def test_many_mistakes_are_counted_and_the_first_ones_named() -> None:
    with pytest.raises(ConfigError) as caught:
        sound_rows([{"txt": "x"}] * 12, ["text"])
    assert caught.value.problems[0] == "row 1: the field 'text' is missing"
    assert caught.value.problems[10:] == ("and 2 more",)
