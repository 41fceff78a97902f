"""Whether a soft prompt is worth its vectors: it against its own text, on dev."""

from __future__ import annotations

from collections.abc import Container, Sequence

from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.evaluator import Candidate, FinalistEvaluator
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.ranking import text_of
from autoprompt_search.core.statistics.scores import Difference


class TextAblation:
    """The texts of soft trials by themselves.

    Args:
        complete: Trials that saw all of dev.
        evaluator: Measures the texts that no trial has tried.
        comparison: Compares soft prompts with their texts.
    """

    def __init__(
        self, complete: Sequence[TrialRecord], evaluator: FinalistEvaluator, comparison: ScoreComparison
    ) -> None:
        self._tried = {fingerprint(text_of(r.params)): r for r in complete if r.kind != "soft"}
        self._evaluator, self._comparison = evaluator, comparison

    def tried_by(self, record: TrialRecord) -> TrialRecord | None:
        """The trial that was the text of `record` by itself."""
        return self._tried.get(fingerprint(text_of(record.params)))

    def candidate(self, record: TrialRecord) -> Candidate:
        """The text of `record` by itself."""
        tried = self.tried_by(record)
        if tried is not None:
            return Candidate.of(tried)
        return Candidate(f"the text of trial {record.number}", record.number, text_of(record.params))

    def on_dev(self, record: TrialRecord) -> Measurement:
        """The text of `record` by itself, on all of dev; it is measured if no trial has tried it."""
        tried = self.tried_by(record)
        return self._evaluator.trial_on_dev(tried) if tried else self._evaluator.on_dev(self.candidate(record))

    def gain(self, record: TrialRecord) -> Difference:
        """Soft prompt minus text, on all of dev."""
        return self._comparison.difference(self._evaluator.trial_on_dev(record), self.on_dev(record))

    def gain_on(self, record: TrialRecord, rows: Sequence[int], measured: Container[int]) -> Difference | None:
        """Soft prompt minus text, on the dev examples at `rows`.

        None for a text that no trial has tried, unless `measured` holds the trial: no text is measured for a part.
        """
        if self.tried_by(record) is None and record.number not in measured:
            return None
        ours, theirs = self._evaluator.trial_on_dev(record), self.on_dev(record)
        return self._comparison.difference(self._comparison.part(ours, rows), self._comparison.part(theirs, rows))
