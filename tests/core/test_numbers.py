from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.numbers import last_number, numbers, written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It costs $1,234.50.", ["1234.5"]),
        ("1,2 and 3", ["1", "2", "3"]),
        ("12,345,678 people", ["12345678"]),
        ("10-5 is 5", ["10", "5", "5"]),
        ("it fell by -5 and then \u22122.50", ["-5", "-2.5"]),
        ("-$3, $-4, +7", ["-3", "-4", "7"]),
        ("50% of 20", ["50", "20"]),
        ("3/4 cup and 1 1/2 spoons", ["0.75", "1.5"]),
        ("1/3", ["1/3"]),
        ("on 3/4/2020", ["3", "4", "2020"]),
        ("1/0", []),
        ("1.5e3 and 2E-2", ["1500", "0.02"]),
        ("12 of 5000 at .5", ["12", "5000", "0.5"]),
        ("100 000", ["100", "0"]),
        ("100\u00a0000", ["100000"]),
        ("\u0663\u0664", ["34"]),
        ("1" * 5000, []),
        ("no number, x\u00b2", []),
        ("0.500", ["0.5"]),
        ("007", ["7"]),
    ],
)
def test_numbers_are_read_like_this(text: str, found: list[str]) -> None:
    assert [written(value) for value in numbers(text)] == found


@given(st.fractions())
def test_what_is_written_is_read_again(value: Fraction) -> None:
    assert last_number(written(value)) in (value, None)  # none where it has too many digits


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_decimals_are_exact(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    text = written(value)
    assert last_number(f"so it is {text}.") == value
    assert Fraction(text) == value
    assert text == str(int(text)) if value.denominator == 1 else not text.endswith("0")


@given(st.text())
def test_any_text_holds_some_numbers_or_none(text: str) -> None:
    assert all(isinstance(value, Fraction) for value in numbers(text))
