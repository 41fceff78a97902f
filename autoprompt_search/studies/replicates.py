"""The same soft prompt trained again from other draws: how good its settings are, and how steady. Knows no sampler.

What a training ends in depends on its initial vectors, networks and batches by several points (`soft.draw` seeds
them), so that the best of many trainings is in part the luckiest. Where a space has `soft.draw`, the last trials of
the budget train the best two soft prompts again, and settings are judged by the mean over their draws minus its spread.
"""

from __future__ import annotations

import statistics
from collections.abc import Container, Iterable, Sequence

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.ranking import DRAW, ranked
from autoprompt_search.core.types import Scalar
from autoprompt_search.space import Choice, Int, SearchSpace

_CANDIDATES = 2


def draws_of(space: SearchSpace) -> list[Scalar]:
    """The values of `soft.draw`, the first of which every soft prompt is trained with; [] where there is no choice."""
    param = space.root.get(DRAW)
    values: Sequence[Scalar] = ()
    if isinstance(param, Int):
        values = list(range(param.low, param.high + 1))
    elif isinstance(param, Choice):
        values = param.values
    return list(values) if len(values) > 1 else []


def reserved(draws: Sequence[Scalar]) -> int:
    """Trials at the end of the budget."""
    return _CANDIDATES * (len(draws) - 1) if draws else 0


def repeats_take(records: Iterable[TrialRecord], draws: Sequence[Scalar], left: int | None) -> bool:
    """Whether training the best again takes all the forward passes that are left, going by soft trials so far."""
    costs = [record.cost.forward_passes for record in ranked(records) if record.kind == "soft"]
    return left is not None and bool(costs) and left <= reserved(draws) * statistics.fmean(costs)


def next_replicate(
    records: Iterable[TrialRecord], draws: Sequence[Scalar], known: Container[str]
) -> dict[str, Scalar] | None:
    """One of the best two soft prompts at its first draw that was not tried; None where there is none left."""
    if not draws:
        return None
    first = [r for r in ranked(records) if r.kind == "soft" and r.params.get(DRAW) == draws[0]]
    points = ({**record.params, DRAW: draw} for draw in draws[1:] for record in first[:_CANDIDATES])
    return next((point for point in points if fingerprint(point) not in known), None)
