from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.metrics import metric_named
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.testing.factories import measurement

ACCURACY, MACRO_F1 = metric_named("accuracy", ()), metric_named("macro_f1", ("x", "y", "z"))

OUTCOMES = (
    Outcome("a", "x", "x", LabelLogprobs((-0.1, -2.35))),
    Outcome("b", "x", "y", LabelLogprobs((-1.5, -0.25))),
    Outcome("c", "y", "y", LabelLogprobs((-math.inf, 0.0))),
    Outcome("d", "y", "y", LabelLogprobs((0.0,))),
)


def test_scores_and_margins_of_a_measurement() -> None:
    kept = Evidence.of(measurement(0.75, 4, outcomes=OUTCOMES), ACCURACY)
    assert kept is not None
    assert kept.is_of_mean
    assert kept.scores.tolist() == [1, 0, 1, 1]
    assert np.allclose(kept.margins, [2.25, -1.25, 99, 0])
    assert kept.first(2).scores.tolist() == [1, 0]
    assert len(kept.first(2)) == 2


@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1])
def test_without_outcomes_there_is_none(metric: Metric) -> None:
    assert Evidence.of(measurement(0.75, 4), metric) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 200)), min_size=1, max_size=40))
def test_right_and_wrong_survive_as_text_with_margins_in_tenths(drawn: list[tuple[bool, float]]) -> None:
    outcomes = tuple(
        Outcome(str(i), "x", "x" if hit else "y", LabelLogprobs((0.0, -size))) for i, (hit, size) in enumerate(drawn)
    )
    kept = Evidence.of(measurement(sum(hit for hit, _ in drawn) / len(drawn), len(drawn), outcomes=outcomes), ACCURACY)
    assert kept is not None
    back = Evidence.from_text(kept.to_text())
    assert back.scores.tolist() == kept.scores.tolist()
    assert np.allclose(back.margins, np.clip(kept.margins, -9.9, 9.9), atol=0.051)
    assert back.to_text() == kept.to_text()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-9, 9)), min_size=1, max_size=40))
def test_scores_between_right_and_wrong_survive_as_text(drawn: list[tuple[float, float]]) -> None:
    scores, margins = (np.array(column) for column in zip(*drawn, strict=True))
    kept = Evidence(scores[:, None], margins)
    back = Evidence.from_text(kept.to_text())
    assert back.is_of_mean
    assert np.allclose(back.scores, kept.scores, atol=5.1e-5)
    assert back.to_text() == kept.to_text()


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["x", "y", "z", "other"])), min_size=1, max_size=40))
def test_statistics_survive_as_text(drawn: list[tuple[str, str]]) -> None:
    outcomes = tuple(Outcome(str(i), target, said, LabelLogprobs((0.0,))) for i, (target, said) in enumerate(drawn))
    kept = Evidence.of(measurement(0.123, len(drawn), outcomes=outcomes), MACRO_F1)
    assert kept is not None
    back = Evidence.from_text(kept.to_text())
    assert not back.is_of_mean
    assert np.array_equal(back.values, kept.values)
    assert np.array_equal(kept.first(1).values, [MACRO_F1.statistics(outcomes[0])])


def test_what_an_earlier_version_stored_is_refused() -> None:
    with pytest.raises(ConfigError, match="stored by an earlier version"):
        Evidence.from_text('[["x","y"],[0,1],[1,1]]')
