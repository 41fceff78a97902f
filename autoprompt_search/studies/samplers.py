"""Ways to propose points, by name. A sampler is made anew for every draw, from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

SamplerName = Literal["tpe", "gp", "random", "grid", "auto"]
BLIND = ("random", "grid")
"""Samplers that learn nothing from scores."""
STARTUP = 8
"""Random trials before a sampler has anything to go by."""
_CANDIDATES = 24
"""Proposals of TPE, of which the best is taken."""


def tpe(seed: int, attempt: int) -> BaseSampler:
    """Tree-structured Parzen estimator, multivariate, with constant liar (Watanabe 2023, arXiv 2304.11127)."""
    return TPESampler(
        seed=seed,
        multivariate=True,
        constant_liar=True,
        n_startup_trials=STARTUP,
        n_ei_candidates=1 if attempt else _CANDIDATES,
    )


def gp(seed: int, attempt: int) -> BaseSampler:  # noqa: ARG001
    """Gaussian process with expected improvement, for scores that are noisy."""
    return GPSampler(seed=seed, n_startup_trials=STARTUP, deterministic_objective=False)


def random(seed: int, attempt: int) -> BaseSampler:  # noqa: ARG001
    """Any point as likely as any other."""
    return RandomSampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int, int], BaseSampler]] = {"tpe": tpe, "gp": gp, "random": random}


def resolved(name: SamplerName, distributions: Mapping[str, BaseDistribution]) -> SamplerName:
    """What `auto` stands for in a space: `gp` where every parameter is a number, `tpe` where there are names to choose
    from, of which a Gaussian process can only say whether two are the same."""
    if name != "auto":
        return name
    open_ones = [d for d in distributions.values() if not d.single()]
    are_numbers = open_ones and not any(isinstance(d, CategoricalDistribution) for d in open_ones)
    return "gp" if are_numbers else "tpe"
