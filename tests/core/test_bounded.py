"""JSON that nobody can use to hold a reader up, and whose numbers are numbers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.bounded import checked, loads

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(plain)
def test_what_is_plain_comes_back(value: object) -> None:
    assert loads(json.dumps(value)) == value
    assert checked(value) is value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "finite"),
        ('{"a": [-Infinity]}', "finite"),
        ("1e999", "finite"),
        ("[" * 200 + "]" * 200, "deep"),
        ("[" * 100_000, "deep"),
        ("[" + "0," * 50 + "0]", "more than 20 values"),
        ("9" * 5000, "5000 digits"),
        ("{", "Expecting"),
    ],
)
def test_what_is_beyond_the_bounds_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        loads(text, most=20 if "values" in said else 1000)


@pytest.mark.parametrize("value", [{1: 2}, [{3.5}], [b"x"], {"a": float("nan")}, [object()]])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"key|neither|finite"):
        checked(value)
