"""What was measured, and what follows from it: who goes on, who ends, who waits, whether another trial begins.

Knows no Optuna and no space: it deals in numbers of trials and their measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from autoprompt_search.core.objective import Objective
from autoprompt_search.core.statistics.additive import Estimate, ScoreModel
from autoprompt_search.core.types import Measurement
from autoprompt_search.studies.knowledge_gradient import Begin, GoOn, KnowledgeGradient
from autoprompt_search.studies.paired import Evidence, PairedScores
from autoprompt_search.studies.probe import Probe
from autoprompt_search.studies.pruning import Pruner
from autoprompt_search.studies.spending import Spending


@dataclass(frozen=True, slots=True)
class TrialScheduler:
    """The pruner, the probe and the budget, and the order in which they are asked."""

    pruner: Pruner
    probe: Probe
    spending: Spending
    objective: Objective
    board: ScoreModel | None
    """Where the sampler learns from modelled scores."""
    most: float
    """Trials of any end: of the budget, and of the space."""
    share: float
    """Of the budget for texts, where there are soft prompts too."""

    @property
    def allocation(self) -> KnowledgeGradient | None:
        """The pruner, where it pauses trials and takes them up again."""
        return self.pruner if isinstance(self.pruner, KnowledgeGradient) else None

    @property
    def evidence(self) -> type[Evidence] | None:
        """What is kept of every example: what the pruner needs, else what the probe does."""
        return self.pruner.evidence or (PairedScores if self.probe.points else None)

    def wanted(self, number: int, examples: int) -> type[Evidence] | None:
        """What is kept of the examples of this rung."""
        return self.evidence if self.pruner.evidence or self.probe.wants(number, examples) else None

    def learn(self, number: int, kind: str, measurement: Measurement, evidence: Evidence | None) -> None:
        """Take in a rung, with what was kept of its examples."""
        self.spending.book(number, measurement)
        weighed, is_out = self.objective.weighed(measurement), bool(self.objective.broken(measurement))
        self.probe.add(number, measurement, evidence)
        if self.allocation or not is_out:
            self.pruner.add(number, kind, weighed, evidence if self.pruner.evidence else None)
        if self.allocation and is_out:
            self.allocation.drop(number)
        if self.board is not None:
            self.board.add(number, kind, weighed)

    def drop(self, number: int) -> None:
        """The trial failed."""
        self.probe.drop(number)
        if self.allocation:
            self.allocation.drop(number)

    def stops(
        self, number: int, kind: str, measurement: Measurement, waiting: Collection[int], begun: int | None
    ) -> bool:
        """Whether a trial whose rung was just learned, and has more to come, ends or waits here.

        What waits beside it, and how many trials have begun, is as for `next_step`.
        """
        examples = measurement.fidelity.examples
        if number == 0 or measurement.fidelity.is_full:
            return False
        if self.objective.broken(measurement):
            return True
        if (self.probe.is_open and self.probe.covers(number)) or self.probe.is_hopeless:
            return True
        if self.allocation is None:
            return self.pruner.stops(number, kind, examples)
        is_repeated = examples < self.allocation.reached(number)
        return not is_repeated and self.next_step([*waiting, number], begun) != GoOn(number)

    def may_wait(self, number: int, last: Measurement | None) -> bool:
        """Whether a trial that was stopped is only paused."""
        is_waiting_anchor = self.probe.is_open and self.probe.covers(number)
        return bool(self.allocation or is_waiting_anchor) and not self.objective.broken(last)

    def next_step(self, waiting: Collection[int], begun: int | None) -> Begin | GoOn | None:
        """A new trial, or one of those that wait, or neither.

        `begun` is how many trials there are; None where no point is left for another.
        """
        is_late = self.spending.is_late()
        may_begin = begun is not None and begun < self.most and not is_late
        is_over = is_late or self.spending.is_paid_out
        if self.probe.is_open:
            return Begin() if may_begin and begun is not None and begun <= len(self.probe.points) else None
        if self.probe.is_hopeless:
            return None
        if self.allocation is None and waiting:
            return None if is_over else GoOn(min(waiting))
        if self.allocation is None or begun == 0:
            return Begin() if may_begin and not is_over else None
        return self.allocation.choose(
            waiting,
            may_begin=may_begin,
            may_begin_text=begun is not None and begun < self.share * self.most,
            is_text_over=self.spending.is_late(self.share),
            is_over=is_late,
        )

    def wants_soft(self, number: int, step: Begin) -> bool:
        """Whether texts have had their share of the budget when this trial begins."""
        return step.is_soft if self.allocation else self.spending.is_beyond(self.share, number)

    def estimates(self) -> Mapping[int, Estimate] | None:
        """Expected scores for the sampler; None where it goes by how trials ended."""
        return self.board.estimates() if self.board else None
