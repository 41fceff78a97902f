"""What finished prompts say on dev and on test: from the ledger where it knows, else measured by the runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.types import Example, Params
from autoprompt_search.evaluate import outcome_of
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners import Runner
from autoprompt_search.runners.driver import restore
from autoprompt_search.trial import Failure, TestTask, TrialJob


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt that can be measured."""

    name: str
    """Its name in the ledger and for people."""
    number: int
    """Number of the trial it comes from."""
    params: Params
    soft: SoftPrompt | None = None
    """Without its vectors: they lie in the state folder."""

    @classmethod
    def of(cls, record: TrialRecord) -> Candidate:
        """The candidate of a finished trial."""
        return cls(f"trial {record.number}", record.number, record.params, record.measurements[-1].soft)


class FinalistEvaluator:
    """Measures finished prompts, and books what that costs once."""

    def __init__(self, job: TrialJob, runner: Runner, ledger: Ledger) -> None:
        self._job, self._runner, self._ledger = job, runner, ledger
        self._on_dev: dict[str, Measurement] = {}
        self._trials: dict[int, Measurement] = {}

    def trial_on_dev(self, record: TrialRecord) -> Measurement:
        """The last measurement of a complete trial, with its outcomes; looked up once."""
        if record.number not in self._trials:
            self._trials[record.number] = self._looked_up(record)
        return self._trials[record.number]

    def _looked_up(self, record: TrialRecord) -> Measurement:
        candidate, last, dev = Candidate.of(record), record.measurements[-1], self._job.dev
        known = self._ledger.get(last.prompt, dev)
        if len(known) < len(dev):  # a power failure took the ledger's last seconds
            return self.on_dev(candidate)
        prompt = self._job.book.compose(record.params)
        return replace(last, outcomes=tuple(outcome_of(prompt, e, known[e.id]) for e in dev))

    def on_dev(self, candidate: Candidate) -> Measurement:
        """The measurement on all of dev, made once."""
        if candidate.name not in self._on_dev:
            (self._on_dev[candidate.name],) = self.measure([candidate], self._job.dev, "dev")
        return self._on_dev[candidate.name]

    def measure(self, candidates: Sequence[Candidate], examples: Sequence[Example], split: str) -> list[Measurement]:
        """Each prompt on all `examples`. Raises `SearchError` for the first that cannot be measured."""
        weights, by_id = weights_folder(self._job.state), {e.id: e for e in examples}
        tasks = [
            TestTask(c.number, c.params, restore(c.soft, weights) if c.soft else None, tuple(examples))
            for c in candidates
        ]
        measurements: list[Measurement] = []
        for candidate, task, result in zip(candidates, tasks, self._runner.test(self._job, tasks), strict=True):
            if isinstance(result, Failure):
                raise SearchError(f"{candidate.name} could not be measured on the {split} split: {result.reason}")
            self._ledger.add(result, by_id, purpose=f"{split} of {candidate.name}")
            measurements.append(replace(result, soft=task.soft))
        return measurements


def weights_folder(state: Path) -> Path:
    """Where the driver keeps trained vectors."""
    return state / "weights"
