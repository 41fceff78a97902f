"""Optuna's own test for stopping a trial that is measured example by example."""

from __future__ import annotations

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials

_FEWEST = 8
"""Examples before the test is asked at all."""


class Wilcoxon:
    """A trial is stopped when Wilcoxon's signed-rank test finds it worse than the best trial of its kind so far.

    Promise: one look at one trial that is as good as the best stops it with probability `error` at most, up to the
    test's normal approximation. Looks at several rungs, and several trials, add up: over a whole search more good
    trials are stopped than that, of which Optuna's documentation warns too. `racing` keeps its word over all looks.

    The best trial is the one with the highest score among those that were measured furthest.

    Args:
        measured: The record of the study.
        error: Threshold of p.
    """

    reads_examples = True

    def __init__(self, measured: MeasuredTrials, error: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # its version is pinned, its behaviour tested
            self._pruner = WilcoxonPruner(p_threshold=error, n_startup_steps=_FEWEST)
        self._measured = measured

    def stops(self, number: int, examples: int) -> bool:
        """See `Pruner.stops`. A trial whose examples are not known is never stopped."""
        mine = self._measured.evidence(number)
        rivals = self._measured.rivals(number) if mine else {}
        if mine is None or not rivals:
            return False
        best = max(rivals, key=lambda n: (len(rivals[n]), rivals[n].scores.mean(), -n))
        if len(rivals[best]) < examples:
            return False
        study = optuna.create_study(direction="maximize")
        study.add_trial(_as_optuna(rivals[best], OptunaState.COMPLETE))
        return self._pruner.prune(study, _as_optuna(mine.first(examples), OptunaState.RUNNING))


def _as_optuna(evidence: Evidence, state: OptunaState) -> FrozenTrial:
    """A trial of Optuna with one step per example."""
    value = float(evidence.scores.mean()) if state is OptunaState.COMPLETE else None
    return create_trial(state=state, value=value, intermediate_values=dict(enumerate(evidence.scores.tolist())))
