"""Paired racing where a score is no mean over examples, such as macro-F1 or Matthews' correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.reality_check import reality_check_p
from autoprompt_search.core.statistics.scores import Scorecard, contributions
from autoprompt_search.studies.paired import PairedStatistics


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
        error: Share of searches in which the best may be lost.
        rungs: Dev examples per rung.
        metric: Of the scores.
    """

    evidence = PairedStatistics

    def __init__(self, error: float, rungs: Sequence[int], metric: Metric) -> None:
        if not rungs:
            raise ConfigError("study.pruner: racing needs the rungs of the search")
        self._error, self._metric = error / max(1, len(rungs) - 1), metric
        self._seen: dict[int, PairedStatistics] = {}
        self._kinds: dict[int, str] = {}
        self._parts: dict[tuple[int, int], Doubles] = {}
        """(trial, examples) -> what each of them adds to the score on them."""

    def add(self, number: int, kind: str, measurement: Measurement, evidence: PairedStatistics | None) -> None:  # noqa: ARG002
        """As `Pruner.add`."""
        known = self._seen.get(number)
        if evidence is not None and (known is None or len(evidence) > len(known)):
            self._seen[number], self._kinds[number] = evidence, kind

    def stops(self, number: int, kind: str, examples: int) -> bool:
        """As `Pruner.stops`. A trial without statistics is never stopped."""
        rivals = [n for n, of in self._kinds.items() if of == kind and n != number and self._is_there(n, examples)]
        if not rivals or not self._is_there(number, examples):
            return False
        mine = self._of(number, examples)
        gaps = np.array([self._of(rival, examples) for rival in rivals]).T - mine[:, None]
        lengths = np.sqrt((gaps**2).sum(axis=0))
        leader = int(np.argmax(gaps.sum(axis=0) / np.where(lengths > 0, lengths, 1.0)))
        return reality_check_p(gaps, leader, len(rivals)) <= self._error

    def _is_there(self, number: int, examples: int) -> bool:
        return number in self._seen and len(self._seen[number]) >= examples

    def _of(self, number: int, examples: int) -> Doubles:
        if (number, examples) not in self._parts:
            seen = self._seen[number].first(examples)
            self._parts[number, examples] = contributions(Scorecard(seen.values, self._metric))
        return self._parts[number, examples]
