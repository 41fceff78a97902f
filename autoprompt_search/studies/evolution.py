"""Evolution by NSGA-II. Keeps nothing between draws: generations are read off the order of the trials."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

POPULATION = 8
"""Trials of a generation, and of the parents of the next: a search of 48 trials then has six generations."""


class Evolution(NSGAIISampler):
    """Optuna's NSGA-II (Deb et al. 2002, IEEE Trans. Evol. Comput. 6:182), with one score an elitist genetic algorithm.

    Optuna writes the generation of a trial into its attributes when it is drawn, and the parents into those of the
    study. Neither outlives a draw here, where a sampler is made anew and leaves no trace. Generations are counted off
    instead: of the complete trials that have all of the parameters asked for, the first eight are the first
    generation, the next eight the second. Where trials end in the order in which they began these are Optuna's
    generations; where several run side by side, one that ends late belongs to the generation in whose place it began.
    Parents are chosen anew at every draw, from the same trials in the same way.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, population_size=POPULATION)
        self._pool: list[FrozenTrial] = []
        """Complete trials that can be parents of what is being drawn."""

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A child of two parents; a value that mutates is missing."""
        complete = study.get_trials(deepcopy=False, states=[OptunaState.COMPLETE])
        self._pool = [t for t in complete if search_space.keys() <= t.params.keys()]
        return super().sample_relative(study, trial, search_space) if search_space else {}

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:  # noqa: ARG002
        """Generation of the trial that is being drawn."""
        return len(self._pool) // POPULATION

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:  # noqa: ARG002
        """The trials of a generation."""
        return self._pool[generation * POPULATION : (generation + 1) * POPULATION]

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The best of all generations before this one."""
        return self.select_parent(study, generation) if generation else []
