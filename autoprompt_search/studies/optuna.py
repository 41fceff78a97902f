"""Optuna as the single owner of trials: what to try, when to stop one, when to end, and what was found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from pydantic import Field

from autoprompt_search.core.disk import reading
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.objective import Objective
from autoprompt_search.core.types import Measurement, Params, TrialRecord, TrialState, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.additive import Board
from autoprompt_search.studies.draws import Draws, distribution_of, latest
from autoprompt_search.studies.failing import check_systemic
from autoprompt_search.studies.gradient import Begin, GoOn, Gradient
from autoprompt_search.studies.items import ITEMS, Items, from_text, items_of, rounded
from autoprompt_search.studies.journal import Journal
from autoprompt_search.studies.live import Live, is_waiting
from autoprompt_search.studies.phases import Phases
from autoprompt_search.studies.pruning import PRUNERS, PrunerName, Terms
from autoprompt_search.studies.records import ERROR, NUMBER, STATES, measurements_of, to_record
from autoprompt_search.studies.samplers import BLIND, SamplerName
from autoprompt_search.studies.spending import Spending
from autoprompt_search.studies.storage import database

_SECONDS = "seconds_used"


class OptunaStudy:
    """A persistent study. Opened again on the same folder it goes on where a dead driver left it.

    Points are drawn in memory (see `Draws`) and enter the storage complete, in one write. Early-stopped trials
    are told as PRUNED with their intermediate values, failures as FAIL; a point is never run twice. A trial that a
    pruner has paused stays RUNNING there until it is taken up again or the search ends.

    Args:
        space: What may vary.
        seed: Of the sampler.
        trials: Budget: trials of any end, duplicates not counted.
        minutes: Budget: wall time of all runs on this folder together; None for no limit.
        baseline: Parameters of trial 0, which is never stopped early.
        folder: Where the journal lives.
        name: Of the study within its storage.
        rungs: Dev examples per rung, for pruners that look ahead.
        passes: Budget: forward passes of all trials but the baseline. Once they are spent no trial begins, and those
            that run are finished; `gradient` keeps within them.
        objective: What prompts cost, and may cost at most. Pruners and the sampler see `score - weight * cost`; a trial
            that breaks a limit ends there, is no one's rival, and Optuna is told by how much (`trial.constraints`).
        sampler: What to try: `tpe`, `gp`, `random`, `grid`, or `auto` for what fits the space (`studies/samplers.py`).
        pruner: When a trial ends early: `halving`, `racing`, `wilcoxon`, `gradient` or `none`; what each promises
            stands at its class. With `gradient` trials are paused and taken up again.
        reduction: Of successive halving: one in so many goes on to the next rung.
        error: Of `racing` and `wilcoxon`: how often a test may be wrong.
        scores: What the sampler learns from. `told`: complete trials by score, stopped ones behind them by how far
            they got. `modelled`: all by the score they are expected to have on all of dev (`studies/additive.py`).
            None: `modelled` with `gradient`, where most trials are paused, `told` otherwise.
        text_share: Of the budget, in trials, passes and minutes: so much goes to texts before soft prompts start from
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
        rungs: Sequence[int] = (),
        passes: int | None = None,
        objective: Objective | None = None,
        sampler: SamplerName = "tpe",
        pruner: PrunerName = "halving",
        reduction: Annotated[int, Field(ge=2)] = 3,
        error: Annotated[float, Field(gt=0, lt=1)] = 0.05,
        scores: Literal["told", "modelled"] | None = None,
        text_share: Annotated[float, Field(ge=0, le=1)] = 0.6,
        storage: str | None = None,
    ) -> None:
        self._space, self._share, self._spending = space, text_share, Spending(trials, passes, minutes)
        self._most, self._objective = min(trials, space.size), objective or Objective()
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
        self._phases = Phases(space, baseline, lambda of: Draws(of, sampler, seed), trials)
        self._pruner = PRUNERS[pruner](Terms(trials, tuple(rungs), passes, reduction, error))
        self._allocation = self._pruner if isinstance(self._pruner, Gradient) else None
        is_modelled = scores == "modelled" or (scores is None and self._allocation is not None)
        self._board = Board(rungs) if is_modelled and sampler not in BLIND else None
        self._live: dict[int, Live] = {}
        self._paused: dict[int, Live] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._seen: set[str] = set()
        self._orphans: list[int] = []
        self._is_used_up = False
        """Whether no point of the space is left."""
        with reading(place, optuna.exceptions.OptunaError):
            self._spending.used = float(self._study.user_attrs.get(_SECONDS, 0.0))
            self._remember()

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial, unfinished ones first; None when there is nothing more to try."""
        if self._orphans:
            number = self._orphans.pop(0)
            return number, self._live[number].params
        step = self._next_step(self._paused)
        if isinstance(step, GoOn):
            live = self._live[step.number] = self._paused.pop(step.number)
            return step.number, live.params
        asked = self._new() if isinstance(step, Begin) else None
        if asked is None and not self._live:
            self._close()
        return asked

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks to stop the trial. A rung reported before changes nothing."""
        live, examples = self._live[number], measurement.fidelity.examples
        if not live.knows(examples):
            items = items_of(measurement) if self._pruner.needs_items else None
            live.record(measurement, items, self._objective.weighed(measurement).score)
            self._learn(number, live.kind, measurement, rounded(items) if items else None)
        if number == 0 or measurement.fidelity.is_full:
            return False
        if self._objective.broken(measurement):
            return True
        if self._allocation is None:
            return self._pruner.stops(number, live.kind, examples)
        is_repeated = examples < self._allocation.reached(number)
        return not is_repeated and self._next_step([*self._paused, number]) != GoOn(number)

    def tell(self, number: int, state: TrialState, *, error: str = "") -> TrialRecord | None:
        """End a trial, or pause it. Raises `SystemicError` when the first trials all failed for one reason."""
        live = self._live.pop(number)
        self._study.set_user_attr(_SECONDS, round(self._spending.seconds, 3))
        if self._allocation and state is TrialState.PRUNED and not self._objective.broken(live.last):
            live.pause(self._allocation.reached(number))
            self._paused[number] = live
            return None
        if self._allocation and state is TrialState.FAILED:
            self._allocation.drop(number)
        if error:
            live.stored.set_user_attr(ERROR, error)
        record = self._ended[number] = to_record(live.end(state, self._objective))
        check_systemic(self.records())
        return record

    def leader(self) -> int | None:
        """The trial that is expected to do best on all of dev, whatever it has seen; None where nobody looks ahead."""
        return self._allocation.leader() if self._allocation else None

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
            items = from_text(trial.user_attrs[ITEMS]) if ITEMS in trial.user_attrs else None
            for made in measurements_of(trial):
                self._learn(number, kind_of(trial.params), made, items.first(made.fidelity.examples) if items else None)
            if trial.state in STATES:
                self._ended[number] = to_record(trial)
                if self._allocation and trial.state is OptunaState.FAIL:
                    self._allocation.drop(number)
            elif trial.state is OptunaState.RUNNING:
                waits = self._allocation is not None and is_waiting(trial)
                self._orphans += [] if waits else [number]
                home = self._paused if waits else self._live
                home[number] = Live(optuna.Trial(self._study, trial._trial_id), mirror)

    def _learn(self, number: int, kind: str, measurement: Measurement, items: Items | None) -> None:
        self._spending.book(number, measurement)
        weighed, is_out = self._objective.weighed(measurement), bool(self._objective.broken(measurement))
        if self._allocation or not is_out:
            self._pruner.add(number, kind, weighed, items)
        if self._allocation and is_out:
            self._allocation.drop(number)
        if self._board is not None:
            self._board.add(number, kind, weighed)

    def _next_step(self, waiting: Collection[int]) -> Begin | GoOn | None:
        """A new trial, or a waiting one, or neither."""
        number = len(self._seen)
        is_late = self._spending.is_late()
        may_begin = number < self._most and not self._is_used_up and not is_late
        if self._allocation is None or number == 0:
            return Begin() if may_begin and not self._spending.is_paid_out else None
        return self._allocation.choose(waiting, may_begin=may_begin, is_over=is_late)

    def _new(self) -> tuple[int, Params] | None:
        number = len(self._seen)
        if number == 0:
            params = self._phases.first()
        else:
            is_soft = self._spending.is_beyond(self._share, number) or (
                self._allocation is not None and self._allocation.looked >= self._share
            )
            scores = self._board.expected() if self._board else None
            left = self._spending.passes_left
            usable = [record for record in self._ended.values() if self._objective.allows(record)]
            params = self._phases.draw(number, self._seen, usable, is_soft=is_soft, left=left, scores=scores)
        self._is_used_up = params is None
        return None if params is None else self._begin(number, params)

    def _close(self) -> None:
        """The search is over: trials that wait end where they are."""
        for number in sorted(self._paused):
            self._ended[number] = to_record(self._paused.pop(number).end(TrialState.PRUNED, self._objective))

    def _begin(self, number: int, params: Params) -> tuple[int, Params]:
        distributions = {name: distribution_of(self._space.root[name]) for name in params}
        trial = create_trial(
            state=OptunaState.RUNNING, params=dict(params), distributions=distributions, user_attrs={NUMBER: number}
        )
        self._study.add_trial(trial)
        self._seen.add(fingerprint(params))
        self._live[number] = Live(latest(self._study), self._phases.of(params).mirror(trial))
        return number, params
