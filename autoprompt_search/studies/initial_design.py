"""A few points that are as different as a space allows: what a probe looks at. Knows no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import AnyParam, Choice, Fixed, Float, Int, SearchSpace

_CROSSED = ("template", "demos.strategy", "calibration")
_LEVELS = 3
"""Levels of a number: low, middle, high."""
_DEAR = "hard"
"""Finding hard examples takes a forward pass per training example."""


def initial_design(space: SearchSpace, baseline: Params, count: int) -> list[dict[str, Scalar]]:
    """Up to `count` points beside the baseline, each as far as can be from those before it.

    Every template is crossed with no and with some demonstrations and with every calibration, while the other
    parameters go through their values; from these the point is taken again and again whose nearest neighbour among
    those taken differs in most parameters (Gonzalez 1985, Theor. Comput. Sci. 38:293). The same space gives the same
    points. None has a soft prompt; [] where every point of the space has one.
    """
    if "soft.method" in baseline and not space.root["soft.method"].contains("none"):
        return []
    candidates = {fingerprint(point): point for point in _candidates(space, baseline)}
    candidates.pop(fingerprint(dict(baseline)), None)
    rest, taken = list(candidates.values()), [dict(baseline)]
    while rest and len(taken) <= count:
        far = max(rest, key=lambda point: (min(_distance(point, other) for other in taken), -rest.index(point)))
        rest.remove(far)
        taken.append(far)
    return taken[1:]


def _candidates(space: SearchSpace, baseline: Params) -> Iterator[dict[str, Scalar]]:
    crossed = {name: _values(space.root[name]) for name in _CROSSED if name in space.root}
    for index, chosen in enumerate(product(*crossed.values())):
        given: dict[str, Scalar] = dict(zip(crossed, chosen, strict=True))
        for step, (name, param) in enumerate(space.root.items()):
            if name not in crossed:
                given[name] = _turned(param, index + step)
        point = space.baseline({**baseline, **given, **_plain(space)})
        if space.contains(point):
            yield point


def _plain(space: SearchSpace) -> Mapping[str, Scalar]:
    return {"soft.method": "none"} if "soft.method" in space.root else {}


def _values(param: AnyParam) -> list[Scalar]:
    if isinstance(param, (Choice, Fixed)):
        return [value for value in param.values if value != _DEAR] or list(param.values)
    return [param.low, param.high]


def _turned(param: AnyParam, turn: int) -> Scalar:
    """The next value at every turn."""
    if isinstance(param, (Choice, Fixed)):
        return param.values[turn % len(param.values)]
    share = (turn % _LEVELS) / (_LEVELS - 1)
    if isinstance(param, Int):
        return round(_between(param, share))
    return float(_between(param, share))


def _between(param: Int | Float, share: float) -> float:
    if param.log:
        between: float = float(param.low) * float(param.high / param.low) ** share
        return min(float(param.high), max(float(param.low), between))
    return float(param.low + (param.high - param.low) * share)


def _distance(a: Params, b: Params) -> float:
    """Share of parameters in which two points differ; one that is switched off differs from any value."""
    names = {*a, *b}
    return sum(a.get(name) != b.get(name) for name in names) / len(names)
