"""Paired racing where a score is no mean over examples, such as macro-F1 or Matthews' correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.reality_check import reality_check_p
from autoprompt_search.core.statistics.scores import Scorecard, contributions
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials


class CorpusRacing:
    """A trial is stopped when it is shown to be worse, on all of dev, than a trial of its kind that got as far.

    Promise: for prompts that do not depend on dev, the best of a kind is stopped in about a share `error` of searches
    at most, over all rungs and rivals together. It is not exact, as that of accuracy is: it rests on the jackknife
    (Tukey 1958), in which an example's part of a score is what is lost without it, and on parts that vary about alike
    to both sides. `benchmarks/simulator.py` counts how often the best was lost.

    On every rung the parts of the trial and those of all its rivals are compared in pairs, by sign flips of the
    differences for all rivals at once (`reality_check_p`, the max-T of Westfall and Young 1993); `error` is
    divided among the rungs on which that is done. That dev is finite, so that a rung has seen some of it for good, is
    not made use of, which errs on the trial's side.

    Args:
        measured: The record of the study.
        error: Share of searches in which the best may be lost.
        rungs: Dev examples per rung.
        metric: Of the scores.
    """

    reads_examples = True

    def __init__(self, measured: MeasuredTrials, error: float, rungs: Sequence[int], metric: Metric) -> None:
        if not rungs:
            raise ConfigError("study.pruner: racing needs the rungs of the search")
        self._measured, self._error, self._metric = measured, error / max(1, len(rungs) - 1), metric
        self._parts: dict[tuple[int, int], Doubles] = {}
        """(trial, examples) -> what each of them adds to the score on them."""

    def stops(self, number: int, examples: int) -> bool:
        """See `Pruner.stops`. A trial whose examples are not known is never stopped."""
        mine = self._measured.evidence(number, examples)
        rivals = self._measured.rivals(number, examples) if mine else {}
        if mine is None or not rivals:
            return False
        parts = self._parts_of(number, mine, examples)
        gaps = np.array([self._parts_of(n, rival, examples) for n, rival in rivals.items()]).T - parts[:, None]
        lengths = np.sqrt((gaps**2).sum(axis=0))
        leader = int(np.argmax(gaps.sum(axis=0) / np.where(lengths > 0, lengths, 1.0)))
        return reality_check_p(gaps, leader, len(rivals)) <= self._error

    def _parts_of(self, number: int, evidence: Evidence, examples: int) -> Doubles:
        if (number, examples) not in self._parts:
            seen = evidence.first(examples).values
            self._parts[number, examples] = contributions(Scorecard(seen, self._metric))
        return self._parts[number, examples]
