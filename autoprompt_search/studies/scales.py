"""Parameters as Optuna describes them, and numbers on the unit interval. Knows no sampler."""

from __future__ import annotations

import math

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autoprompt_search.space import AnyParam, Float, Int

Number = IntDistribution | FloatDistribution


def distribution_of(param: AnyParam) -> BaseDistribution:
    """A parameter as Optuna describes it."""
    if isinstance(param, Int):
        return IntDistribution(param.low, param.high, log=param.log)
    if isinstance(param, Float):
        return FloatDistribution(param.low, param.high, log=param.log)
    return CategoricalDistribution(param.values)


def is_number(distribution: BaseDistribution) -> bool:
    """Whether it is a range of numbers with more than one of them."""
    return isinstance(distribution, (IntDistribution, FloatDistribution)) and not distribution.single()


def to_unit(distribution: Number, value: float) -> float:
    """Where a value lies in its range, in [0, 1]; every whole number has a stretch of the same length around it."""
    low, high = _ends(distribution)
    return (_scaled(distribution, value) - low) / (high - low)


def from_unit(distribution: Number, place: float) -> int | float:
    """The inverse of `to_unit`: the value that lies there, within the range."""
    low, high = _ends(distribution)
    value = low + (high - low) * place
    value = math.exp(value) if distribution.log else value
    inside = min(max(value, distribution.low), distribution.high)
    return round(inside) if isinstance(distribution, IntDistribution) else inside


def _ends(distribution: Number) -> tuple[float, float]:
    margin = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    return _scaled(distribution, distribution.low - margin), _scaled(distribution, distribution.high + margin)


def _scaled(distribution: Number, value: float) -> float:
    return math.log(value) if distribution.log else float(value)
