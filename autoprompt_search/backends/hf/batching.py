"""Which rows share a forward pass: by their lengths and what a pass costs beside its positions. Knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

_WEIGHTS = {"cpu": 16, "cuda": 200, "mps": 100}
"""Reading a model's weights once takes as long as so many positions: memory's speed against arithmetic, on a common
machine of the kind. Measured on a CPU; those of the others, here and below, are estimates from what makers say."""
_LAUNCHES = {"cpu": 3e5, "cuda": 2e9, "mps": 1e8}
"""Divided by the square of a model's width: the positions that fit into the time in which its operations are
launched. Independent of the number of layers, which counts on both sides."""
_CACHED = 600_000
"""Numbers of one activation (positions x width) that a CPU's caches hold. Larger passes take up to an eighth longer per
position (a model of 576 wide: 337 positions a second in passes of 512 and 1,024, and 300 in passes of 2,048)."""
_MOST = {"cpu": 8192, "cuda": 32768, "mps": 8192}
"""Positions of a pass where nobody says how many."""


@dataclass(frozen=True, slots=True)
class PassCost:
    """What a forward pass costs, in positions."""

    overhead: int = 0
    """What a pass takes beside its positions, however few they are."""
    best: int | None = None
    """Computed positions beyond which a pass is slower per position; None where larger is never slower."""

    @classmethod
    def of(cls, device: torch.device, width: int) -> PassCost:
        """The cost of a model of this width on this kind of device.

        It is the same on every machine of the kind, and not timed, so that a search divides its prompts in the same way
        whenever it runs.
        """
        kind = device.type if device.type in _WEIGHTS else "cuda"
        overhead = _WEIGHTS[kind] + round(_LAUNCHES[kind] / width**2)
        return cls(overhead, max(256, _CACHED // width) if kind == "cpu" else None)


def most_positions(device: torch.device) -> int:
    """Positions of a forward pass where the user does not say how many."""
    return _MOST.get(device.type, _MOST["cuda"])


def planned(costs: Sequence[int], most: int, front: int = 0, passes: PassCost | None = None) -> list[int]:
    """Sizes of batches, in order, for rows that are sorted dearest first: the division that takes least time.

    A batch takes its overhead and, for each of its rows, as long as its dearest row. The best division of a sorted
    list is found from its end by dynamic programming.

    Args:
        costs: Positions to compute of each row, falling.
        most: Positions that the rows of a batch hold together, those in front included. One row always fits.
        front: Positions in front of every row that are attended but not computed.
        passes: What a pass costs beside its positions; nothing by default.
    """
    passes = passes or PassCost()
    count = len(costs)
    least, sizes = np.zeros(count + 1), [1] * count
    for first in range(count - 1, -1, -1):
        each = max(1, costs[first])
        longest = max(1, most // (front + each))
        if passes.best is not None:
            longest = min(longest, max(1, passes.best // each))
        longest = min(longest, count - first)
        # Of equally good sizes the largest: what does not fit into memory is then found out at once.
        times = (least[first + 1 : first + 1 + longest] + each * np.arange(1, longest + 1))[::-1]
        sizes[first] = longest - int(times.argmin())
        least[first] = passes.overhead + times.min()
    batches, first = [], 0
    while first < count:
        batches.append(sizes[first])
        first += sizes[first]
    return batches
