"""The dev score of a choice that was made without the examples it is scored on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard, stderr

FOLDS = 5
OutcomesOf = Callable[[int], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class CrossFit:
    """What dev says of the choice, every example by a winner that it did not help to choose."""

    score: float
    stderr: float
    """Standard error from the examples; that the folds' winners have most examples in common is not counted."""
    winners: tuple[int, ...]
    """Trial that each fold was scored by: where they are all one, the choice is a firm one."""


def cross_fitted(
    comparison: ScoreComparison,
    seed: int,
    targets: Sequence[str],
    choose: Callable[[Sequence[int]], int],
    outcomes_of: OutcomesOf,
) -> CrossFit | None:
    """Cross-fitting (Chernozhukov et al. 2018, Econometrics Journal 21:C1) of a choice among finished trials.

    It is the score of the way of choosing, not of one prompt. Trials that were stopped early cannot take part: those
    that are left were left over by dev's first examples, so that the luck of having climbed stays in it. Every answer
    is that of the winner of the other folds; the metric is taken of all answers together. None where dev is too
    small, or where the other folds leave nothing to choose.

    Args:
        comparison: The search's metric.
        seed: Of the folds.
        targets: Right labels of dev, in rung order.
        choose: Trial that is chosen on the examples at these places.
        outcomes_of: What a trial said, on all of dev.
    """
    parts = folds(seed, targets)
    if len(parts) < 2:
        return None
    answers: dict[int, Outcome] = {}
    winners = []
    for part in parts:
        held = set(part)
        try:
            winners.append(choose([row for row in range(len(targets)) if row not in held]))
        except SearchError:
            return None
        outcomes = outcomes_of(winners[-1])
        for row in part:
            answers[row] = outcomes[row]
    card = Scorecard.of([answers[row] for row in range(len(targets))], comparison.metric)
    return CrossFit(card.score, stderr(card), tuple(winners))


def folds(seed: int, targets: Sequence[str], count: int = FOLDS) -> list[list[int]]:
    """Places in `count` parts of equal size up to one, every label as evenly over them as can be.

    Of few examples there are fewer parts, so that each has two at least.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for row, target in enumerate(targets):
        places[target].append(row)
    rng = derive_rng(seed, "folds")
    for label in sorted(places):
        rng.shuffle(places[label])
    dealt = [row for label in sorted(places) for row in places[label]]
    count = min(count, len(dealt) // 2)
    return [sorted(dealt[start::count]) for start in range(count)]
