"""Equality of numbers, however they are written."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from autoprompt_search.core.numbers import last_number
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.metrics.mean import MeanMetric


def numeric_equality(*, tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Metric:
    """Share of answers whose last number is the last one of a reference: `$1,200.00` equals `1200`, `-5` is not `5`.

    An answer without a number is wrong, and so is any answer where no reference has one.

    Args:
        tolerance: How far the number may be off, as a share of the right one; 0 compares exactly.
    """

    allowed = Fraction(tolerance)

    def value(said: str, right: tuple[str, ...]) -> float:
        given = last_number(said)
        numbers = [number for number in map(last_number, right) if number is not None]
        return float(given is not None and any(abs(given - n) <= abs(n) * allowed for n in numbers))

    return MeanMetric(value, f"tolerance:{tolerance:g}")
