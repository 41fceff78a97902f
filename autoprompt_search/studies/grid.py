"""Every point of a space in a fixed order; of a number without steps a few levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import AnyParam, Choice, Fixed, Int, SearchSpace

_LEVELS = 5
"""Levels of a float."""


def points(space: SearchSpace, given: Params) -> Iterator[dict[str, Scalar]]:
    """All points with the values of `given`; the last parameter turns fastest."""
    indices: list[int] = []
    while True:
        point, path = _point(space, given, indices)
        yield point
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        indices = [*(index for index, _ in path[:-1]), path[-1][0] + 1]


def _point(
    space: SearchSpace, given: Params, indices: Sequence[int]
) -> tuple[dict[str, Scalar], list[tuple[int, int]]]:
    """The point whose open parameters take the values at `indices`, further ones their first value.

    Beside it stand, for every open parameter on the way, the index of its value and how many values it has.
    """
    path: list[tuple[int, int]] = []

    def pick(name: str, param: AnyParam) -> Scalar:
        if name in given:
            return given[name]
        index = indices[len(path)] if len(path) < len(indices) else 0
        levels = _levels(param)
        path.append((index, len(set(levels))))
        return levels[index]

    return space.point(pick), path


def _levels(param: AnyParam) -> Sequence[Scalar]:
    if isinstance(param, (Choice, Fixed)):
        return param.values
    if isinstance(param, Int):
        return range(param.low, param.high + 1)
    low, high = param.low, param.high
    steps = [level / (_LEVELS - 1) for level in range(_LEVELS)]
    levels = [low * (high / low) ** step if param.log else low + (high - low) * step for step in steps]
    return [low, *levels[1:-1], high]
