"""Whether a soft prompt is worth its vectors: it against its own text, on dev."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.evaluator import Candidate, FinalistEvaluator
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.ranking import text_of
from autoprompt_search.core.statistics.scores import Difference
from autoprompt_search.core.types import Measurement, TrialRecord


class TextAblation:
    """The texts of soft trials by themselves. One that no trial has tried is measured when it is asked for.

    Args:
        complete: Trials that saw all of dev.
        bench: Measures.
        scale: Compares.
    """

    def __init__(self, complete: Sequence[TrialRecord], bench: FinalistEvaluator, scale: ScoreComparison) -> None:
        self._tried = {fingerprint(text_of(r.params)): r for r in complete if r.kind != "soft"}
        self._bench, self._scale = bench, scale
        self.gains: dict[int, Difference] = {}
        """Soft trial -> soft prompt minus text on dev, where that was asked for."""

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
        """The text of `record` by itself, on all of dev."""
        tried = self.tried_by(record)
        return self._bench.trial_on_dev(tried) if tried else self._bench.on_dev(self.candidate(record))

    def gain(self, record: TrialRecord) -> Difference:
        """Soft prompt minus text."""
        if record.number not in self.gains:
            self.gains[record.number] = self._scale.difference(self._bench.trial_on_dev(record), self.on_dev(record))
        return self.gains[record.number]

    def are_beaten_by(self, record: TrialRecord, rows: Sequence[int] | None = None) -> bool:
        """Whether the soft prompt of `record`, if it has one, is better than its text beyond doubt.

        On the dev examples at `rows`, where they are named; a text that was never measured is then not beaten.
        """
        if record.kind != "soft":
            return True
        if rows is None:
            return self.gain(record).low > 0
        if self.tried_by(record) is None and record.number not in self.gains:
            return False
        ours, theirs = self._bench.trial_on_dev(record), self.on_dev(record)
        return self._scale.difference(self._scale.part(ours, rows), self._scale.part(theirs, rows)).low > 0
