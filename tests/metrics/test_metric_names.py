"""A metric with options has one name, which is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import metric_name, metric_spec
from autoprompt_search.metrics import metric_named

SCALARS = st.one_of(
    st.booleans(), st.integers(-9, 9), st.sampled_from([0.1, 1e-6]), st.text("abc ,:'=()#{}1", max_size=6)
)


@given(st.dictionaries(st.sampled_from(["tokenize", "lowercase", "beta"]), SCALARS))
def test_names_are_read_back_whatever_the_options(options: dict[str, str | int | float | bool]) -> None:
    name = metric_name({"type": "bleu", **options})
    assert metric_spec(name).model_dump() == {"type": "bleu", **options}
    assert metric_name(name) == name


def test_options_reach_the_metric() -> None:
    assert metric_name({"type": "bleu", "tokenize": "zh", "lowercase": True}) == "bleu(lowercase=true, tokenize=zh)"
    assert "tok:zh" in getattr(metric_named("bleu(tokenize=zh)", ()), "signature", "")


@pytest.mark.parametrize("written", ["bleu(", "bleu(tokenize)", "two words", {"name": "bleu"}])
def test_what_is_no_metric_is_refused(written: str | dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="metric"):
        metric_name(written)
