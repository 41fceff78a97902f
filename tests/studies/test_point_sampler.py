from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from optuna.trial import TrialState, create_trial

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.grid import points
from autoprompt_search.studies.point_sampler import MOST, PointSampler, training_trials
from autoprompt_search.studies.samplers import SamplerName
from autoprompt_search.studies.scales import distribution_of

SPACE = SearchSpace.model_validate(
    {
        "template": {"kind": "choice", "values": ["a", "b", "c", "d"]},
        "demos": {"kind": "choice", "values": ["none", "random"]},
        "k": {"kind": "int", "low": 1, "high": 8, "when": {"demos": ["random"]}},
        "lr": {"kind": "float", "low": 0.1, "high": 10, "log": True, "when": {"demos": ["random"]}},
        "steps": {"kind": "fixed", "value": 60, "when": {"demos": ["random"]}},
    }
)


def remember(draws: PointSampler, params: Params, score: float, *, space: SearchSpace = SPACE) -> None:
    distributions = {name: distribution_of(space.root[name]) for name in params}
    trial = create_trial(state=TrialState.RUNNING, params=dict(params), distributions=distributions)
    live = draws.mirror(trial)
    live.study.tell(live, score)


def score(params: Params) -> float:
    """Best: template b with many demonstrations."""
    return (params["template"] == "b") + float(params.get("k", 0)) / 10


def search(seed: int, trials: int, sampler: SamplerName = "tpe") -> list[dict[str, Scalar]]:
    draws, found = PointSampler(SPACE, sampler, seed), list[dict[str, Scalar]]()
    for number in range(trials):
        point = draws.draw(number, {fingerprint(p) for p in found})
        assert point is not None
        remember(draws, point, score(point))
        found.append(point)
    return found


def test_points_are_of_the_space_and_never_come_twice() -> None:
    found = search(0, 60)
    assert all(SPACE.contains(point) for point in found)
    assert len({fingerprint(point) for point in found}) == 60


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_where_the_good_points_are(seed: int) -> None:
    """The last half of a guided search holds the good template and many demonstrations more often than chance."""
    late = search(seed, 40)[20:]
    assert Counter(point["template"] for point in late).most_common(1)[0][0] == "b"
    guided = sum(map(score, late)) / 20
    blind = sum(map(score, search(seed, 40, "random")[20:])) / 20
    assert guided > blind + 0.2


def test_a_draw_leaves_no_trace_and_depends_on_what_was_mirrored_alone() -> None:
    fresh, asked = PointSampler(SPACE, "tpe", 5), PointSampler(SPACE, "tpe", 5)
    for point in search(1, 20):
        asked.draw(99, ())
        for draws in (fresh, asked):
            remember(draws, point, score(point))
    first = [asked.draw(number, ()) for number in range(20, 30)]
    assert first == [fresh.draw(number, ()) for number in range(20, 30)]
    assert first == [asked.draw(number, ()) for number in range(20, 30)]


def test_given_values_are_kept_and_the_rest_is_drawn() -> None:
    draws = PointSampler(SPACE, "tpe", 0)
    for point in search(2, 20):
        remember(draws, point, score(point))
    found = [draws.draw(n, (), [{"template": "d", "demos": "random", "k": 3}]) for n in range(20)]
    assert {(p["template"], p["k"], p["steps"]) for p in found if p} == {("d", 3, 60)}
    assert len({p["lr"] for p in found if p}) == 20


def test_a_space_is_used_up_when_every_point_was_seen() -> None:
    small = SearchSpace.model_validate({"a": {"kind": "int", "low": 1, "high": 3}, "b": {"kind": "fixed", "value": 1}})
    draws, seen = PointSampler(small, "tpe", 0), set[str]()
    for number in range(3):
        point = draws.draw(number, seen)
        assert point is not None
        assert not draws.is_used_up
        remember(draws, point, 0.5, space=small)
        seen.add(fingerprint(point))
    assert draws.is_used_up
    assert draws.draw(3, seen) is None


