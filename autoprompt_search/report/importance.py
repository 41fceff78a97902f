"""Which parameters moved the score: functional ANOVA (Hutter et al. 2014) over the trials that were run."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.types import Scalar
from autoprompt_search.prompting import LIKE, TEXT
from autoprompt_search.report.rows import kinds

FEWEST_TRIALS = 10
"""Below that a forest of random trees says nothing."""

FEWEST_SCORES = 3
MOST_TIES = 0.5
"""Where more than this share of the trials have one score, chance decides which parameter seems to matter."""

TREES = 64
"""Trees of the forest: Optuna's default, half a second for each group of trials."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the score's variance within one group of trials."""

    group: str
    trials: int
    shares: tuple[tuple[str, float], ...]
    """Parameter and share, largest first; they sum to one."""


def importances(records: Sequence[TrialRecord], config: Mapping[str, Any]) -> list[Importance]:
    """Over all trials the parameters that every trial has, then within each kind what all of that kind have.

    Naming a conditional parameter would silently restrict the analysis to the trials that have it:
    hence the groups. The value of a trial is its score at the last rung it reached.
    """
    measured = [r for r in records if r.last is not None]
    present = kinds(measured)
    groups = {"all trials": measured}
    if len(present) > 1:
        groups |= {f"{kind} trials": [r for r in measured if r.kind == kind] for kind in present}
    shares = [_importance(group, trials, config) for group, trials in groups.items()]
    return [one for one in shares if one is not None]


def is_tied(records: Sequence[TrialRecord]) -> bool:
    """Whether most trials have one and the same score, of which nothing can be learned."""
    scores = Counter(round(r.last.score, 6) for r in records if r.last)
    return not scores or len(scores) < FEWEST_SCORES or scores.most_common(1)[0][1] > MOST_TIES * scores.total()


def _importance(group: str, records: Sequence[TrialRecord], config: Mapping[str, Any]) -> Importance | None:
    if len(records) < FEWEST_TRIALS or is_tied(records):
        return None
    common = {n for n in set.intersection(*({*r.params} for r in records)) if not n.endswith((TEXT, LIKE))}
    values = {name: [r.params[name] for r in records] for name in sorted(common)}
    distributions = {name: _distribution(name, vs, config) for name, vs in values.items() if len(set(vs)) > 1}
    if len(distributions) < 2:
        return None
    with _quiet():
        study = optuna.create_study(direction="maximize")
        study.add_trials([_frozen(r, distributions) for r in records])
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
        shares = get_param_importances(study, evaluator=evaluator, params=list(distributions))
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return Importance(group, len(records), tuple((name, float(share)) for name, share in ordered))


def _frozen(record: TrialRecord, distributions: Mapping[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        params={name: record.params[name] for name in distributions},
        distributions=dict(distributions),
        value=record.last.score if record.last else None,
    )


def _distribution(name: str, values: Sequence[Scalar], config: Mapping[str, Any]) -> BaseDistribution:
    """The distribution of the space file, widened to the values that occurred: the baseline may lie outside."""
    space = config.get("space")
    declared = space.get(name) if isinstance(space, Mapping) else None
    form: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    if any(isinstance(v, (str, bool)) for v in values) or form.get("kind") == "choice":
        listed: Sequence[Scalar] = form.get("values", ())
        return CategoricalDistribution(list(dict.fromkeys((*listed, *values))))
    numbers = [v for v in values if isinstance(v, (int, float))]
    bounds = [v for v in (form.get("low"), form.get("high")) if isinstance(v, (int, float))]
    low, high = min((*numbers, *bounds)), max((*numbers, *bounds))
    log = bool(form.get("log")) and low > 0
    if all(isinstance(v, int) for v in (low, high, *numbers)):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


@contextmanager
def _quiet() -> Iterator[None]:
    """No line per study in the user's terminal."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
