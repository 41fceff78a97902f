from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.successive_halving import SuccessiveHalving
from autoprompt_search.testing.factories import measurement

scores = st.sampled_from([0.25, 0.5, 0.625, 0.75, 1.0])
losses = st.floats(0, 3)


class Ladders:
    """Successive halving with the record that it reads."""

    def __init__(self, reduction: int) -> None:
        measured = MeasuredTrials()
        self.add, self.stops = measured.add, SuccessiveHalving(measured, reduction).stops


@given(st.lists(st.tuples(scores, losses), min_size=1, max_size=20), st.integers(2, 4))
def test_the_best_share_of_a_rung_goes_on(seen: list[tuple[float, float]], reduction: int) -> None:
    ladders = Ladders(reduction)
    for number, (score, loss) in enumerate(seen):
        ladders.add(number, "text", measurement(score, 8, loss=loss))
    standings = sorted(((s, -loss) for s, loss in seen), reverse=True)
    last_in = standings[math.ceil(len(seen) / reduction) - 1]
    going = [not ladders.stops(number, 8) for number in range(len(seen))]
    assert going == [(s, -loss) >= last_in for s, loss in seen]


def test_the_first_to_reach_a_rung_goes_on() -> None:
    ladders = Ladders(3)
    ladders.add(4, "text", measurement(0.0, 8))
    assert not ladders.stops(4, 8)


def test_each_kind_and_each_rung_has_a_ladder_of_its_own() -> None:
    """Untrained texts do not crowd out a soft prompt that still needs steps."""
    ladders = Ladders(3)
    for number in range(9):
        ladders.add(number, "text", measurement(0.9, 8))
        ladders.add(number + 20, "soft", measurement(0.9, 24))
    ladders.add(9, "soft", measurement(0.5, 8))
    ladders.add(10, "text", measurement(0.5, 8))
    assert not ladders.stops(9, 8)
    assert ladders.stops(10, 8)


def test_the_loss_breaks_ties_and_a_second_entry_changes_nothing() -> None:
    ladders = Ladders(2)
    ladders.add(0, "text", measurement(0.75, 8, loss=0.2))
    ladders.add(1, "text", measurement(0.75, 8, loss=0.6))
    assert ladders.stops(1, 8)
    ladders.add(1, "text", measurement(1.0, 8, loss=0.0))
    assert ladders.stops(1, 8)
    assert not ladders.stops(0, 8)
