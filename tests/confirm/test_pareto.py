"""The front of score against cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.confirm.pareto import pareto
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.testing.factories import measurement


def record(number: int, score: float, tokens: float, latency: float | None = None) -> TrialRecord:
    made = measurement(score, is_full=True, tokens=tokens, latency_ms=latency)
    return TrialRecord(number, {}, TrialState.COMPLETE, (made,))


def front(*points: tuple[float, float] | tuple[float, float, float | None]) -> list[int]:
    return [r.number for r in pareto([record(n, *point) for n, point in enumerate(points)])]


def test_what_costs_more_has_to_score_more() -> None:
    assert front((0.8, 100), (0.9, 200), (0.7, 50), (0.7, 60), (0.85, 200)) == [2, 0, 1]


def test_of_equal_prompts_the_older_stays() -> None:
    assert front((0.8, 100), (0.8, 100), (0.8, 100)) == [0]


def test_a_quicker_prompt_is_worth_its_tokens_only_if_it_is_clearly_quicker() -> None:
    assert front((0.8, 100, 10.0), (0.8, 120, 9.5)) == [0]
    assert front((0.8, 100, 10.0), (0.8, 120, 8.0)) == [0, 1]
    assert front((0.8, 100, None), (0.8, 120, 8.0)) == [0]


POINTS = st.tuples(
    st.integers(0, 5).map(lambda n: n / 5), st.integers(1, 5).map(float), st.sampled_from([None, 9.0, 9.5, 10.0, 12.0])
)


@given(st.lists(POINTS, min_size=1, max_size=12))
def test_the_best_score_and_the_fewest_tokens_are_always_on_it(points: list[tuple[float, float, float | None]]) -> None:
    records = [record(n, *point) for n, point in enumerate(points)]
    kept = pareto(records)
    assert max(s for s, _, _ in points) == max(r.measurements[-1].score for r in kept)
    assert min(t for _, t, _ in points) == min(r.measurements[-1].prompt_tokens for r in kept)
    assert pareto(kept) == kept
