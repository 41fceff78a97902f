from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.studies.paired import PairedScores
from autoprompt_search.studies.wilcoxon import Wilcoxon
from autoprompt_search.testing.factories import measurement


def entered(pruner: Wilcoxon, number: int, hits: NDArray[np.float64], kind: str = "text") -> None:
    pruner.add(number, kind, measurement(float(hits.mean()), len(hits)), PairedScores(hits, hits))


def test_one_look_stops_an_equal_prompt_about_as_often_as_said() -> None:
    rng, looks, error = np.random.default_rng(0), 300, 0.1
    stopped = 0
    for _ in range(looks):
        pruner = Wilcoxon(error)
        ease = rng.normal(0.5, 1.5, size=64)
        for number in (0, 1):
            entered(pruner, number, (rng.random(64) < 1 / (1 + np.exp(-ease))).astype(float))
        stopped += pruner.stops(1, "text", 64)
    assert stopped / looks <= error + 2 * (error * (1 - error) / looks) ** 0.5


def test_a_worse_prompt_is_stopped_and_the_better_one_is_not() -> None:
    pruner = Wilcoxon(0.05)
    entered(pruner, 0, np.ones(40))
    entered(pruner, 1, np.arange(40) % 2 * 1.0)
    assert pruner.stops(1, "text", 40)
    assert not pruner.stops(0, "text", 40)


def test_few_examples_other_kinds_and_missing_items_say_nothing() -> None:
    pruner = Wilcoxon(0.05)
    entered(pruner, 0, np.ones(40), "soft")
    entered(pruner, 1, np.zeros(40))
    assert not pruner.stops(1, "text", 40)
    entered(pruner, 2, np.ones(6))
    assert not pruner.stops(1, "text", 6)
    assert not pruner.stops(9, "text", 8)
