"""Ways to propose points, by name. A sampler is made anew for every draw, from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler

from autoprompt_search.studies.evolution import Evolution
from autoprompt_search.studies.gaussian import Gaussian
from autoprompt_search.studies.latin_hypercube import LatinHypercubeTPE

SamplerName = Literal["tpe", "gp", "cma", "nsga2", "surrogate", "random", "grid", "auto"]
BLIND = ("random", "grid")
"""Samplers that learn nothing from scores."""
OF_COMPLETE = ("gp", "cma", "nsga2", "surrogate")
"""Samplers that would learn from complete trials alone, of which there are few where trials end early: they are given
the expected scores of all."""
STARTUP = 8
"""Random trials before a sampler has anything to go by."""
COVERED = 24
"""Or so many at most, where the largest choice has more values than `STARTUP`: each is tried once."""
_CANDIDATES = 24
"""Proposals of TPE, of which the best is taken."""

Distributions = Mapping[str, BaseDistribution]


def tpe(seed: int, attempt: int, over: Distributions) -> BaseSampler:
    """Tree-structured Parzen estimator, behind first points that try every value."""
    return LatinHypercubeTPE(seed, over, startup=STARTUP, most=COVERED, candidates=1 if attempt else _CANDIDATES)


def gp(seed: int, attempt: int, over: Distributions) -> BaseSampler:  # noqa: ARG001
    """Gaussian process with expected improvement, for scores that are noisy."""
    return Gaussian(seed, STARTUP)


def cma(seed: int, attempt: int, over: Distributions) -> BaseSampler:  # noqa: ARG001
    """CMA-ES over the numbers; names are drawn at random."""
    from autoprompt_search.studies.cma import Cma  # its library takes a second

    return Cma(over, seed)


def nsga2(seed: int, attempt: int, over: Distributions) -> BaseSampler:  # noqa: ARG001
    """Evolution: crossover and mutation of the best so far."""
    return Evolution(seed)


def random(seed: int, attempt: int, over: Distributions) -> BaseSampler:  # noqa: ARG001
    """Any point as likely as any other."""
    return RandomSampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int, int, Distributions], BaseSampler]] = {
    "tpe": tpe,
    "gp": gp,
    "cma": cma,
    "nsga2": nsga2,
    "random": random,
}
"""Those that draw parameter by parameter; `grid` and `surrogate` propose whole points."""


def resolved(name: SamplerName, distributions: Distributions) -> SamplerName:
    """The sampler of a space: `auto` is `gp` where every parameter is a number, `tpe` where there are names to choose
    from, of which Optuna's Gaussian process can only say whether two are the same.
    """
    if name != "auto":
        return name
    open_ones = [d for d in distributions.values() if not d.single()]
    are_numbers = open_ones and not any(isinstance(d, CategoricalDistribution) for d in open_ones)
    return "gp" if are_numbers else "tpe"
