"""What was measured, and what follows from it: who goes on, who ends, who waits, whether another trial begins.

Knows no Optuna and no space: it deals in numbers of trials and their measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.additive import Estimate, ScoreModel
from autoprompt_search.studies.allocation import Allocator, Begin, GoOn, Phase
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.probe import Probe
from autoprompt_search.studies.pruning import Pruner
from autoprompt_search.studies.spending import Spending


@dataclass(slots=True)
class TrialScheduler:
    """Asks the probe, the budget, and the pruner or the allocator, in this order; hands each what was measured."""

    pruner: Pruner
    """Ends trials for good. Where there is an allocator it ends none."""
    allocator: Allocator | None
    """Lets trials wait and takes them up again; None: they go through all rungs that the pruner leaves them."""
    probe: Probe
    spending: Spending
    measured: MeasuredTrials
    """The record of what was measured; pruner and probe read it."""
    model: ScoreModel
    """The weighed score of every rung; the allocator reads it."""
    metric: Metric | None
    """Metric of the scores; None: no example is compared with another prompt's."""
    is_modelled: bool
    """Whether the sampler learns from the model, not from how trials ended."""
    most: float
    """Most trials of any end: those of the budget, or all points of the space."""
    text_share: float
    """Share of the budget for texts, where there are soft prompts too."""

    @property
    def keeps_evidence(self) -> bool:
        """Whether the pruner or the probe compares examples."""
        return self.pruner.reads_examples or bool(self.probe.points)

    def evidence(self, number: int, measurement: Measurement) -> Evidence | None:
        """What the study keeps of the examples of this rung; None where nobody compares them."""
        if self.metric is None:
            return None
        wants = self.metric.is_mean and self.probe.wants(number, measurement.fidelity.examples)
        return Evidence.of(measurement, self.metric) if wants or self.pruner.reads_examples else None

    def learn(self, number: int, kind: str, measurement: Measurement, evidence: Evidence | None) -> None:
        """Take in a rung, with what was kept of its examples. A trial that breaks a limit is no one's rival."""
        objective = self.measured.objective
        self.spending.book(number, measurement)
        self.measured.add(number, kind, measurement, evidence)
        self.model.add(number, kind, objective.weighed(measurement))
        if self.allocator and objective.broken(measurement):
            self.allocator.drop(number)

    def drop(self, number: int) -> None:
        """Forget a trial that failed as a rival of others."""
        self.measured.failed.add(number)
        if self.allocator:
            self.allocator.drop(number)

    def stops(self, number: int, measurement: Measurement, waiting: Collection[int], begun: int | None) -> bool:
        """Whether a trial whose rung was just learned, and has more to come, ends or waits here.

        `waiting` and `begun` are as for `next_step`; the trial itself is not among those that wait.
        """
        examples = measurement.fidelity.examples
        if number == 0 or measurement.fidelity.is_full:
            return False
        if self.measured.objective.broken(measurement) or self.probe.is_futile or self._is_held_by_probe(number):
            return True
        if examples < self.model.reached(number):  # a rung that was decided on before
            return self.allocator is None and self.pruner.stops(number, examples)
        if self.allocator is None:
            return self.pruner.stops(number, examples) or not self._is_paid_for(GoOn(number))
        return self.next_step([*waiting, number], begun) != GoOn(number)

    def may_wait(self, number: int) -> bool:
        """Whether a trial that was stopped is only paused."""
        is_broken = self.measured.objective.broken(self.measured.last(number))
        return (self.allocator is not None or self._is_held_by_probe(number)) and not is_broken

    def ends_after_probe(self, number: int, examples: int) -> bool:
        """Whether a trial that waited for the probe ends, now that the probe is over."""
        return self.allocator is None and not self.probe.is_open and self.pruner.stops(number, examples)

    def promise(self, number: int, kind: str) -> None:
        """A trial was handed out, or goes on: what its next rung takes is not there for others."""
        self.spending.promise(number, self._to_go_on(number) or self._first_look(Phase.of(kind)))

    def next_step(self, waiting: Collection[int], begun: int | None) -> Begin | GoOn | None:
        """A new trial, or the next rung of one that waits; None for neither, and where a limit might be passed.

        Args:
            waiting: Trials that are paused.
            begun: How many trials there are; None where no point is left for another.
        """
        step = self._wanted_step(waiting, begun)
        return step if step is not None and (begun == 0 or self._is_paid_for(step)) else None

    def _wanted_step(self, waiting: Collection[int], begun: int | None) -> Begin | GoOn | None:
        is_late = self.spending.is_late()
        may_begin = begun is not None and begun < self.most and not is_late
        if self.probe.is_open:
            return Begin() if may_begin and begun is not None and begun <= len(self.probe.points) else None
        if self.probe.is_futile:
            return None
        if self.allocator is not None and begun != 0:
            return self.allocator.choose(
                waiting,
                may_begin=may_begin,
                may_begin_text=begun is not None and begun < self.text_share * self.most,
                is_text_over=self.spending.is_late(self.text_share),
                is_over=is_late,
            )
        if is_late or self.spending.is_paid_out:
            return None
        if waiting:
            return GoOn(min(waiting))
        return Begin() if may_begin else None

    def phase(self, number: int, step: Begin) -> Phase:
        """What trial `number` should be when it begins with this step: soft once texts have had their share."""
        if self.allocator:
            return step.phase
        return Phase.SOFT if self.spending.is_beyond(self.text_share, number) else Phase.TEXT

    def estimates(self) -> Mapping[int, Estimate] | None:
        """Expected scores for the sampler; None where it goes by how trials ended."""
        return self.model.estimates() if self.is_modelled else None

    def leader(self) -> int | None:
        """The trial that the allocator expects to do best on all of dev; None where there is no allocator."""
        return self.allocator.leader() if self.allocator else None

    def _is_paid_for(self, step: Begin | GoOn) -> bool:
        """Whether no limit that is never passed forbids the step. A trial that goes on may use what is held back for
        measuring the best one on all of dev."""
        if not self.spending.budget.hard_limits.most:
            return True
        if isinstance(step, GoOn):
            return self.spending.pays_for(self._to_go_on(step.number), step.number)
        reserve = self.model.rungs[-1] if self.allocator is not None else 0
        return self.spending.pays_for(self._first_look(step.phase), reserve=reserve)

    def _first_look(self, phase: Phase) -> float:
        """Forward passes of a new trial's first rung, as the dearest of its phase took them."""
        looks = [
            rungs[0]
            for number, rungs in self.spending.rungs.items()
            if self.text_share == 1.0 or Phase.of(self.model.kind(number)) is phase
        ]
        if not looks and phase is Phase.SOFT:
            return self.spending.budget.hard_limits.soft_look
        return max([*looks, self.model.rungs[0] if self.model.rungs else 0])

    def _to_go_on(self, number: int) -> float:
        """Forward passes of the next rung of a trial; 0 where it was on none, or on the last.

        A text costs by the example; a soft prompt is trained as long as for the last rung and reads all examples again.
        """
        spent = self.spending.rungs.get(number)
        seen = self.model.reached(number) if spent else 0
        rung = next((rung for rung in self.model.rungs if rung > seen), seen)
        if not spent or rung == seen:
            return 0.0
        if Phase.of(self.model.kind(number)) is Phase.TEXT:
            return max(sum(spent) / seen, 1.0) * (rung - seen)
        return max(0, spent[-1] - seen) + float(rung)

    def _is_held_by_probe(self, number: int) -> bool:
        """Whether a trial of the probe waits for the others of it."""
        return self.probe.is_open and self.probe.covers(number)
