"""What prompts cost and may cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.objective import Limit, Objective
from autoprompt_search.testing.factories import measurement

COSTS = st.sampled_from(["prompt_tokens", "latency_ms"])
NUMBERS = st.integers(0, 10**6).map(lambda n: n / 100)


@given(COSTS, NUMBERS)
def test_a_limit_is_read_as_it_is_written(cost: str, most: float) -> None:
    limit = Limit.parse(f" {cost}<={most:.2f} ")
    assert (limit.cost, limit.most) == (cost, most)
    assert Limit.parse(str(Limit(cost, round(most)))) == Limit(cost, round(most))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "prompt_tokens", "prompt_tokens < 3", "tokens <= 3", "latency_ms <= x", "<= 3"])
def test_what_is_no_limit_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"must (read|limit).*prompt_tokens"):
        Limit.parse(text)


@given(NUMBERS, NUMBERS)
def test_a_limit_is_kept_up_to_its_number(most: float, tokens: float) -> None:
    objective = Objective(limits=(Limit("prompt_tokens", most),))
    assert bool(objective.broken(measurement(0.5, tokens=tokens))) == (tokens > most)


def test_a_latency_that_was_not_measured_keeps_no_limit() -> None:
    objective = Objective(limits=(Limit("latency_ms", 50.0), Limit("prompt_tokens", 20.0)))
    assert objective.broken(measurement(0.5)) == objective.limits[:1]
    assert objective.broken(measurement(0.5, latency_ms=50.0)) == ()
    assert objective.broken(None) == ()


def test_weight_takes_the_cost_off_the_score_and_nothing_else() -> None:
    made = measurement(0.9, tokens=100.0, latency_ms=20.0)
    assert Objective("prompt_tokens", 0.001).weighed(made).score == pytest.approx(0.8)
    assert Objective("latency_ms", 0.01).weighed(made).score == pytest.approx(0.7)
    assert Objective().weighed(made) is made
    assert Objective("latency_ms", 0.01).weighed(measurement(0.9)).score == 0.9


def test_latency_is_needed_early_only_where_trials_are_compared_by_it() -> None:
    assert not Objective("latency_ms").needs_latency
    assert not Objective("prompt_tokens", 0.1, (Limit("prompt_tokens", 9.0),)).needs_latency
    assert Objective("latency_ms", 0.1).needs_latency
    assert Objective(limits=(Limit("latency_ms", 9.0),)).needs_latency
