"""What a terminal or a spreadsheet would obey is shown, and says the same to a program."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.visible import cell, visible, visible_json, visible_line

OBEYED = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\u202e\u2066\u200f\x7f\u2028"
texts = st.text(st.one_of(st.sampled_from(OBEYED), st.characters()))


@given(texts)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = visible(text)
    assert not any(
        unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c)[:2] in ("LR", "RL")
        for c in shown.replace("\n", "").replace("\t", "")
    )
    assert "\n" not in visible_line(text)
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["déjà vu, 日本語", "می\u200cخواهم", "👩\u200d👩\u200d👧", "two\nlines\tand a tab"])
def test_what_belongs_to_a_language_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(texts.filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)))
def test_json_says_the_same(text: str) -> None:
    shown = visible_json({"a": [text]})
    assert json.loads(shown) == {"a": [text]}
    assert not any(unicodedata.category(c) == "Cc" or c in "\u202e\u2028" for c in shown)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize("value", [-1.5, 3, None, "plain", "a=b", ""])
def test_numbers_and_other_texts_stay(value: object) -> None:
    assert cell(value) == value
