from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import TamperedError
from autoprompt_search.exporters.formats import from_jsonl, from_yaml, plain, to_jsonl, to_yaml

from .finals import ODD


def with_lone_surrogates() -> st.SearchStrategy[str]:
    return st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from(ODD)))


@settings(deadline=None)
@given(with_lone_surrogates(), with_lone_surrogates())
def test_any_text_comes_back_from_yaml(one: str, other: str) -> None:
    content = {"format": 1, "text": one, "map": {other: [one, {"deep": other}]}, "last": one}
    assert from_yaml(to_yaml(content, "# head\n"), "x") == content


@settings(deadline=None)
@given(with_lone_surrogates(), with_lone_surrogates())
def test_any_text_comes_back_from_jsonl(one: str, other: str) -> None:
    rows = [{"id": one, "inputs": {other: one}}, {"id": other}]
    assert from_jsonl(to_jsonl(rows), "x") == rows


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    assert plain({"a": np.float64(0.5), "b": (np.int64(2),), 3: None}) == {"a": 0.5, "b": [2], "3": None}
    with pytest.raises(TypeError, match="cannot write a set"):
        plain({1})


@pytest.mark.parametrize("data", [b"\xff", b"a: [", b"!!python/object/apply:os.getcwd []"])
def test_what_is_no_yaml_is_refused(data: bytes) -> None:
    with pytest.raises(TamperedError, match="x cannot be read"):
        from_yaml(data, "x")


@pytest.mark.parametrize("data", [b"{}\n[1]\n", b"{}\n{\n"])
def test_what_are_no_json_lines_is_refused(data: bytes) -> None:
    with pytest.raises(TamperedError, match="x, line 2"):
        from_jsonl(data, "x")
