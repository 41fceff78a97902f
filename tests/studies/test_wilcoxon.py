from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.wilcoxon import Wilcoxon
from autoprompt_search.testing.factories import measurement


class Race:
    """The race with the record that it reads."""

    def __init__(self, error: float) -> None:
        self.measured = MeasuredTrials()
        self.stops = Wilcoxon(self.measured, error).stops


def entered(race: Race, number: int, hits: NDArray[np.float64], kind: str = "text") -> None:
    race.measured.add(number, kind, measurement(float(hits.mean()), len(hits)), Evidence(hits[:, None], hits))


def test_one_look_stops_an_equal_prompt_about_as_often_as_said() -> None:
    rng, looks, error = np.random.default_rng(0), 300, 0.1
    stopped = 0
    for _ in range(looks):
        race = Race(error)
        ease = rng.normal(0.5, 1.5, size=64)
        for number in (0, 1):
            entered(race, number, (rng.random(64) < 1 / (1 + np.exp(-ease))).astype(float))
        stopped += race.stops(1, 64)
    assert stopped / looks <= error + 2 * (error * (1 - error) / looks) ** 0.5


def test_a_worse_prompt_is_stopped_and_the_better_one_is_not() -> None:
    race = Race(0.05)
    entered(race, 0, np.ones(40))
    entered(race, 1, np.arange(40) % 2 * 1.0)
    assert race.stops(1, 40)
    assert not race.stops(0, 40)


def test_few_examples_other_kinds_and_missing_items_say_nothing() -> None:
    race = Race(0.05)
    entered(race, 0, np.ones(40), "soft")
    entered(race, 1, np.zeros(40))
    assert not race.stops(1, 40)
    entered(race, 2, np.ones(6))
    assert not race.stops(1, 6)
    assert not race.stops(9, 8)
