"""Every parser keeps the contract, on made-up texts and on any text at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.answering import PARSERS
from autoprompt_search.answering.parsing import Parser
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.testing.parser_contract import PIECES, ParserContract, check_any_text, check_cut_text

LABELS = ("good", "very good", "bad", "한")
READABLE: dict[str, tuple[dict[str, Any], str]] = {
    "verbatim": ({}, " twenty \n"),
    "first-line": ({}, "\ntwenty\nmore\n"),
    "after-marker": ({"marker": "The answer is"}, "So. the answer is\n20\n"),
    "last-number": ({}, "4 times 5 are 20.0"),
    "all-labels": ({}, "It is Very Good and bad, it seems"),
    "first-label": ({}, "It is Very Good indeed, it seems"),
    "option-letter": ({}, "Answer: (B), since"),
    "json-field": ({"field": "answer"}, 'Here: {"answer": "B"} done'),
    "regex": ({"pattern": r"(\d+) ?kg"}, "It weighs 20 kg."),
    "program": ({}, "```python\nx = 20\n```\nThat is it."),
    "code-block": ({}, "```python\nprint(20)\n```\nThat is it."),
}
"""Parser -> its options, and a text that it reads."""
text = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=12).map("".join)


def make(name: str) -> Parser:
    return PARSERS.build(ComponentSpec(type=name, **READABLE[name][0]), labels=LABELS)


def test_every_parser_is_here() -> None:
    assert set(PARSERS.names()) == set(READABLE)


@pytest.mark.parametrize("name", READABLE)
class TestParsers(ParserContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self) -> Parser:
        return make(self.name)

    @property
    def readable(self) -> str:
        return READABLE[self.name][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", READABLE)
@settings(max_examples=150, deadline=None)
@given(text=text, more=text, finish=st.sampled_from(["stop", "end", "length", "filter"]))
def test_any_text(name: str, text: str, more: str, finish: str) -> None:
    check_any_text(make(name), text, finish)
    check_cut_text(make(name), text, more)
