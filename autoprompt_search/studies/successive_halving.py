"""When to stop a trial: asynchronous successive halving on scores of the same examples.

The stopping variant of ASHA (Li et al. 2020, arXiv 1810.05934), with one ladder per kind of trial, because
on a shared ladder untrained texts crowd out soft prompts that still need steps. All scores of a rung come
from the same examples, so that comparing them is comparing pairs.
"""

from __future__ import annotations

import math
from collections import defaultdict

from autoprompt_search.core.measurements import Measurement

Standing = tuple[float, float]
"""(score, minus loss): the loss breaks the many ties of small rungs."""


class SuccessiveHalving:
    """Per kind and rung, what the trials that got there have scored.

    Promise: about one in `reduction` goes on from every rung, so a search costs what it costs whatever the scores are.
    Nothing is promised about the best prompt: an unlucky first rung ends it.
    """

    evidence = None

    def __init__(self, reduction: int) -> None:
        self._reduction = reduction
        self._rungs: dict[tuple[str, int], dict[int, Standing]] = defaultdict(dict)

    def add(self, number: int, kind: str, measurement: Measurement, evidence: None = None) -> None:  # noqa: ARG002
        """Enter a trial on its rung; entering it again changes nothing."""
        rung = self._rungs[kind, measurement.fidelity.examples]
        rung.setdefault(number, (measurement.score, -measurement.metrics.get("loss", 0.0)))

    def stops(self, number: int, kind: str, examples: int) -> bool:
        """Whether the trial is outside the best 1/reduction of those that have reached this rung so far.

        The first to reach a rung always goes on. Ranking uses what is known now: nobody waits.
        """
        rung = self._rungs[kind, examples]
        better = sum(standing > rung[number] for standing in rung.values())
        return better >= math.ceil(len(rung) / self._reduction)
