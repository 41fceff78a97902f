"""Optuna as the single owner of trials: what to try, when to stop one, when to end, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import optuna
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from pydantic import Field

from autoprompt_search.core.disk import reading
from autoprompt_search.core.errors import ConfigError, StateError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Measurement, Origin, TrialRecord, TrialState
from autoprompt_search.core.statistics.additive import Estimate, ScoreModel
from autoprompt_search.core.statistics.headroom import Headroom
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.allocation import Begin, GoOn
from autoprompt_search.studies.evidence import ITEMS, Evidence
from autoprompt_search.studies.failing import check_systemic
from autoprompt_search.studies.initial_design import initial_design
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.phases import Phases
from autoprompt_search.studies.point_sampler import PointSampler, latest
from autoprompt_search.studies.probe import Outlook, Probe
from autoprompt_search.studies.proposal_slots import ProposalSlots
from autoprompt_search.studies.pruner_names import PrunerName
from autoprompt_search.studies.pruning import ALLOCATORS, PrunerTerms, chosen, passes_per_trial, usual
from autoprompt_search.studies.records import (
    ERROR,
    NUMBER,
    ORIGIN,
    STATES,
    forget,
    measurements_of,
    origin_of,
    to_record,
)
from autoprompt_search.studies.running import RunningTrial, is_waiting
from autoprompt_search.studies.samplers import BLIND, OF_COMPLETE, SamplerName, resolved
from autoprompt_search.studies.scales import distribution_of
from autoprompt_search.studies.scheduler import TrialScheduler
from autoprompt_search.studies.spending import Spending
from autoprompt_search.studies.storage import stored_study
from autoprompt_search.studies.terms import SearchTerms

_SECONDS, _ANCHORS = "seconds_used", "anchors"
"""User attributes of the study."""


class OptunaStudy:
    """A persistent study. Opened again on the same folder it goes on where a dead driver left it.

    Points are drawn in memory (see `PointSampler`) and enter the storage complete, in one write. Early-stopped trials
    are told as PRUNED with their intermediate values, failures as FAIL; a point is never run twice. A trial that a
    pruner has paused stays RUNNING there until it is taken up again or the search ends.

    Args:
        terms: The search. A trial with a text that was added during it is asked for, and recorded, with that text
            beside the parameter (`instruction.text`).
        sampler: What to try: `tpe`, `gp`, `cma`, `nsga2`, `surrogate`, `random`, `grid`, or `auto` for what fits the
            space (`studies/samplers.py`).
        pruner: When a trial ends early: `halving`, `racing`, `wilcoxon`, `knowledge-gradient` or `none`; what each
            promises stands at its class. With `knowledge-gradient` no trial ends early: trials are paused and taken up
            again. None: `knowledge-gradient` where passes are the budget, `halving` elsewhere.
        reduction: Of successive halving: one in so many goes on to the next rung.
        error: Of `racing` and `wilcoxon`: how often a test may be wrong.
        scores: What the sampler learns from. `told`: complete trials by score, stopped ones behind them by how far
            they got. `modelled`: all by the score they are expected to have on all of dev (`ScoreModel`).
            None: `modelled` with `knowledge-gradient`, where most trials are paused, and with `gp`, `cma`, `nsga2` and
            `surrogate`, which would learn from complete trials alone; `told` otherwise. `surrogate` takes no other.
        text_share: Of the budget, in trials, passes and minutes: so much goes to texts before soft prompts start from
            the best of them; where the space leaves open whether there is a soft prompt.
        storage: Any Optuna RDB URL instead of the journal file, e.g. a PostgreSQL database. One that goes away is
            waited for, see `studies.storage`.
    """

    def __init__(
        self,
        terms: SearchTerms,
        *,
        sampler: SamplerName = "tpe",
        pruner: PrunerName | None = None,
        reduction: Annotated[int, Field(ge=2)] = 3,
        error: Annotated[float, Field(gt=0, lt=1)] = 0.05,
        scores: Literal["told", "modelled"] | None = None,
        text_share: Annotated[float, Field(ge=0, le=1)] = 0.6,
        storage: str | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else Optuna writes a line into the user's terminal
        self._terms, self._objective = terms, terms.objective
        self._slots = ProposalSlots(terms.growing, terms.seed)
        space = self._slots.with_slots(terms.space)
        self._distributions = {name: distribution_of(param) for name, param in space.root.items()}
        self._live: dict[int, RunningTrial] = {}
        self._paused: dict[int, RunningTrial] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._seen: set[str] = set()
        """Fingerprints of all points that were asked for."""
        self._orphans: list[int] = []
        """Trials that a dead driver left running, to be asked for again."""
        self._is_used_up = False
        """Whether no point of the space is left."""
        self._phases = Phases(
            space,
            terms.baseline,
            partial(_sampler_of, terms, sampler),
            terms.budget.trials,
        )
        rules = PrunerTerms(
            terms.budget, terms.rungs, reduction, error, terms.metric, text_share if self._phases.are_two else 1.0
        )
        pruner = pruner or usual(rules)
        kind = resolved(sampler, self._distributions)
        is_usual = pruner in ALLOCATORS or (kind in OF_COMPLETE and bool(terms.rungs))
        is_modelled = scores == "modelled" or (scores is None and is_usual)
        if sampler == "surrogate" and not (is_modelled and terms.rungs):
            raise ConfigError("study.sampler: surrogate needs the rungs of the search, and scores: modelled")
        where = Path("the study's database") if storage else terms.folder / "study.journal"
        with reading(where, optuna.exceptions.OptunaError):
            self._study = stored_study(terms.name, where, storage)
            self._scheduler = self._scheduled(pruner, rules, space.size, is_modelled and sampler not in BLIND)
            self._remember()
        self._close_slots()

    def _scheduled(self, pruner: PrunerName, rules: PrunerTerms, size: float, is_modelled: bool) -> TrialScheduler:
        """The scheduler of this search, before anything was measured."""
        terms, budget = self._terms, self._terms.budget
        measured = MeasuredTrials(terms.objective)
        spending = Spending(budget, used=float(self._study.user_attrs.get(_SECONDS, 0.0)))
        model = ScoreModel(terms.rungs)
        stopping, allocator = chosen(pruner, rules, measured, model, spending)
        most = min(budget.trials, size)
        outlook = Outlook(
            texts=round(most * rules.text_share),
            per_trial=passes_per_trial(pruner, terms.rungs, rules.reduction),
            passes=spending.most_passes,
            has_soft=self._phases.are_two,
            least_gain=terms.probe.least_gain,
        )
        probe = self._opened_probe(outlook, measured)
        return TrialScheduler(
            stopping,
            allocator,
            probe,
            spending,
            measured,
            model,
            terms.metric,
            is_modelled=is_modelled,
            most=most,
            text_share=rules.text_share,
        )

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial, unfinished ones first; None when there is nothing more to try."""
        self._end_beaten_anchors()
        if self._orphans:
            number = self._orphans.pop(0)
            self._scheduler.promise(number, self._live[number].kind)
            return number, self._slots.with_texts(self._live[number].params)
        step = self._scheduler.next_step(self._paused, self._begun)
        if isinstance(step, GoOn):
            live = self._live[step.number] = self._paused.pop(step.number)
            self._scheduler.promise(step.number, live.kind)
            return step.number, self._slots.with_texts(live.params)
        asked = self._new(step) if isinstance(step, Begin) else None
        if asked is None and not self._live:
            self._close()
        return asked

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks to stop the trial. A rung reported before changes nothing."""
        live, examples = self._live[number], measurement.fidelity.examples
        if self._scheduler.measured.at(number, examples) is None:
            evidence = self._scheduler.evidence(number, measurement)
            live.record(measurement, evidence, self._objective.weighed(measurement).score)
            # The next driver reads it rounded, as it is stored: both are to decide alike.
            as_stored = Evidence.from_text(evidence.to_text()) if evidence else None
            self._scheduler.learn(number, live.kind, measurement, as_stored)
        stops = self._scheduler.stops(number, measurement, self._paused, self._begun)
        if not stops and not measurement.fidelity.is_full:
            self._scheduler.promise(number, live.kind)
        return stops

    def tell(self, number: int, state: TrialState, *, error: str = "") -> TrialRecord | None:
        """End a trial, or pause it. Raises `SystemicError` when the first trials all failed for one reason."""
        live = self._live.pop(number)
        self._scheduler.spending.settle(number)
        self._study.set_user_attr(_SECONDS, round(self._scheduler.spending.seconds, 3))
        if state is TrialState.PRUNED and self._scheduler.may_wait(number):
            live.pause(self._scheduler.model.reached(number))
            self._paused[number] = live
            return None
        if state is TrialState.FAILED:
            self._scheduler.drop(number)
        if error:
            live.stored.set_user_attr(ERROR, error)
        record = self._end(number, live, state)
        check_systemic(self._ended)
        return self._with_texts(record)

    def leader(self) -> int | None:
        """The trial that is expected to do best on all of dev, whatever it has seen; None where nobody looks ahead."""
        return self._scheduler.leader()

    def headroom(self) -> Headroom | None:
        """What there is to gain, once the probe is over; None where there is none."""
        return self._scheduler.probe.headroom()

    @property
    def is_futile(self) -> bool:
        """Whether the probe ended the search."""
        return self._scheduler.probe.is_futile

    def records(self) -> Sequence[TrialRecord]:
        """Finished trials by number, without outcomes and weights."""
        return [self._with_texts(self._ended[number]) for number in sorted(self._ended)]

    def _remember(self) -> None:
        """Take over what the storage holds: points, rungs, records, and trials that a dead driver left running.

        A storage may hold others' trials of the same study; ours have a number.
        """
        met: set[int] = set()
        for trial in (t for t in self._study.get_trials(deepcopy=False) if NUMBER in t.user_attrs):
            number = trial.user_attrs[NUMBER]
            if number in met:
                raise StateError(f"the study holds trial {number} twice: bring back a copy of it, or use --fresh")
            met.add(number)
            self._seen.add(fingerprint(trial.params))
            trial.distributions = {name: self._distributions[name] for name in trial.params}
            if (origin := origin_of(trial)) is not None:
                self._slots.learn(origin)
            mirror = self._phases.of(trial.params).mirror(trial)
            text = trial.user_attrs.get(ITEMS) if self._scheduler.keeps_evidence else None
            kept = Evidence.from_text(text) if text else None
            for measurement in measurements_of(trial):
                evidence = kept.first(measurement.fidelity.examples) if kept else None
                self._scheduler.learn(number, kind_of(trial.params), measurement, evidence)
            if trial.state in STATES:
                self._ended[number] = to_record(trial)
                forget(trial)
                if trial.state is OptunaState.FAIL:
                    self._scheduler.drop(number)
            elif trial.state is OptunaState.RUNNING:
                waits = is_waiting(trial)
                self._orphans += [] if waits else [number]
                home = self._paused if waits else self._live
                home[number] = RunningTrial(optuna.Trial(self._study, trial._trial_id), mirror)

    @property
    def _begun(self) -> int | None:
        """Trials so far; None where no point of the space is left for another."""
        return None if self._is_used_up else len(self._seen)

    def _new(self, step: Begin) -> tuple[int, Params] | None:
        number = len(self._seen)
        given = next((dict(point) for point in self._terms.first_points if fingerprint(point) not in self._seen), None)
        if number == 0:
            params = self._phases.first()
        elif self._scheduler.probe.covers(number):
            params = dict(self._scheduler.probe.points[number - 1])
        elif given is not None:
            params = given
        else:
            phase, scores = self._scheduler.phase(number, step), self._scheduler.estimates()
            left = self._scheduler.spending.passes_left
            may_grow = self._phases.may_grow(number, phase)
            if may_grow and (grown := self._grown(number, scores)) is not None:
                return grown
            usable = [record for record in self._ended.values() if self._objective.allows(record)]
            params = self._phases.draw(number, self._seen, usable, phase=phase, left=left, scores=scores)
            if params is None and may_grow and (grown := self._grown(number, scores, must=True)) is not None:
                return grown
        self._is_used_up = params is None
        return None if params is None else self._begin(number, params)

    def _grown(
        self, number: int, scores: Mapping[int, Estimate] | None, *, must: bool = False
    ) -> tuple[int, Params] | None:
        """A trial with a text that nobody has tried, where it is time for one."""

        def records() -> list[TrialRecord]:
            waiting = [to_record(live.frozen) for live in self._paused.values()]
            return self._phases.grown_from([*self._ended.values(), *waiting])

        expected = {n: estimate.score for n, estimate in scores.items()} if scores is not None else None
        proposed = self._slots.propose(number, records, expected, must=must)
        params = proposed and self._phases.completed(number, proposed[0])
        return self._begin(number, params, proposed[1]) if proposed and params else None

    def _with_texts(self, record: TrialRecord) -> TrialRecord:
        return replace(record, params=self._slots.with_texts(record.params))

    def _opened_probe(self, outlook: Outlook, measured: MeasuredTrials) -> Probe:
        """The probe as it was when the search began, whatever the budget is now; new texts are no part of it."""
        terms = self._terms
        if terms.probe.points and not self._study.get_trials(deepcopy=False):
            self._study.set_user_attr(_ANCHORS, terms.probe.points)
        count = int(self._study.user_attrs.get(_ANCHORS, 0))
        points = initial_design(terms.space, terms.baseline, count) if count else []
        return Probe(points, terms.rungs[0] if points else 0, outlook, measured)

    def _end_beaten_anchors(self) -> None:
        """When the probe is over the pruner decides about the trials that waited for it."""
        for number in sorted(self._paused):
            if self._scheduler.ends_after_probe(number, self._terms.rungs[0]):
                self._end(number, self._paused.pop(number), TrialState.PRUNED)

    def _close(self) -> None:
        """The search is over: trials that wait end where they are."""
        for number in sorted(self._paused):
            self._end(number, self._paused.pop(number), TrialState.PRUNED)

    def _end(self, number: int, live: RunningTrial, state: TrialState) -> TrialRecord:
        told = live.end(state, self._scheduler.measured.last(number), self._objective)
        record = self._ended[number] = to_record(told)
        forget(live.frozen)
        return record

    def _begin(self, number: int, params: Params, origin: Origin | None = None) -> tuple[int, Params]:
        distributions = {name: self._distributions[name] for name in params}
        attributes = {NUMBER: number, **({ORIGIN: asdict(origin)} if origin else {})}
        trial = create_trial(
            state=OptunaState.RUNNING, params=dict(params), distributions=distributions, user_attrs=attributes
        )
        self._study.add_trial(trial)
        self._seen.add(fingerprint(params))
        self._live[number] = RunningTrial(latest(self._study, trial), self._phases.of(params).mirror(trial))
        self._scheduler.promise(number, self._live[number].kind)
        if origin is not None:
            self._slots.learn(origin)
            self._close_slots()
        return number, self._slots.with_texts(params)

    def _close_slots(self) -> None:
        """Keep samplers from drawing slots that have no text."""
        self._phases.close(self._slots.empty_slots(), self._slots.written())


def _sampler_of(terms: SearchTerms, name: SamplerName, space: SearchSpace) -> PointSampler:
    return PointSampler(space, name, terms.seed, terms.texts)
