from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.types import Outcome
from autoprompt_search.studies.paired import PairedAnswers, PairedScores
from autoprompt_search.testing.factories import measurement

OUTCOMES = (
    Outcome("a", "x", "x", (-0.1, -2.35)),
    Outcome("b", "x", "y", (-1.5, -0.25)),
    Outcome("c", "y", "y", (-math.inf, 0.0)),
    Outcome("d", "y", "y", (0.0,)),
)


def test_hits_and_margins_of_a_measurement() -> None:
    items = PairedScores.of(measurement(0.75, 4, outcomes=OUTCOMES))
    assert items is not None
    assert items.hits.tolist() == [1, 0, 1, 1]
    assert np.allclose(items.margins, [2.25, -1.25, 99, 0])
    assert items.first(2).hits.tolist() == [1, 0]


def test_there_are_none_where_the_score_is_no_mean_over_examples() -> None:
    assert PairedScores.of(measurement(0.75, 4)) is None
    assert PairedScores.of(measurement(0.6, 4, outcomes=OUTCOMES)) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 200)), min_size=1, max_size=40))
def test_they_survive_as_text_in_tenths(drawn: list[tuple[bool, float]]) -> None:
    outcomes = tuple(Outcome(str(i), "x", "x" if hit else "y", (0.0, -size)) for i, (hit, size) in enumerate(drawn))
    items = PairedScores.of(measurement(sum(hit for hit, _ in drawn) / len(drawn), len(drawn), outcomes=outcomes))
    assert items is not None
    back = PairedScores.from_text(items.to_text())
    assert back.hits.tolist() == items.hits.tolist()
    assert np.allclose(back.margins, np.clip(items.margins, -9.9, 9.9), atol=0.051)
    assert back.to_text() == items.to_text()


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["x", "y", "z", 'a "b"'])), min_size=1, max_size=40))
def test_answers_survive_as_text(drawn: list[tuple[str, str]]) -> None:
    outcomes = tuple(Outcome(str(i), target, said, (0.0,)) for i, (target, said) in enumerate(drawn))
    answers = PairedAnswers.of(measurement(0.123, len(drawn), outcomes=outcomes))
    assert answers is not None
    assert PairedAnswers.from_text(answers.to_text()) == answers
    assert answers.first(1) == PairedAnswers((drawn[0][0],), (drawn[0][1],))
    assert PairedAnswers.of(measurement(0.5, 4)) is None
