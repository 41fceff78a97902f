"""CMA-ES over the open numbers of a space. Keeps nothing between draws: the strategy is replayed from the trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from cmaes import CMA
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.studies.scales import from_unit, is_number, to_unit

_STEP = 0.2
"""First step size, as a share of every range."""


class Cma(BaseSampler):
    """Covariance matrix adaptation (Hansen and Ostermeier 2001, Evol. Comput. 9:159), by Optuna's library for it.

    Optuna's own `CmaEsSampler` keeps the strategy pickled in the attributes of trials, and leaves numbers under
    different conditions to chance. Here all open numbers of the space are one vector, and the strategy is a function of
    the complete trials in their order: so many as make a generation are one, whoever proposed them. A number that was
    not active in a trial is filled in as the strategy would have drawn it, which on average moves it nowhere. Names to
    choose from are drawn at random.

    Args:
        distributions: Of every parameter of the space. With fewer than two open numbers all is chance.
        seed: Of this draw.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], seed: int) -> None:
        self._numbers: dict[str, Any] = {name: d for name, d in distributions.items() if is_number(d)}
        self._seed, self._random = seed, RandomSampler(seed=seed)
        self._drawn: dict[str, Any] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The distributions of all numbers."""
        return self._numbers

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """The numbers among `search_space`; all calls of one sampler take theirs from the same vector."""
        if len(self._numbers) > 1 and not self._drawn:
            self._drawn = self._vector(study.get_trials(deepcopy=False, states=[OptunaState.COMPLETE]))
        return {name: self._drawn[name] for name in search_space if name in self._drawn}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Any value as likely as any other."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _vector(self, trials: list[FrozenTrial]) -> dict[str, Any]:
        count = len(self._numbers)
        bounds = np.tile([0.0, 1.0], (count, 1))
        strategy = CMA(mean=np.full(count, 0.5), sigma=_STEP, bounds=bounds, seed=0)
        size = strategy.population_size
        for end in range(size, len(trials) + 1, size):
            generation = trials[end - size : end]
            strategy.tell([(self._place(t, strategy.ask()), -float(t.value or 0.0)) for t in generation])
        strategy.reseed_rng(self._seed)
        places = zip(self._numbers.items(), strategy.ask(), strict=True)
        return {name: from_unit(distribution, float(coordinate)) for (name, distribution), coordinate in places}

    def _place(self, trial: FrozenTrial, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        known = trial.params
        return np.array(
            [
                to_unit(distribution, known[name]) if name in known else instead
                for (name, distribution), instead in zip(self._numbers.items(), drawn, strict=True)
            ]
        )
