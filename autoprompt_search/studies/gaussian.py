"""Optuna's Gaussian process in spaces with conditions. Keeps nothing between draws."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState


class Gaussian(GPSampler):
    """Optuna's sampler by expected improvement, for scores that are noisy, asked for one group of parameters at a time.

    Optuna's takes it that every complete trial has every parameter, and leaves what it has drawn in the attributes of
    the trial that asks. Here it is shown a copy of the study that holds the trials in which the group was active.

    Args:
        seed: Of this draw.
        startup: Trials with the group's parameters before which chance draws.
    """

    def __init__(self, seed: int, startup: int) -> None:
        super().__init__(
            seed=seed, n_startup_trials=startup, deterministic_objective=False, warn_independent_sampling=False
        )

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Values of all parameters of the group; {} while too little is known."""
        if not search_space:
            return {}
        shown = optuna.create_study(direction="maximize")
        shown.add_trial(create_trial(state=OptunaState.RUNNING))
        shown.add_trials([t for t in study.get_trials(deepcopy=False) if search_space.keys() <= t.params.keys()])
        return super().sample_relative(shown, shown.get_trials(deepcopy=False)[0], search_space)
