"""Points of a space by chance, quickly: what a sampler that weighs whole points chooses from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from autoprompt_search.core.types import Scalar

CANDIDATES = 300
"""Points to choose from."""


class Dice:
    """The part of an Optuna trial that a space needs: any value as likely as any other, but those of `given`."""

    def __init__(self, rng: Random, given: Mapping[str, Any]) -> None:
        self._rng, self._given = rng, given

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False, **_: Any) -> int:
        drawn = math.exp(self._rng.uniform(math.log(low - 0.5), math.log(high + 0.5))) if log else 0.0
        return int(self._given.get(name, min(max(round(drawn), low), high) if log else self._rng.randint(low, high)))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, **_: Any) -> float:
        drawn = math.exp(self._rng.uniform(math.log(low), math.log(high))) if log else self._rng.uniform(low, high)
        return float(self._given.get(name, min(max(drawn, low), high)))

    def suggest_categorical(self, name: str, choices: Sequence[Scalar | None]) -> Scalar | None:
        drawn = self._rng.choice(choices)
        value: Scalar | None = self._given.get(name, drawn)
        return value
