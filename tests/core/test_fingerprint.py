from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoprompt_search.core.fingerprint import LENGTH, fingerprint, sha256_bytes, sha256_file
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.prompts import Layout

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)


@given(st.dictionaries(st.text(), values, min_size=2))
def test_the_order_of_a_mapping_does_not_matter(mapping: dict[str, Any]) -> None:
    turned = dict(reversed(list(mapping.items())))
    assert fingerprint(turned) == fingerprint(mapping)
    assert fingerprint({"inner": [turned]}) == fingerprint({"inner": [mapping]})


@given(values, values)
def test_any_change_of_content_changes_it(one: Any, two: Any) -> None:
    assume(repr(one) != repr(two))
    assume(not (isinstance(one, dict) and one == two))
    same = fingerprint(one) == fingerprint(two)
    assert not same or _plainly_equal(one, two)
    assert fingerprint([one, two]) != fingerprint([one])


def _plainly_equal(one: Any, two: Any) -> bool:
    """Equal, and of one type all the way down: 1, 1.0 and True are three different parameters."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_plainly_equal(one[k], two[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(_plainly_equal, one, two))
    return bool(one == two)


def test_types_of_scalars_count() -> None:
    prints = {fingerprint(value) for value in (1, 1.0, True, "1", None, "None", "", [], {}, [1], "true")}
    assert len(prints) == 11


def test_the_order_of_a_sequence_counts_and_its_type_does_not() -> None:
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint((1, 2)) == fingerprint([1, 2])


def test_a_dataclass_counts_with_its_field_names() -> None:
    @dataclass
    class Point:
        x: int
        y: int

    assert fingerprint(Point(1, 2)) == fingerprint({"x": 1, "y": 2}) != fingerprint(Point(2, 1))
    assert fingerprint(Layout()) != fingerprint(Layout(separator=" "))


def test_enums_bytes_and_lone_surrogates() -> None:
    assert fingerprint(TrialState.PRUNED) == fingerprint("pruned")
    assert fingerprint(b"a") != fingerprint(b"b")
    assert fingerprint("\ud800") != fingerprint("\ud801")


def test_it_is_short_hex_and_does_not_change_between_versions() -> None:
    assert fingerprint({"template": "cloze", "demos.k": 4, "soft.lr": 0.3}) == "cbb4cdab7ea33d11"
    assert len(fingerprint("")) == LENGTH


@pytest.mark.parametrize("value", [{1, 2}, object(), Layout])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot fingerprint"):
        fingerprint(value)


def test_hashes_of_bytes_and_files_agree(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_bytes(b"abc") == sha256_file(path) == known  # FIPS 180-2, appendix B.1
