"""The driver's side of every trial: one order of recording, whatever runner does the work.

First the ledger keeps what was computed, then the study decides, then the dashboard and the terminal are told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from autoprompt_search.core.disk import writing
from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.measurements import Measurement, TrialRecord, TrialState
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.protocols.output import Progress, Tracker
from autoprompt_search.core.protocols.study import Probes, Study
from autoprompt_search.core.types import Example, Params
from autoprompt_search.ledger import Ledger
from autoprompt_search.trial import Failure

logger = logging.getLogger(__name__)


class Driver:
    """Passes trials out and takes results in. Not safe for several threads: runners call it from one."""

    def __init__(
        self,
        study: Study,
        ledger: Ledger,
        tracker: Tracker,
        progress: Progress,
        *,
        examples: Mapping[str, Example],
        weights: Path,
    ) -> None:
        self._study, self._ledger, self._tracker, self._progress = study, ledger, tracker, progress
        self._examples, self._weights = examples, weights
        self._next: tuple[int, Params] | None = None
        self.live: set[int] = set()
        """Numbers of the trials that were passed out and have neither ended nor been paused."""
        self._waiting: set[int] = set()
        self._measured: set[int] = set()
        self._has_noted = False
        self._is_spent = False
        """Whether a request was not sent because of the budget."""

    def has_work(self) -> bool:
        """Whether there is a trial to run; asks for it and keeps it."""
        if self._next is None and not self._is_spent:
            self._next = self._study.ask()
            self._finish_waiting()
            self._note_headroom()
        return self._next is not None

    def ask(self) -> tuple[int, Params] | None:
        """The next trial, or None when the search is over."""
        if not self.has_work() or self._next is None:
            return None
        number, params = self._next
        self._next = None
        self.live.add(number)
        self._progress.started(number, params)
        return number, params

    def measured(self, number: int, measurement: Measurement) -> bool:
        """Record one rung. True when the trial should stop here; it has then been ended as pruned."""
        self._ledger.add(measurement, self._examples, purpose=f"trial {number} rung {measurement.fidelity.examples}")
        if measurement.soft is not None:
            store(measurement.soft, self._weights)
        self._measured.add(number)
        stop = self._study.report(number, measurement)
        self._progress.measured(number, measurement)
        if stop:
            self.ended(number, TrialState.PRUNED)
        return stop

    def failed(self, number: int, failure: Failure) -> None:
        """End a trial that cannot go on. Raises `SystemicError` where none can; the trial is then asked for again when
        the search is continued."""
        if failure.ends == "search":
            raise SystemicError(failure.reason)
        if failure.ends == "budget":
            self._is_spent = True
            self._progress.note(failure.reason)
            return self.ended(
                number, TrialState.PRUNED if number in self._measured else TrialState.FAILED, failure.reason
            )
        logger.info("Trial %d failed: %s\n%s", number, failure.reason, failure.details)
        return self.ended(number, TrialState.FAILED, error=failure.reason)

    def ended(self, number: int, state: TrialState, error: str = "") -> None:
        """End a trial, and tell tracker and progress; they hear of one that is only paused when it really ends."""
        self.live.discard(number)
        record = self._study.tell(number, state, error=error)
        if record is None:
            self._waiting.add(number)
        else:
            self._told(record)

    def note(self, text: str) -> None:
        """Show a line to the person who watches. May be called from any thread."""
        self._progress.note(text)

    def _finish_waiting(self) -> None:
        for record in self._study.records() if self._waiting else ():
            if record.number in self._waiting:
                self._told(record)

    def _note_headroom(self) -> None:
        """Show what there is to gain, once, when the probe is over."""
        headroom = None if self._has_noted or not isinstance(self._study, Probes) else self._study.headroom()
        if headroom is not None:
            self._has_noted = True
            self._progress.note(headroom.spelled)

    def _told(self, record: TrialRecord) -> None:
        self._waiting.discard(record.number)
        self._tracker.log_trial(record)
        self._progress.finished(record)


def store(soft: SoftPrompt, folder: Path) -> Path:
    """Keep trained vectors under their hash."""
    path = folder / f"{soft.sha256}.safetensors"
    if not path.exists():
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".tmp")
            draft.write_bytes(soft.weights)
            draft.replace(path)
    return path


def restore(soft: SoftPrompt, folder: Path) -> SoftPrompt:
    """The same soft prompt with its vectors. Raises `OSError` or `ValueError` when they are gone or changed."""
    weights = (folder / f"{soft.sha256}.safetensors").read_bytes()
    if sha256_bytes(weights) != soft.sha256:
        raise ValueError(f"the soft prompt {soft.sha256[:12]} in {folder} is not what was stored")
    return replace(soft, weights=weights)
