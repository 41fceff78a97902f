"""When to stop a trial: asynchronous successive halving on scores of the same examples.

The stopping variant of ASHA (Li et al. 2020, arXiv 1810.05934), with one ladder per kind of trial, because
on a shared ladder untrained texts crowd out soft prompts that still need steps. All scores of a rung come
from the same examples, so that comparing them is comparing pairs.
"""

from __future__ import annotations

import math

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.studies.measured import MeasuredTrials


class SuccessiveHalving:
    """One ladder per kind of trial.

    Promise: about one in `reduction` goes on from every rung, so a search costs what it costs whatever the scores are.
    Nothing is promised about the best prompt: an unlucky first rung ends it.
    """

    reads_examples = False

    def __init__(self, measured: MeasuredTrials, reduction: int) -> None:
        self._measured, self._reduction = measured, reduction

    def stops(self, number: int, examples: int) -> bool:
        """Whether the trial is outside the best 1/reduction of those that have reached this rung so far.

        The first to reach a rung always goes on. Ranking uses what is known now: nobody waits.
        """
        rung = self._measured.rung(self._measured.trials[number].kind, examples)
        mine = _standing(rung[number])
        better = sum(_standing(other) > mine for other in rung.values())
        return better >= math.ceil(len(rung) / self._reduction)


def _standing(measurement: Measurement) -> tuple[float, float]:
    """Score, then minus loss, which breaks the many ties of small rungs."""
    return measurement.score, -measurement.metrics.get("loss", 0.0)
