"""Optuna as the single owner of trials: what to try, when to stop one, when to end, and what was found."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState
from pydantic import Field

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Measurement, Params, Scalar, TrialRecord, TrialState, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.halving import Ladders
from autoprompt_search.studies.records import ERROR, NUMBER, RUNG, measurements_of, to_attribute, to_record

_TOLD = {TrialState.PRUNED: OptunaState.PRUNED, TrialState.FAILED: OptunaState.FAIL}
_SAME_FAILURE = 3
"""So many first trials failing for one reason end the search."""
_GUIDED, _PATIENCE = 8, 300
"""After so many duplicates in a row the sampler goes random; after so many the space counts as used up."""
_SECONDS = "seconds_used"


class OptunaStudy:
    """A persistent study. Opened again on the same folder it goes on where a dead driver left it.

    Points are drawn in a study in memory, where a duplicate costs no disk, and enter the storage complete,
    in one write. The sampler is made anew for every draw, seeded by (seed, trials so far, attempt), so that a
    resumed study asks what an undisturbed one would have asked. Early-stopped trials are told as PRUNED with
    their intermediate values, failures as FAIL; a point is never run twice.

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
        storage: Any Optuna RDB URL instead of the journal file, e.g. a PostgreSQL database.
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
        sampler: Literal["tpe", "random"] = "tpe",
        reduction: Annotated[int, Field(ge=2)] = 3,
        storage: str | None = None,
    ) -> None:
        self._space, self._seed, self._trials, self._minutes = space, seed, trials, minutes
        self._baseline, self._sampler = baseline, sampler
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            study_name=name,
            storage=storage or _journal(folder / "study.journal"),
            direction="maximize",
            load_if_exists=True,
            sampler=RandomSampler(),  # never asked: points are drawn by the study in memory
        )
        self._draws = optuna.create_study(direction="maximize")
        self._ladders = Ladders(reduction)
        self._live: dict[int, _Live] = {}
        self._seen: set[str] = set()
        self._orphans: list[int] = []
        self._used = float(self._study.user_attrs.get(_SECONDS, 0.0))
        self._opened = time.monotonic()
        self._remember()

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial, unfinished ones first; None when there is nothing more to try."""
        if self._orphans:
            number = self._orphans.pop(0)
            return number, dict(self._live[number].stored.params)
        if len(self._seen) >= self._trials or len(self._seen) >= self._space.size or self._is_late():
            return None
        for attempt in range(_PATIENCE):
            drawn = self._draw(attempt)
            params = self._space.suggest(drawn)
            if fingerprint(params) not in self._seen:
                return self._begin(drawn, params)
            self._draws.tell(drawn, state=OptunaState.FAIL)
        return None

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks to stop the trial. A rung reported before changes nothing."""
        live = self._live[number]
        kind, examples = kind_of(live.stored.params), measurement.fidelity.examples
        name = f"{RUNG}{examples}"
        if name not in live.stored.user_attrs:
            _report_once(live.stored, measurement.score, examples)
            _report_once(live.drawn, measurement.score, examples)
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
        self._draws.tell(live.drawn, value, state=told)
        record = to_record(self._study.tell(live.stored, value, state=told))
        self._check_systemic()
        return record

    def records(self) -> Sequence[TrialRecord]:
        """Finished trials by number, without outcomes and weights."""
        done = [t for t in self._all() if t.state in (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.FAIL)]
        return sorted((to_record(t) for t in done), key=lambda r: r.number)

    def _all(self) -> list[FrozenTrial]:
        """This product's trials; a storage may hold others' of the same study."""
        return [t for t in self._study.get_trials(deepcopy=False) if NUMBER in t.user_attrs]

    def _remember(self) -> None:
        """Take over what the storage holds: known points, rungs, and trials that a dead driver left running."""
        for trial in self._all():
            number = trial.user_attrs[NUMBER]
            self._seen.add(fingerprint(trial.params))
            self._draws.add_trial(trial)
            for measurement in measurements_of(trial):
                self._ladders.add(number, kind_of(trial.params), measurement)
            if trial.state is OptunaState.RUNNING:
                self._orphans.append(number)
                self._live[number] = _Live(optuna.Trial(self._study, trial._trial_id), _latest(self._draws))

    def _draw(self, attempt: int) -> optuna.Trial:
        if not self._seen:
            self._draws.enqueue_trial(dict(self._baseline))
        seed = derive_seed(self._seed, "sampler", len(self._seen), attempt)
        self._draws.sampler = _sampler("random" if attempt >= _GUIDED else self._sampler, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return self._draws.ask()

    def _begin(self, drawn: optuna.Trial, params: dict[str, Scalar]) -> tuple[int, Params]:
        number = len(self._seen)
        self._study.add_trial(
            create_trial(
                state=OptunaState.RUNNING,
                params=params,
                distributions=drawn.distributions,
                user_attrs={NUMBER: number},
            )
        )
        self._seen.add(fingerprint(params))
        self._live[number] = _Live(_latest(self._study), drawn)
        return number, params

    def _seconds(self) -> float:
        return self._used + time.monotonic() - self._opened

    def _is_late(self) -> bool:
        return self._minutes is not None and self._seconds() >= 60 * self._minutes

    def _check_systemic(self) -> None:
        records = self.records()
        if len(records) < _SAME_FAILURE or any(r.state is not TrialState.FAILED for r in records):
            return
        if len({_gist(r.error) for r in records}) == 1:
            raise SystemicError(f"the first {len(records)} trials all failed in the same way: {records[0].error}")


@dataclass(frozen=True, slots=True)
class _Live:
    """One running trial in the storage and in the study that draws."""

    stored: optuna.Trial
    drawn: optuna.Trial


def _latest(study: optuna.Study) -> optuna.Trial:
    """The trial that was added last, as one that can be reported and told."""
    return optuna.Trial(study, study.get_trials(deepcopy=False)[-1]._trial_id)


def _report_once(trial: optuna.Trial, score: float, examples: int) -> None:
    """Tell Optuna a rung's score, unless a driver that died before it wrote the measurement had told it."""
    if examples not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(score, examples)


def _sampler(name: str, seed: int) -> BaseSampler:
    if name == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=8)


def _gist(error: str) -> str:
    """An error without the numbers in it, so that equal reasons look equal."""
    return re.sub(r"\d+", "#", error.splitlines()[0] if error else "")


def _journal(path: Path) -> BaseStorage:
    """The journal file, mended after a kill.

    A torn last line is cut: Optuna would glue the next entry to it and lose the study. A lock that the dead
    driver held is removed: Optuna would wait 30 s for it. The workspace sees to it that nobody else is writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)
    return JournalStorage(JournalFileBackend(str(path)))
