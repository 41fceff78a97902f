"""How many trials the surrogate looks at, and what it makes of very many."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.statistics.additive import Estimate
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.surrogate import MOST, most_promising, training_indices

SCORES = st.lists(st.floats(0, 1), max_size=60)
NUMBERS = SearchSpace.model_validate(
    {"x": {"kind": "float", "low": 0, "high": 1}, "y": {"kind": "float", "low": 0, "high": 1}}
)


def known(scores: list[float]) -> list[Estimate]:
    return [Estimate(score, score, 0.05) for score in scores]


@given(SCORES, st.integers(3, 40))
def test_the_best_are_among_the_training_trials_and_the_others_lie_everywhere(scores: list[float], most: int) -> None:
    places = training_indices(known(scores), most)
    assert places == sorted(set(places))
    assert len(places) == min(most, len(scores))
    by_score = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    best = set(by_score[: most // 3])
    assert best <= set(places)
    if len(scores) > most:
        rest = [place for place in range(len(scores)) if place not in best]
        taken = [rest.index(place) for place in places if place not in best]
        steps = np.diff([*taken, len(rest) + taken[0]])
        assert max(steps) - min(steps) <= 1, "no part of the search is left out"


def test_of_very_many_trials_the_best_region_is_still_found() -> None:
    """The peak was seen early, and what came later was all worse: the latest alone would have forgotten it."""
    rng = np.random.default_rng(0)
    early = [{"x": float(x), "y": float(y)} for x, y in rng.uniform(0.7, 0.9, (30, 2))]
    late = [{"x": float(x), "y": float(y)} for x, y in rng.uniform(0.0, 0.5, (3 * MOST, 2))]
    seen = [(p, Estimate(score := 1 - (p["x"] - 0.8) ** 2 - (p["y"] - 0.8) ** 2, score, 0.02)) for p in early + late]
    offered = [{"x": float(x), "y": float(y)} for x, y in rng.uniform(0, 1, (200, 2))]
    chosen = offered[most_promising(NUMBERS, {}, seen, [], offered)]
    assert chosen == offered[most_promising(NUMBERS, {}, seen, [], offered)]
    assert abs(chosen["x"] - 0.8) < 0.2
    assert abs(chosen["y"] - 0.8) < 0.2