def test_the_last_points_of_a_space_are_all_found_and_the_same_ones_after_opening_again() -> None:
    odd = {"kind": "int", "low": 0, "high": 29, "when": {"a": ["x"]}}
    kinds = {"a": {"kind": "choice", "values": ["x", "y"]}, "b": odd, "c": {**odd, "high": 19}}
    space = SearchSpace.model_validate(kinds)
    everything = list(points(space, {}))
    assert len(everything) == space.size == 601
    left = [everything[n] for n in (17, 300, 599)]
    seen = {fingerprint(point) for point in everything if point not in left}
    one, found = PointSampler(space, "random", 0), []
    for number in range(598, 601):
        point, again = one.draw(number, seen), PointSampler(space, "random", 0).draw(number, seen)
        assert point == again
        assert point is not None
        found.append(point)
        seen.add(fingerprint(point))
    assert sorted(map(fingerprint, found)) == sorted(map(fingerprint, left))
    assert one.draw(601, seen) is None


TEXTS: Sequence[Params] = [{"text": "best", "k": 4}, {"text": "second"}, {"text": "third", "k": 1}]
SOFT = SearchSpace.model_validate(
    {
        "text": {"kind": "choice", "values": ["third", "second", "best"]},
        "k": {"kind": "int", "low": 1, "high": 8, "when": {"text": ["best", "third"]}},
        "soft.start": {"kind": "int", "low": 1, "high": 5},
        "soft.lr": {"kind": "float", "low": 0.1, "high": 1.0},
        "soft.demos": {"kind": "choice", "values": ["x", "y"], "when": {"text": ["second"]}},
    }
)


def test_soft_start_names_the_text_by_rank_and_never_one_that_is_not_there() -> None:
    draws, ranks = PointSampler(SOFT, "tpe", 0), Counter[int]()
    for number in range(40):
        point = draws.draw(number, (), TEXTS)
        assert point is not None
        rank = int(point["soft.start"])
        ranks[rank] += 1
        assert {n: v for n, v in point.items() if not n.startswith("soft.")} == TEXTS[rank - 1]
        assert SOFT.contains(point)
        remember(draws, point, 0.5 + rank / 10, space=SOFT)
    assert set(ranks) == {1, 2, 3}


def test_a_sampler_learns_from_the_best_trials_and_the_latest() -> None:
    asking = create_trial(state=TrialState.RUNNING)
    trials = [asking, *(create_trial(value=float(n % 997)) for n in range(3 * MOST))]
    few = trials[: MOST + 1]
    assert training_trials(few, lambda t: t.value) is few
    shown = training_trials(trials, lambda t: t.value)
    places = [next(n for n, t in enumerate(trials) if t is one) for one in shown]
    assert places == sorted(set(places))
    assert len(places) == MOST + 1
    assert places[0] == 0
    old, late = trials[1 : places[-1] - 898], [n for n in places if n > places[-1] - 900]
    assert late == list(range(len(trials) - 900, len(trials)))
    kept = [trials[n] for n in places if n not in late][1:]
    assert len(kept) == 100
    assert min(t.value or 0 for t in kept) >= max(t.value or 0 for t in old if not any(t is k for k in kept))


def test_a_long_search_goes_on_as_it_did() -> None:
    """Beyond `MOST` trials every draw still repeats."""
    one, other = PointSampler(SPACE, "tpe", 3), PointSampler(SPACE, "tpe", 3)
    points = search(0, 12, "random")
    for draws in (one, other):
        for number in range(MOST + 50):
            point = points[number % len(points)]
            distributions = {name: distribution_of(SPACE.root[name]) for name in point}
            draws.mirror(create_trial(value=score(point), params=point, distributions=distributions))
    assert one.draw(MOST + 50, ()) == other.draw(MOST + 50, ())


def test_a_gaussian_process_learns_of_a_group_from_the_trials_that_had_it() -> None:
    """Ten with demonstrations and ten without; a draw is the same whatever was drawn before."""
    draws = PointSampler(SPACE, "gp", 0)
    for n in range(20):
        shown: Params = {"k": 1 + n // 2 % 8, "lr": 0.2 * (1 + n // 2), "steps": 60} if n % 2 else {}
        point: Params = {"template": "abcd"[n % 4], "demos": "random" if n % 2 else "none", **shown}
        remember(draws, point, score(point))
    drawn = draws.draw(20, (), [{"demos": "random"}])
    assert drawn is not None
    assert SPACE.contains(drawn)
    assert int(drawn["k"]) > 4
    assert draws.draw(20, (), [{"demos": "random"}]) == drawn
