"""Optuna as the single owner of trials: what to try, when to stop one, when to end, and what was found."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from pydantic import Field

from autoprompt_search.core.disk import reading
from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Measurement, Params, TrialRecord, TrialState, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.draws import Draws, SamplerName, distribution_of, latest
from autoprompt_search.studies.halving import Ladders
from autoprompt_search.studies.journal import Journal
from autoprompt_search.studies.phases import Phases
from autoprompt_search.studies.records import ERROR, NUMBER, RUNG, STATES, measurements_of, to_attribute, to_record
from autoprompt_search.studies.storage import database

_TOLD = {TrialState.PRUNED: OptunaState.PRUNED, TrialState.FAILED: OptunaState.FAIL}
_SAME_FAILURE = 3
"""So many first trials failing for one reason end the search."""
_SECONDS = "seconds_used"


class OptunaStudy:
    """A persistent study. Opened again on the same folder it goes on where a dead driver left it.

    Points are drawn in memory (see `Draws`) and enter the storage complete, in one write. Early-stopped trials
    are told as PRUNED with their intermediate values, failures as FAIL; a point is never run twice.

    Args:
        space: What may vary.
        seed: Of the sampler.
        trials: Budget: trials of any end, duplicates not counted.
        minutes: Budget: wall time of all runs on this folder together; None for no limit.
        baseline: Parameters of trial 0, which is never stopped early.
        folder: Where the journal lives.
        name: Of the study within its storage.
        sampler: `tpe` (multivariate, grouped by condition, constant liar; Watanabe 2023) or `random`.
        reduction: Of successive halving: one in so many goes on to the next rung.
        text_share: Of the budget, in trials and in minutes: so much goes to texts before soft prompts start from
            the best of them; where the space leaves open whether there is a soft prompt.
        storage: Any Optuna RDB URL instead of the journal file, e.g. a PostgreSQL database. One that goes away is
            waited for, see `studies.storage`.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        trials: int,
        minutes: float | None,
        baseline: Params,
        folder: Path,
        name: str,
        *,
        sampler: SamplerName = "tpe",
        reduction: Annotated[int, Field(ge=2)] = 3,
        text_share: Annotated[float, Field(ge=0, le=1)] = 0.6,
        storage: str | None = None,
    ) -> None:
        self._space, self._trials, self._minutes, self._share = space, trials, minutes, text_share
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        place = Path("the study's database") if storage else folder / "study.journal"
        with reading(place, optuna.exceptions.OptunaError):
            self._study = optuna.create_study(
                study_name=name,
                storage=database(storage) if storage else JournalStorage(Journal(folder / "study.journal")),
                direction="maximize",
                load_if_exists=True,
                sampler=RandomSampler(),  # never asked
            )
        self._phases = Phases(space, baseline, lambda of: Draws(of, sampler, seed))
        self._ladders = Ladders(reduction)
        self._live: dict[int, _Live] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._seen: set[str] = set()
        self._orphans: list[int] = []
        self._opened = time.monotonic()
        with reading(place, optuna.exceptions.OptunaError):
            self._used = float(self._study.user_attrs.get(_SECONDS, 0.0))
            self._remember()

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial, unfinished ones first; None when there is nothing more to try."""
        if self._orphans:
            number = self._orphans.pop(0)
            return number, dict(self._live[number].stored.params)
        number = len(self._seen)
        if number >= self._trials or number >= self._space.size or self._is_late():
            return None
        if number == 0:
            params = self._phases.first()
        else:
            is_soft = number >= self._share * self._trials or self._is_late(self._share)
            params = self._phases.draw(number, self._seen, self._ended.values(), is_soft=is_soft)
        return None if params is None else self._begin(number, params)

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks to stop the trial. A rung reported before changes nothing."""
        live = self._live[number]
        kind, examples = kind_of(live.stored.params), measurement.fidelity.examples
        name = f"{RUNG}{examples}"
        if name not in live.stored.user_attrs:
            _report_once(live.stored, measurement.score, examples)
            _report_once(live.mirror, measurement.score, examples)
            live.stored.set_user_attr(name, json.dumps(to_attribute(measurement), sort_keys=True))
        self._ladders.add(number, kind, measurement)
        return number > 0 and not measurement.fidelity.is_full and self._ladders.stops(number, kind, examples)

    def tell(self, number: int, state: TrialState, *, error: str = "") -> TrialRecord:
        """End a trial. Raises `SystemicError` when the first trials all failed for one reason."""
        live = self._live.pop(number)
        if error:
            live.stored.set_user_attr(ERROR, error)
        self._study.set_user_attr(_SECONDS, round(self._seconds(), 3))
        value = None
        if state is TrialState.COMPLETE:
            value = measurements_of(self._study.get_trials(deepcopy=False)[live.stored.number])[-1].score
        told = None if state is TrialState.COMPLETE else _TOLD[state]
        live.mirror.study.tell(live.mirror, value, state=told)
        record = self._ended[number] = to_record(self._study.tell(live.stored, value, state=told))
        self._check_systemic()
        return record

    def records(self) -> Sequence[TrialRecord]:
        """Finished trials by number, without outcomes and weights."""
        return [self._ended[number] for number in sorted(self._ended)]

    def _remember(self) -> None:
        """Take over what the storage holds: points, rungs, records, and trials that a dead driver left running.

        A storage may hold others' trials of the same study; ours have a number.
        """
        for trial in (t for t in self._study.get_trials(deepcopy=False) if NUMBER in t.user_attrs):
            number = trial.user_attrs[NUMBER]
            self._seen.add(fingerprint(trial.params))
            mirror = self._phases.of(trial.params).mirror(trial)
            for measurement in measurements_of(trial):
                self._ladders.add(number, kind_of(trial.params), measurement)
            if trial.state in STATES:
                self._ended[number] = to_record(trial)
            elif trial.state is OptunaState.RUNNING:
                self._orphans.append(number)
                self._live[number] = _Live(optuna.Trial(self._study, trial._trial_id), mirror)

    def _begin(self, number: int, params: Params) -> tuple[int, Params]:
        distributions = {name: distribution_of(self._space.root[name]) for name in params}
        trial = create_trial(
            state=OptunaState.RUNNING, params=dict(params), distributions=distributions, user_attrs={NUMBER: number}
        )
        self._study.add_trial(trial)
        self._seen.add(fingerprint(params))
        self._live[number] = _Live(latest(self._study), self._phases.of(params).mirror(trial))
        return number, params

    def _seconds(self) -> float:
        return self._used + time.monotonic() - self._opened

    def _is_late(self, share: float = 1.0) -> bool:
        return self._minutes is not None and self._seconds() >= share * 60 * self._minutes

    def _check_systemic(self) -> None:
        records = self.records()
        if len(records) < _SAME_FAILURE or any(r.state is not TrialState.FAILED for r in records):
            return
        if len({_gist(r.error) for r in records}) == 1:
            raise SystemicError(f"the first {len(records)} trials all failed in the same way: {records[0].error}")


@dataclass(frozen=True, slots=True)
class _Live:
    """One running trial in the storage and in the sampler's memory."""

    stored: optuna.Trial
    mirror: optuna.Trial


def _report_once(trial: optuna.Trial, score: float, examples: int) -> None:
    """Tell Optuna a rung's score, unless a driver that died before it wrote the measurement had told it."""
    if examples not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(score, examples)


def _gist(error: str) -> str:
    """An error without the numbers in it and the machine it happened on, so that equal reasons look equal."""
    first = error.splitlines()[0] if error else ""
    return re.sub(r"\d+", "#", re.sub(r" \(on [^\s()]+\)$", "", first))
