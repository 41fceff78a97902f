"""How a search makes its final choice, on all of dev or on a part of it. Knows no test split."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from autoprompt_search.confirm.ablation import TextAblation
from autoprompt_search.confirm.choice import Choice, choose, rank
from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.evaluator import FinalistEvaluator
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.objective import Objective
from autoprompt_search.core.ranking import steadiest
from autoprompt_search.core.statistics.scores import Difference
from autoprompt_search.core.statistics.shrinkage import Shrinkage


@dataclass(frozen=True)
class SelectionRule:
    """The one rule by which a search chooses.

    A soft prompt is chosen only where the paired test says that it is better than its own text: vectors that add
    nothing are not worth carrying along. Where soft prompts were trained again from other draws, only those with the
    steadiest settings are eligible; and none that breaks a limit of the objective, not even the baseline.
    """

    records: Sequence[TrialRecord]
    """The records of all trials."""
    objective: Objective
    comparison: ScoreComparison
    evaluator: FinalistEvaluator
    ablation: TextAblation

    @cached_property
    def complete(self) -> list[Doubles]:
        """[trials that saw all of dev, best first; dev examples]: what every example adds to the score."""
        return [self.comparison.contributions(self.evaluator.trial_on_dev(r)) for r in rank(self.records)[1]]

    @cached_property
    def shrunk(self) -> Shrinkage:
        """What all trials say of how far prompts differ."""
        return Shrinkage.of(self.records, self.complete)

    def choice(self) -> Choice:
        """What is chosen on all of dev.

        A text that no trial has tried is measured where its soft prompt might be chosen. Raises `SearchError` where no
        prompt may be chosen, or the baseline has no score.
        """
        return self._choice(
            self.records,
            values=lambda record: self.comparison.contributions(self.evaluator.trial_on_dev(record)),
            gain=self.ablation.gain,
        )

    def choice_on(self, rows: Sequence[int], measured: Container[int] = ()) -> Choice:
        """What is chosen on the dev examples at `rows`, in rung order.

        Scores, losses, ties, leads, draws, and gains of soft prompts are taken from these rows; only how far prompts
        differ at all is known from everything. No text is measured: the soft prompt of a text that was never measured
        is not eligible. Raises as `choice` does.

        Args:
            rows: Places of the examples.
            measured: Soft trials whose texts were measured though no trial tried them: `Choice.gains` of `choice`.
        """
        known = {r.number: r for r in self.records}

        def values(record: TrialRecord) -> Doubles:
            measured = self.evaluator.trial_on_dev(known[record.number])
            return self.comparison.contributions(self.comparison.part(measured, rows))

        def gain(record: TrialRecord) -> Difference | None:
            return self.ablation.gain_on(known[record.number], rows, measured)

        return self._choice([self._part(r, rows) for r in self.records], values, gain)

    def _choice(
        self,
        records: Sequence[TrialRecord],
        values: Callable[[TrialRecord], Doubles],
        gain: Callable[[TrialRecord], Difference | None],
    ) -> Choice:
        baseline, ranked = rank(records)
        steady, gains, contributions = steadiest(records), dict[int, Difference](), dict[int, Doubles]()

        def values_once(record: TrialRecord) -> Doubles:
            if record.number not in contributions:
                contributions[record.number] = values(record)
            return contributions[record.number]

        def is_worth_it(record: TrialRecord) -> bool:
            if record.number == 0 or record.kind != "soft":
                return True
            if steady is not None and record.number not in steady:
                return False
            difference = gains.get(record.number) or gain(record)
            if difference is not None:
                gains[record.number] = difference
            return difference is not None and difference.low > 0

        choice = choose(
            [r for r in ranked if self.objective.allows(r)],
            baseline,
            shrunk=self.shrunk,
            values=values_once,
            is_eligible=lambda record: self.objective.allows(record) and is_worth_it(record),
            tolerance=self.objective.tolerance,
        )
        return replace(choice, gains=gains)

    def _part(self, record: TrialRecord, rows: Sequence[int]) -> TrialRecord:
        """The trial as if it had been measured on these rows; one that did not see all of dev as it is."""
        if record.state is not TrialState.COMPLETE:
            return record
        seen = self.comparison.part(self.evaluator.trial_on_dev(record), rows)
        return replace(record, measurements=(*record.measurements[:-1], seen))
