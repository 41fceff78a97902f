"""What a search is after beside a high score: what prompts cost in use, and what they may cost at most."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from autoprompt_search.core.measurements import Measurement, TrialRecord

CostName = Literal["prompt_tokens", "latency_ms"]
"""Mean tokens of a prompt, soft tokens included; milliseconds of one prompt asked alone, see `trial/latency.py`."""
COSTS: tuple[CostName, ...] = get_args(CostName)
_LIMIT = re.compile(r"\s*([A-Za-z_]+)\s*<=\s*(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Limit:
    """A prompt whose cost is above `most` is never chosen."""

    cost: CostName
    most: float

    def __str__(self) -> str:
        return f"{self.cost} <= {self.most:g}"

    @classmethod
    def parse(cls, text: str) -> Limit:
        """`prompt_tokens <= 200`. Raises `ValueError` that says what would be right."""
        match = _LIMIT.fullmatch(text)
        if not match:
            raise ValueError(f"must read COST <= NUMBER, for example prompt_tokens <= 200: {text!r}")
        name = next((cost for cost in COSTS if cost == match[1]), None)
        if name is None:
            raise ValueError(f"must limit one of {', '.join(COSTS)}: {text!r}")
        return cls(name, float(match[2]))

    def excess(self, measurement: Measurement) -> float:
        """How far the prompt is above the limit, in units of its cost; a cost that could not be measured is above."""
        cost = cost_of(measurement, self.cost)
        return max(self.most, 1.0) if cost is None else cost - self.most


@dataclass(frozen=True, slots=True)
class Objective:
    """How trials are compared while a search runs, and which prompts may be chosen in the end."""

    cost: CostName = "prompt_tokens"
    weight: float = 0.0
    """Score that one unit of cost is worth."""
    limits: tuple[Limit, ...] = ()
    tolerance: float = 0.002
    """Expected score that a cheaper prompt may lose against the best one and still be chosen."""

    @property
    def needs_latency(self) -> bool:
        """Whether trials cannot be compared before their latency is known."""
        return (self.weight > 0 and self.cost == "latency_ms") or any(x.cost == "latency_ms" for x in self.limits)

    def weighed(self, measurement: Measurement) -> Measurement:
        """The measurement with `score - weight * cost` for its score; a cost that is not known takes nothing off."""
        cost = cost_of(measurement, self.cost) if self.weight else None
        return measurement if cost is None else replace(measurement, score=measurement.score - self.weight * cost)

    def broken(self, measurement: Measurement | None) -> tuple[Limit, ...]:
        """The limits that a prompt does not keep."""
        return tuple(limit for limit in self.limits if measurement is not None and limit.excess(measurement) > 0)

    def allows(self, record: TrialRecord) -> bool:
        """Whether the prompt of a trial keeps all limits, as far as it was measured."""
        return not self.broken(record.last)


def cost_of(measurement: Measurement, name: CostName) -> float | None:
    """What one use of the prompt costs; None where it was not measured."""
    return measurement.prompt_tokens if name == "prompt_tokens" else measurement.latency_ms
