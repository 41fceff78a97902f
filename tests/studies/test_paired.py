from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.metrics import metric_named
from autoprompt_search.studies.paired import PairedScores, PairedStatistics
from autoprompt_search.testing.factories import measurement

ACCURACY, MACRO_F1 = metric_named("accuracy", ()), metric_named("macro_f1", ("x", "y", "z"))

OUTCOMES = (
    Outcome("a", "x", "x", LabelLogprobs((-0.1, -2.35))),
    Outcome("b", "x", "y", LabelLogprobs((-1.5, -0.25))),
    Outcome("c", "y", "y", LabelLogprobs((-math.inf, 0.0))),
    Outcome("d", "y", "y", LabelLogprobs((0.0,))),
)


def test_hits_and_margins_of_a_measurement() -> None:
    items = PairedScores.of(measurement(0.75, 4, outcomes=OUTCOMES), ACCURACY)
    assert items is not None
    assert items.hits.tolist() == [1, 0, 1, 1]
    assert np.allclose(items.margins, [2.25, -1.25, 99, 0])
    assert items.first(2).hits.tolist() == [1, 0]


def test_there_are_none_where_the_score_is_no_mean_over_examples() -> None:
    assert PairedScores.of(measurement(0.75, 4), ACCURACY) is None
    assert PairedScores.of(measurement(0.6, 4, outcomes=OUTCOMES), MACRO_F1) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 200)), min_size=1, max_size=40))
def test_they_survive_as_text_in_tenths(drawn: list[tuple[bool, float]]) -> None:
    outcomes = tuple(
        Outcome(str(i), "x", "x" if hit else "y", LabelLogprobs((0.0, -size))) for i, (hit, size) in enumerate(drawn)
    )
    items = PairedScores.of(
        measurement(sum(hit for hit, _ in drawn) / len(drawn), len(drawn), outcomes=outcomes), ACCURACY
    )
    assert items is not None
    back = PairedScores.from_text(items.to_text())
    assert back.hits.tolist() == items.hits.tolist()
    assert np.allclose(back.margins, np.clip(items.margins, -9.9, 9.9), atol=0.051)
    assert back.to_text() == items.to_text()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-9, 9)), min_size=1, max_size=40))
def test_values_between_right_and_wrong_survive_as_text(drawn: list[tuple[float, float]]) -> None:
    items = PairedScores(np.array([value for value, _ in drawn]), np.array([margin for _, margin in drawn]))
    back = PairedScores.from_text(items.to_text())
    assert np.allclose(back.hits, items.hits, atol=5.1e-5)
    assert back.to_text() == items.to_text()


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["x", "y", "z", "other"])), min_size=1, max_size=40))
def test_statistics_survive_as_text(drawn: list[tuple[str, str]]) -> None:
    outcomes = tuple(Outcome(str(i), target, said, LabelLogprobs((0.0,))) for i, (target, said) in enumerate(drawn))
    kept = PairedStatistics.of(measurement(0.123, len(drawn), outcomes=outcomes), MACRO_F1)
    assert kept is not None
    assert np.array_equal(PairedStatistics.from_text(kept.to_text()).values, kept.values)
    assert np.array_equal(kept.first(1).values, [MACRO_F1.statistics(outcomes[0])])
    assert PairedStatistics.of(measurement(0.5, 4), MACRO_F1) is None


def test_what_an_earlier_version_stored_is_refused() -> None:
    with pytest.raises(ConfigError, match="stored by an earlier version"):
        PairedStatistics.from_text('[["x","y"],[0,1],[1,1]]')
