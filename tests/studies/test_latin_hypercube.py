"""First points try every value once; then the estimator decides."""

from __future__ import annotations

from collections import Counter

import pytest
from optuna.trial import TrialState, create_trial

from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.point_sampler import PointSampler
from autoprompt_search.studies.samplers import COVERED, STARTUP
from autoprompt_search.studies.scales import distribution_of


def space(instructions: int) -> SearchSpace:
    return SearchSpace.model_validate(
        {
            "instruction": {"kind": "choice", "values": [f"i{n}" for n in range(instructions)]},
            "separator": {"kind": "choice", "values": [" ", "\n", "\n\n"]},
            "demos": {"kind": "choice", "values": ["none", "random"]},
            "order": {"kind": "choice", "values": ["as drawn", "sorted"], "when": {"demos": ["random"]}},
        }
    )


def searched(over: SearchSpace, trials: int, seed: int, *, ends: bool = True) -> list[Params]:
    """Points one after the other; only one instruction is any good."""
    draws, found = PointSampler(over, "tpe", seed), list[Params]()
    for number in range(trials):
        params = draws.draw(number, ())
        assert params is not None
        found.append(params)
        distributions = {name: distribution_of(over.root[name]) for name in params}
        live = draws.mirror(create_trial(state=TrialState.RUNNING, params=dict(params), distributions=distributions))
        if ends:
            live.study.tell(live, float(params["instruction"] == "i3"))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ends", [True, False])
def test_every_value_is_tried_before_any_comes_again(seed: int, ends: bool) -> None:
    """Also by trials that run at the same time, of which none has ended."""
    found = searched(space(12), 12, seed, ends=ends)
    assert len({p["instruction"] for p in found}) == 12
    assert Counter(p["separator"] for p in found) == {" ": 4, "\n": 4, "\n\n": 4}
    ordered = Counter(p["order"] for p in found if "order" in p)
    assert max(ordered.values()) - min(ordered.values()) <= 1


def test_seeds_go_through_the_values_in_different_orders() -> None:
    assert len({tuple(p["instruction"] for p in searched(space(6), 6, seed)) for seed in range(6)}) > 3


@pytest.mark.parametrize(("instructions", "first"), [(4, STARTUP), (12, 12), (40, COVERED)])
def test_then_the_estimator_decides(instructions: int, first: int) -> None:
    """Right behind the first points it comes back to the good instruction far more often than chance."""
    late = [p["instruction"] for seed in range(6) for p in searched(space(instructions), first + 8, seed)[first:]]
    good = late.count("i3") / len(late)
    assert good > 2 / instructions
