"""Every point of a space in a fixed order; of a number without steps a few levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import SearchSpace

_LEVELS = 5
"""Of a float."""


def points(space: SearchSpace, given: Params) -> Iterator[dict[str, Scalar]]:
    """All points with the values of `given`, the last parameter turning fastest."""
    path: list[tuple[int, int]] = []
    """Per open parameter on the way to the current point: its place among its values, and how many there are."""
    while True:
        pen = _Odometer(given, [place for place, _ in path])
        yield space.suggest(pen)
        path = pen.path
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        path[-1] = (path[-1][0] + 1, path[-1][1])


class _Odometer:
    """The part of an Optuna trial that a space needs: follows `places`, then takes the first value of everything."""

    def __init__(self, given: Params, places: Sequence[int]) -> None:
        self._given, self._places = given, list(places)
        self.path: list[tuple[int, int]] = []

    def suggest_int(self, name: str, low: int, high: int, **_: Any) -> int:
        return int(self._value(name, range(low, high + 1)))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, **_: Any) -> float:
        steps = [place / (_LEVELS - 1) for place in range(_LEVELS)]
        levels = [low * (high / low) ** step if log else low + (high - low) * step for step in steps]
        return float(self._value(name, [low, *levels[1:-1], high]))

    def suggest_categorical(self, name: str, choices: Sequence[Scalar | None]) -> Scalar | None:
        value: Scalar = self._value(name, choices)
        return value

    def _value(self, name: str, values: Sequence[Any]) -> Any:
        if name in self._given:
            return self._given[name]
        place = self._places[len(self.path)] if len(self.path) < len(self._places) else 0
        self.path.append((place, len(dict.fromkeys(values))))
        return values[place]
