"""What was measured in a study: every rung of every trial, once. Pruners and the probe read it; none keeps its own.

Knows no Optuna and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.objective import Objective
from autoprompt_search.studies.evidence import Evidence


@dataclass(slots=True)
class MeasuredTrial:
    """The rungs of one trial."""

    kind: str
    rungs: dict[int, Measurement] = field(default_factory=dict)
    """Examples -> measurement without outcomes, soft prompt and preview, in the order in which they were made."""
    rivals: dict[int, Measurement] = field(default_factory=dict)
    """The same with weighed scores, for rungs on which the trial kept all limits: there it competes with others."""
    evidence: Evidence | None = None
    """Examples of the highest rung on which the trial kept all limits; of the first rung where it kept them on none."""


class MeasuredTrials:
    """The record of a study's measurements.

    Args:
        objective: What prompts cost, and may cost at most.
    """

    def __init__(self, objective: Objective | None = None) -> None:
        self.objective = objective or Objective()
        self._trials: dict[int, MeasuredTrial] = {}
        self.failed: set[int] = set()
        """Trials that failed."""

    @property
    def trials(self) -> Mapping[int, MeasuredTrial]:
        """Trial -> what was measured of it."""
        return self._trials

    def add(self, number: int, kind: str, measurement: Measurement, evidence: Evidence | None = None) -> None:
        """Enter a trial on a rung; entering it again changes nothing."""
        trial, examples = self._trials.setdefault(number, MeasuredTrial(kind)), measurement.fidelity.examples
        if examples in trial.rungs:
            return
        kept = trial.rungs[examples] = replace(measurement, outcomes=(), soft=None, preview="")
        keeps_limits = not self.objective.broken(kept)
        if keeps_limits:
            trial.rivals[examples] = self.objective.weighed(kept)
        known = trial.evidence
        if evidence is not None and (known is None or (keeps_limits and len(evidence) > len(known))):
            trial.evidence = evidence

    def at(self, number: int, examples: int) -> Measurement | None:
        """A trial on a rung; None where it has not been."""
        return self._trials[number].rungs.get(examples) if number in self._trials else None

    def last(self, number: int) -> Measurement | None:
        """A trial on its highest rung; None where nothing was measured."""
        rungs = self._trials[number].rungs if number in self._trials else {}
        return rungs[max(rungs)] if rungs else None

    def evidence(self, number: int, examples: int = 0) -> Evidence | None:
        """What is kept of the examples of a trial that competes on so many at least; None where nothing is."""
        trial = self._trials.get(number)
        if trial is None or trial.evidence is None or max(trial.rivals, default=0) < examples:
            return None
        return trial.evidence if len(trial.evidence) >= examples else None

    def rung(self, kind: str, examples: int) -> dict[int, Measurement]:
        """Trial -> measurement, with the weighed score: all of a kind that compete on this rung."""
        return {n: t.rivals[examples] for n, t in self._trials.items() if t.kind == kind and examples in t.rivals}

    def rivals(self, number: int, examples: int = 1) -> dict[int, Evidence]:
        """Trial -> evidence: the others of a trial's kind whose first so many examples are known."""
        kind = self._trials[number].kind
        others = (n for n, t in self._trials.items() if t.kind == kind and n != number)
        known = {n: self.evidence(n, examples) for n in others}
        return {n: evidence for n, evidence in known.items() if evidence is not None}
