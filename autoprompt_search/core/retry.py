"""The one way to try again: bounded, with waits that grow and are spread by chance. Knows nothing of what is tried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried, and how long is waited in between.

    Waits double from `first` to `longest`; each is drawn between half of that and all of it, so that many who
    wait for one server do not come back at the same moment (exponential back-off with equal jitter, Brooker 2015).
    """

    tries: int
    """Number of tries, the first one included."""
    first: float = 0.5
    """Seconds."""
    longest: float = 10.0
    """Seconds."""

    def waits(self, rng: random.Random) -> Iterator[float]:
        """Seconds before the second, third, ... try; without end, for those who count for themselves."""
        wait = self.first
        while True:
            yield wait * rng.uniform(0.5, 1.0)
            wait = min(2 * wait, self.longest)

    @property
    def most_seconds(self) -> float:
        """Longest time that all waits together can take."""
        whole = (min(self.first * 2.0**n, self.longest) for n in range(self.tries - 1))
        return sum(whole)


def retry(
    action: Callable[[], T],
    patience: Patience,
    *,
    passes: Callable[[Exception], bool],
    rng: random.Random,
    told: Callable[[Exception, int], None] | None = None,
    sleep: Callable[[float], None] | None = None,
) -> T:
    """`action()`, tried again while it fails for a reason that may pass; the last failure is raised as it came.

    Args:
        action: Has to bear being run twice, also where the first run did its work and only the answer was lost.
        patience: How often, and how long is waited.
        passes: Whether an exception may be gone by the next try; any other is raised at once.
        rng: Spreads the waits.
        told: Called before every wait with what went wrong and how many tries have failed so far.
        sleep: Instead of `time.sleep`.
    """
    for failed, wait in enumerate(islice(patience.waits(rng), patience.tries - 1), start=1):
        try:
            return action()
        except Exception as exc:
            if not passes(exc):
                raise
            if told is not None:
                told(exc, failed)
        (sleep or time.sleep)(wait)
    return action()
