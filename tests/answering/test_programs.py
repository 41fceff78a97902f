"""Programs are found in what models write around them, and never beyond what is settled."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.answering.programs import program
from autoprompt_search.core.programs import Tests
from autoprompt_search.core.types import Example
from autoprompt_search.core.unscored import Unscored
from autoprompt_search.testing.parser_contract import ParserContract

ADD = "def add(a, b):\n    return a + b"
EXAMPLE = Example("1", {"text": "Add."}, ADD, tests=Tests(("assert add(1, 2) == 3",), "add"))
STUB = Example("1", {"text": "Add."}, ADD, tests=Tests(("assert add(1, 2) == 3",), "add", "def add(a, b):\n"))


class TestProgram(ParserContract):
    readable = f"```python\n{ADD}\n```"

    def make(self):
        return program()


@pytest.mark.parametrize(
    "text",
    [
        ADD,
        f"Here it is:\n\n```python\n{ADD}\n```\nIt adds.",
        f"```\nprint('no')\n```\nor\n```python\n{ADD}\n```",
        f"Sure, this works.\n{ADD}\nNow you can call it!",
        f"{ADD}\n\nassert add(1, 2) ==",
    ],
)
def test_the_program_is_found_in_what_stands_around_it(text):
    assert program()(text, EXAMPLE).startswith(ADD)


def test_a_completion_goes_on_from_what_the_prompt_shows():
    assert program()("    return a + b\n", STUB) == ADD
    assert program()(ADD, STUB) == ADD


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("def add(a, b):\n    total = a\n    return total + (", Unscored("cut")),
        (f"{ADD}\nprint(add(1,", ADD),
        (f"```python\n{ADD}\n```\nIt", ADD),
        (f"```python\n{ADD}", Unscored("cut")),
    ],
)
def test_a_cut_text_counts_where_its_program_was_finished(text, wanted):
    assert program()(text, EXAMPLE, finish="length") == wanted


@given(
    st.sampled_from([ADD, f"{ADD}\n\nprint(1)", f"```\n{ADD}\n```", "def add(a,\n    b\n):\n    return 1\nx"]),
    st.text(max_size=40),
)
def test_more_text_does_not_change_what_a_cut_text_gives(text, more):
    found = program()(text, EXAMPLE, finish="length")
    if isinstance(found, str):
        assert program()(text + more, EXAMPLE) == found


def test_a_program_without_the_entry_point_is_none():
    assert program()("def subtract(a, b):\n    return a - b", EXAMPLE) == Unscored("not-parsed")
    assert program()("I can add numbers.", EXAMPLE) == Unscored("not-parsed")


@given(st.text(max_size=80), st.text(max_size=80))
def test_what_is_found_is_python_and_defines_the_function(before, after):
    found = program()(f"{before}\n{ADD}\n{after}", EXAMPLE)
    if not isinstance(found, Unscored):
        assert any(isinstance(node, ast.FunctionDef) and node.name == "add" for node in ast.parse(found).body)
