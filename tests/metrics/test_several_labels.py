"""Texts with several labels: metrics equal scikit-learn's on the same sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from autoprompt_search.core.answers import Completion, joined
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.metrics import METRICS, metric_named
from autoprompt_search.testing.metric_contract import LABELS, MetricContract

NAMES = [name for name in METRICS.names() if "labels" in metric_named(name, ()).answers]
SETS = [(), *((label,) for label in LABELS), LABELS[:2], LABELS[1:], LABELS]


def outcome(target: Sequence[str], said: Sequence[str]) -> Outcome:
    return Outcome("x", joined(target), joined(said), Completion(joined(said), "end", 3))


def drawn(number: int, skill: float) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    rng = derive_rng("sets", number, skill)
    targets = [rng.choice(SETS) for _ in range(number)]
    return [(t, t if rng.random() < skill else rng.choice(SETS)) for t in targets]


@pytest.mark.parametrize("name", NAMES)
class TestSeveralLabels(MetricContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named(self.name, labels)

    def samples(self) -> Iterator[Sequence[Outcome]]:
        for number in (1, 7, 60):
            for skill in (0.0, 0.5, 1.0):
                yield [outcome(*pair) for pair in drawn(number, skill)]

    def perfect(self) -> Iterator[Sequence[Outcome]]:
        yield [outcome(one, one) for one in SETS]

    def flawed(self) -> Sequence[Outcome]:
        return [outcome(LABELS, LABELS[:2]), outcome(LABELS[:1], LABELS)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("skill", [0.1, 0.6])
def test_they_are_scikit_learns(name: str, skill: float) -> None:
    pairs = drawn(80, skill)
    gold, said = (np.array([[label in one for label in LABELS] for one in side]) for side in zip(*pairs, strict=True))
    found = Scorecard.of([outcome(*pair) for pair in pairs], metric_named(name, LABELS)).score
    if name == "subset_accuracy":
        assert found == pytest.approx(accuracy_score(gold, said), abs=1e-9)
        return
    average, _, what = name.partition("_")
    zero = 1.0 if average == "samples" else 0.0
    theirs = precision_recall_fscore_support(gold, said, average=average, zero_division=zero)
    assert found == pytest.approx(theirs[("precision", "recall", "f1").index(what)], abs=1e-9)
