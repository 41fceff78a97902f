"""How a search makes its final choice, on all of dev or on a part of it. Knows no test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from autoprompt_search.confirm.ablation import TextAblation
from autoprompt_search.confirm.choice import Choice, choose, rank
from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.evaluator import FinalistEvaluator
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.objective import Objective
from autoprompt_search.core.ranking import steadiest
from autoprompt_search.core.statistics.shrinkage import Shrinkage
from autoprompt_search.core.types import TrialRecord, TrialState


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
    scale: ScoreComparison
    bench: FinalistEvaluator
    texts: TextAblation

    @cached_property
    def complete(self) -> list[Doubles]:
        """[trials that saw all of dev, best first; dev examples]: what every example adds to the score."""
        return [self.scale.contributions(self.bench.trial_on_dev(r)) for r in rank(self.records)[1]]

    @cached_property
    def shrunk(self) -> Shrinkage:
        """What all trials say of how far prompts differ."""
        return Shrinkage.of(self.records, self.complete)

    def choice(self, rows: Sequence[int] | None = None) -> Choice:
        """What is chosen on the dev examples at `rows`, in rung order; on all of them where none are named.

        Everything that is measured on dev is then taken from these rows: scores, losses, ties, leads, draws, and what a
        soft prompt gains; only how far prompts differ at all is known from everything. A text that no trial has tried
        is not measured for a part of dev; its soft prompt is not eligible there. `SearchError` where no prompt may be
        chosen, or the baseline has no score.
        """
        records = self.records if rows is None else [self._part(r, rows) for r in self.records]
        baseline, ranked = rank(records)
        steady = steadiest(records)
        known = {r.number: r for r in self.records}

        @cache
        def values(number: int) -> Doubles:
            made = self.bench.trial_on_dev(known[number])
            return self.scale.contributions(made if rows is None else self.scale.part(made, rows))

        def is_eligible(record: TrialRecord) -> bool:
            is_steady = steady is None or record.kind != "soft" or record.number in steady
            is_worth_it = record.number == 0 or (is_steady and self.texts.are_beaten_by(known[record.number], rows))
            return self.objective.allows(record) and is_worth_it

        return choose(
            [r for r in ranked if self.objective.allows(r)],
            baseline,
            shrunk=self.shrunk,
            values=lambda r: values(r.number),
            is_eligible=is_eligible,
        )

    def _part(self, record: TrialRecord, rows: Sequence[int]) -> TrialRecord:
        """The trial as if it had been measured on these rows; one that did not see all of dev as it is."""
        if record.state is not TrialState.COMPLETE:
            return record
        seen = self.scale.part(self.bench.trial_on_dev(record), rows)
        return replace(record, measurements=(*record.measurements[:-1], seen))
