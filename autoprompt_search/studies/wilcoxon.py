"""Optuna's own test for stopping a trial that is measured example by example."""

from __future__ import annotations

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.studies.paired import PairedScores

_FEWEST = 8
"""Examples before the test is asked at all."""


class Wilcoxon:
    """A trial is stopped when Wilcoxon's signed-rank test finds it worse than the best trial of its kind so far.

    Promise: one look at one trial that is as good as the best stops it with probability `error` at most, up to the
    test's normal approximation. Looks at several rungs, and several trials, add up: over a whole search more good
    trials are stopped than that, of which Optuna's documentation warns too. `racing` keeps its word over all looks.

    The best trial is the one with the highest score among those that were measured furthest.

    Args:
        error: Threshold of p.
    """

    evidence = PairedScores

    def __init__(self, error: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # its version is pinned, its behaviour tested
            self._pruner = WilcoxonPruner(p_threshold=error, n_startup_steps=_FEWEST)
        self._items: dict[int, PairedScores] = {}
        self._kinds: dict[int, str] = {}

    def add(self, number: int, kind: str, measurement: Measurement, items: PairedScores | None) -> None:  # noqa: ARG002
        """As `Pruner.add`."""
        known = self._items.get(number)
        if items is not None and (known is None or len(items) > len(known)):
            self._items[number], self._kinds[number] = items, kind

    def stops(self, number: int, kind: str, examples: int) -> bool:
        """As `Pruner.stops`. A trial without items is never stopped."""
        mine = self._items.get(number)
        rivals = [n for n, of in self._kinds.items() if of == kind and n != number]
        if mine is None or not rivals:
            return False
        best = max(rivals, key=lambda n: (len(self._items[n]), self._items[n].hits.mean(), -n))
        if len(self._items[best]) < examples:
            return False
        study = optuna.create_study(direction="maximize")
        study.add_trial(_as_optuna(self._items[best], OptunaState.COMPLETE))
        return self._pruner.prune(study, _as_optuna(mine.first(examples), OptunaState.RUNNING))


def _as_optuna(items: PairedScores, state: OptunaState) -> FrozenTrial:
    """One step per example."""
    value = float(items.hits.mean()) if state is OptunaState.COMPLETE else None
    return create_trial(state=state, value=value, intermediate_values=dict(enumerate(items.hits.tolist())))
