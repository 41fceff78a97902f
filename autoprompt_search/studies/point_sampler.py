"""New points of a space: what a sampler proposes from the trials it knows, without those that were tried."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.statistics.additive import Estimate
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import AnyParam, Choice, Int, SearchSpace
from autoprompt_search.studies.grid import points
from autoprompt_search.studies.records import NUMBER, forget
from autoprompt_search.studies.samplers import SAMPLERS, STARTUP, SamplerName, resolved
from autoprompt_search.studies.scales import distribution_of

START = "soft.start"
"""Which of the given texts a soft prompt starts from: 1 is the best."""
CANDIDATES = 300
"""Random points from which `surrogate` chooses."""
_GUIDED, _PATIENCE = 6, 300
"""After so many known points in a row the sampler goes random; after so many the space counts as used up."""
_LISTED, _TRIES = 20_000, 30
"""Of a space of so many points at most, those that are left are listed once so many draws in a row were known."""
MOST, _BEST = 1000, 100
"""Trials that a sampler learns from: the best of all and the latest. What a draw takes grows with them, and with all of
them a long search would spend its time on drawing."""


class PointSampler:
    """The sampler and its memory: an Optuna study without storage, whose trials mirror those of the search.

    A draw is a function of the trials mirrored, the seed, the number of the trial and the attempt, so that a
    resumed study asks what an undisturbed one would have asked. Parameters under one condition are drawn
    together, and only where they are active. A draw leaves no trace until it is mirrored.
    """

    def __init__(
        self, space: SearchSpace, sampler: SamplerName, seed: int, texts: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._space, self._seed, self._texts = space, seed, texts or {}
        self._distributions = {name: distribution_of(param) for name, param in space.root.items()}
        self._kind = resolved(sampler, self._distributions)
        self._study = _memory()
        self._closed: Mapping[str, Sequence[Scalar]] = {}
        self._left: list[tuple[str, dict[str, Scalar]]] | None = None
        """Points that were not tried, with their marks, once few are left."""

    def close(self, closed: Mapping[str, Sequence[Scalar]], written: Mapping[str, Mapping[str, str]]) -> None:
        """Values of parameters that are not drawn from now on, all others are: the last ones in the space's order.

        What values that came later stand for is in `written`.
        """
        self._closed, self._left = closed, None
        self._texts = {**self._texts, **{name: {**self._texts.get(name, {}), **new} for name, new in written.items()}}
        for name, values in closed.items():
            param = self._space.root[name]
            if isinstance(param, Choice):
                self._distributions[name] = CategoricalDistribution([v for v in param.values if v not in values])

    @property
    def is_used_up(self) -> bool:
        """Whether every point was mirrored."""
        return len(self._study.get_trials(deepcopy=False)) > self._space.size

    def mirror(self, trial: FrozenTrial) -> optuna.Trial:
        """Take a trial in; what is returned is to be told how it does."""
        self._study.add_trial(trial)
        added = latest(self._study, trial)
        forget(self._study.get_trials(deepcopy=False)[-1])
        return added

    def draw(
        self,
        number: int,
        known: Container[str],
        given: Sequence[Params] = ({},),
        *,
        scores: Mapping[int, Estimate] | None = None,
    ) -> dict[str, Scalar] | None:
        """A point for trial `number`; None when none is left.

        Args:
            number: Of the trial.
            known: Fingerprints of the points that were tried.
            given: What is not drawn: the first of these points, or the one `soft.start` names.
            scores: Trial -> score to learn from, whatever its end was; None: learn from how trials ended.
        """
        if self._kind == "grid":
            return next(self._unknown(known, given), None)
        if self._kind == "surrogate":
            return self._most_promising(number, known, given, scores or {})
        study = self._recent() if scores is None else self._rescored(scores)
        is_listed = self._space.size <= _LISTED and len(given) == 1 and not given[0]
        for attempt in range(_TRIES if is_listed else _PATIENCE):
            sampler = self._sampler(attempt, derive_seed(self._seed, "sampler", number, attempt))
            point = self._completed(given, partial(self._sampled, study, sampler))
            if point is not None and fingerprint(point) not in known:
                return point
        return self._left_over(number, known) if is_listed else None

    def _left_over(self, number: int, known: Container[str]) -> dict[str, Scalar] | None:
        """Any point that was not tried: where few are left, chance would look for one long, or miss it."""
        if self._left is None:
            self._left = [(fingerprint(point), point) for point in self._unknown(known, ({},))]
        self._left = [(mark, point) for mark, point in self._left if mark not in known]
        return derive_rng(self._seed, "left over", number).choice(self._left)[1] if self._left else None

    def _sampled(self, study: optuna.Study, sampler: BaseSampler, given: Params) -> dict[str, Scalar]:
        """A point with the values of `given`; the sampler proposes the others."""
        values: dict[str, Any] = dict(given)

        def pick(name: str, param: AnyParam) -> Scalar:
            if name not in values:
                values.update(self._propose(name, study, sampler, values))
            value: Scalar = values[name]
            return int(value) if isinstance(param, Int) else value

        return self._space.point(pick)

    def _propose(self, name: str, study: optuna.Study, sampler: BaseSampler, but: Container[str]) -> dict[str, Any]:
        """Values of `name` and of what is active together with it, without parameters in `but`."""
        own = self._distributions[name]
        if own.single():
            return {name: own.choices[0] if isinstance(own, CategoricalDistribution) else own.low}  # type: ignore[attr-defined]
        when = self._space.root[name].when
        together = {
            other: distribution
            for other, distribution in self._distributions.items()
            if self._space.root[other].when == when and other not in but and not distribution.single()
        }
        asking = study.get_trials(deepcopy=False)[0]
        drawn = sampler.sample_relative(study, asking, together)
        if not drawn:
            return {name: sampler.sample_independent(study, asking, name, own)}
        return {
            other: drawn[other] if other in drawn else sampler.sample_independent(study, asking, other, distribution)
            for other, distribution in together.items()
        }

    @staticmethod
    def _completed(
        given: Sequence[Params], complete: Callable[[Params], dict[str, Scalar]]
    ) -> dict[str, Scalar] | None:
        """A point that `complete` makes of what is given; None where `soft.start` names a text that is not there."""
        point = complete(given[0])
        rank = int(point.get(START, 1))
        if rank > len(given):
            return None
        return point if rank == 1 else complete({**given[0], **point, **given[rank - 1]})

    def _most_promising(
        self, number: int, known: Container[str], given: Sequence[Params], scores: Mapping[int, Estimate]
    ) -> dict[str, Scalar] | None:
        """The point with the largest expected improvement among many random ones that were not tried."""
        rng = derive_rng(self._seed, "surrogate", number)
        drawn = (self._completed(given, partial(self._space.random_point, rng)) for _ in range(CANDIDATES))
        fresh = {
            fingerprint(point): point for point in drawn if point is not None and not self._is_closed(point, given[0])
        }
        candidates = [point for mark, point in fresh.items() if mark not in known]
        if not candidates:
            return next(self._unknown(known, given), None)
        trials = {
            int(t.user_attrs[NUMBER]): t
            for t in self._study.get_trials(deepcopy=False)[1:]
            if t.state is not OptunaState.FAIL
        }
        seen = [(t.params, scores[n]) for n, t in trials.items() if n in scores]
        if len(seen) < STARTUP:
            return candidates[0]
        from autoprompt_search.studies.surrogate import most_promising  # scikit-learn takes a second

        waiting = [t.params for n, t in trials.items() if n not in scores and not t.state.is_finished()]
        return candidates[most_promising(self._space, self._texts, seen, waiting, candidates)]

    def _sampler(self, attempt: int, seed: int) -> BaseSampler:
        """First the best of many proposals; where that is known, any proposal, which is cheaper and more varied."""
        return SAMPLERS["random" if attempt >= _GUIDED else self._kind](seed, attempt, self._distributions)

    def _unknown(self, known: Container[str], given: Sequence[Params]) -> Iterator[dict[str, Scalar]]:
        """Points of the grid that were not tried, in its order."""
        for point in points(self._space, given[0]):
            rank = int(point.get(START, 1))
            if rank <= len(given):
                whole = {**point, **given[rank - 1]}
                if fingerprint(whole) not in known and not self._is_closed(whole, given[0]):
                    yield whole

    def _is_closed(self, point: Params, given: Params) -> bool:
        """Whether it has a value that may not be drawn, and was not given."""
        return any(name not in given and point.get(name) in values for name, values in self._closed.items())

    def _recent(self) -> optuna.Study:
        """The memory as far as samplers look at it."""
        shown = training_trials(self._study.get_trials(deepcopy=False), _value)
        return optuna.Study(self._study.study_name, cast("BaseStorage", _LimitedStorage(self._study._storage, shown)))

    def _rescored(self, scores: Mapping[int, Estimate]) -> optuna.Study:
        """The memory with every trial that has a score as a complete one; failures stay failures."""
        study = _memory()

        def score_of(trial: FrozenTrial) -> float | None:
            estimate = scores.get(trial.user_attrs.get(NUMBER, -1))
            return estimate.score if estimate else None

        for trial in training_trials(self._study.get_trials(deepcopy=False), score_of)[1:]:
            score = score_of(trial)
            if score is None or trial.state is OptunaState.FAIL:
                study.add_trial(trial)
                continue
            new = create_trial(value=score, params=trial.params, distributions=trial.distributions)
            for name, excess in trial.constraints.items():
                new.set_constraint(name, excess)
            study.add_trial(new)
        return study


class _LimitedStorage:
    """A storage that shows some of its trials only. Optuna reads a storage by its methods alone."""

    def __init__(self, storage: BaseStorage, shown: Sequence[FrozenTrial]) -> None:
        self._storage, self._shown = storage, shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self,
        study_id: int,  # noqa: ARG002
        deepcopy: bool = False,  # noqa: ARG002
        states: Container[OptunaState] | None = None,
    ) -> list[FrozenTrial]:
        """See `BaseStorage.get_all_trials`; the trials themselves, whatever `deepcopy` says: samplers change none."""
        return [trial for trial in self._shown if states is None or trial.state in states]


def training_trials(trials: list[FrozenTrial], score: Callable[[FrozenTrial], float | None]) -> list[FrozenTrial]:
    """The first trial, which stands for the one that is being drawn; and of the others `MOST` at most, in their order:
    the best by `score`, and the latest.

    A Parzen estimator compares the best few with all others, and gives old ones little weight.
    """
    if len(trials) <= MOST + 1:
        return trials
    split = len(trials) - (MOST - _BEST)
    scored = ((-math.inf if (s := score(trials[n])) is None else s, -n) for n in range(1, split))
    best = sorted(-index for _, index in heapq.nlargest(_BEST, scored))
    return [trials[0], *(trials[n] for n in best), *trials[split:]]


def _value(trial: FrozenTrial) -> float | None:
    return trial.values[0] if trial.state is OptunaState.COMPLETE and trial.values else None


def _memory() -> optuna.Study:
    """A study whose first trial stands for the one that is being drawn; TPE leaves it out of what it learns from."""
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=OptunaState.RUNNING))
    return study


def latest(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """The trial that was added last, as one that can be reported and told.

    Optuna has copied all that `trial` says; what will not change is shared with it again, to save memory.
    """
    added = study.get_trials(deepcopy=False)[-1]
    added.params, added.distributions = trial.params, trial.distributions
    return optuna.Trial(study, added._trial_id)
