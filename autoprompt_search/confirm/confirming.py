"""The sealed test split, opened once: which prompt is the best, and is it really better than the baseline?

The best prompt is chosen on dev alone. The test split then judges that choice; it never makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_search.confirm.ablation import TextAblation
from autoprompt_search.confirm.choice import Choice, rank, shortlist
from autoprompt_search.confirm.comparison import ScoreComparison, Verdict, judge
from autoprompt_search.confirm.crossfit import CrossFit, cross_fitted
from autoprompt_search.confirm.evaluator import Candidate, FinalistEvaluator
from autoprompt_search.confirm.pareto import FrontPoint, pareto
from autoprompt_search.confirm.parts import PartGain, part_gains
from autoprompt_search.confirm.seal import Opened, Seal
from autoprompt_search.confirm.selection import SelectionRule
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.objective import Limit, Objective, cost_of
from autoprompt_search.core.statistics.scores import Difference, Interval
from autoprompt_search.core.statistics.shrinkage import Lead, corrected
from autoprompt_search.core.types import Params
from autoprompt_search.ledger import Ledger
from autoprompt_search.metrics import metric_named
from autoprompt_search.runners import Runner
from autoprompt_search.trial import TrialJob


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trial that reached the last rung, with what the test split says of it."""

    record: TrialRecord
    dev: Measurement
    """On all of dev, with outcomes."""
    test: Measurement
    test_interval: Interval
    is_tied: bool
    """At most one standard error (paired, on dev) below the best dev score of a prompt that may be chosen."""
    is_chosen: bool
    gain: Difference | None
    """What a soft prompt that might have been chosen adds to its own text on dev; None for other prompts."""
    further: Mapping[str, Interval] = field(default_factory=dict)
    """The further metrics of the task on the test split."""


@dataclass(frozen=True, slots=True)
class TextOnly:
    """The text of the chosen soft prompt, by itself."""

    number: int | None
    """The trial that tried it; None where none did."""
    params: Params
    dev: Measurement
    """On all of dev, with outcomes."""
    test: Measurement
    test_interval: Interval
    dev_gain: Difference
    """Soft prompt minus text."""
    test_gain: Difference


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The end of a search."""

    verdict: Verdict
    baseline: Finalist
    best: Finalist
    difference: Difference
    """Best minus baseline on test."""
    finalists: tuple[Finalist, ...]
    """The best by dev score, and the chosen one; the baseline is among them only if it earned it."""
    text_only: TextOnly | None
    """Where the best prompt has a soft prompt."""
    leader: TrialRecord
    """The trial with the highest dev score of those that may be chosen."""
    lead: Lead
    """Lead of the best prompt on dev over the baseline, without the luck in it."""
    corrected: float
    """The dev score of the best prompt without what being the best of many has added to it."""
    cross_fitted: CrossFit | None
    """The dev score of the way of choosing: each example by a winner that was chosen without it. None of a tiny dev."""
    front: tuple[FrontPoint, ...]
    """What a higher score costs in tokens and time, the cheapest first."""
    limits: tuple[Limit, ...]
    """What the choice had to keep."""
    broken: tuple[Limit, ...]
    """Those of `limits` that the baseline breaks."""
    parts: tuple[PartGain, ...]
    """What each part of the best prompt adds on dev."""
    test_openings: int
    """Choices that this test split has judged, this one included: above 1 it is no longer unseen."""
    further: Mapping[str, Difference] = field(default_factory=dict)
    """Best minus baseline on test by each further metric of the task."""


def confirm(
    records: Sequence[TrialRecord],
    job: TrialJob,
    test: Seal,
    *,
    runner: Runner,
    ledger: Ledger,
    count: int,
    confidence: float,
    objective: Objective | None = None,
) -> Confirmation:
    """Choose on dev, then measure baseline, finalists and the own text of a soft choice on `test`, and judge.

    `SelectionRule` says how. Raises `SearchError` when the baseline, or every trial, failed, or when no prompt
    keeps the limits of `objective`.
    """
    objective = objective or Objective()
    baseline, ranked = rank(records)
    further = {name: metric_named(name, job.labels) for name in job.metrics}
    comparison = ScoreComparison(metric_named(job.metric, job.labels), job.labels, confidence, further)
    evaluator = FinalistEvaluator(job, runner, ledger)
    ablation = TextAblation(ranked, evaluator, comparison)
    rule = SelectionRule(records, objective, comparison, evaluator, ablation)
    allowed = [r for r in ranked if objective.allows(r)]
    if not allowed:
        raise SearchError(_none_keeps(objective, ranked))
    choice = rule.choice()
    chosen, finalists = choice.record, shortlist(allowed, choice.record, count)
    texts = [ablation.candidate(chosen)] if chosen.kind == "soft" else []
    opened, on_test = _on_test([Candidate.of(r) for r in (baseline, *finalists)] + texts, test, evaluator)

    def finalist(record: TrialRecord) -> Finalist:
        dev, tested = evaluator.trial_on_dev(record), on_test[Candidate.of(record).name]
        return _finalist(record, choice, dev, tested, comparison)

    best, first = finalist(chosen), finalist(baseline)
    difference = comparison.difference(best.test, first.test)
    return Confirmation(
        verdict=judge(difference),
        baseline=first,
        best=best,
        difference=difference,
        finalists=tuple(finalist(r) for r in finalists),
        text_only=_text_only(best, ablation, on_test[texts[0].name], comparison) if texts else None,
        leader=choice.leader,
        lead=choice.lead,
        front=tuple(
            FrontPoint(
                r, comparison.interval(evaluator.trial_on_dev(r)), objective.allows(r), r.number == chosen.number
            )
            for r in pareto(ranked)
        ),
        limits=objective.limits,
        broken=objective.broken(baseline.last),
        corrected=corrected(records, chosen.number, rule.complete),
        cross_fitted=_cross_fitted(rule, choice, job, ranked),
        parts=part_gains(chosen, baseline, ranked, evaluator, comparison),
        test_openings=opened.openings_before + 1,
        further=comparison.further_differences(best.test, first.test),
    )


def _on_test(
    candidates: Sequence[Candidate], test: Seal, evaluator: FinalistEvaluator
) -> tuple[Opened, Mapping[str, Measurement]]:
    """The test split, opened for these candidates, and what each of them scores on it, by name."""
    distinct = {c.name: c for c in candidates}
    opened = test.open([(c.name, dict(c.params), c.soft.sha256 if c.soft else "") for c in distinct.values()])
    measured = evaluator.measure(list(distinct.values()), opened.examples, "test")
    return opened, dict(zip(distinct, measured, strict=True))


def _finalist(
    record: TrialRecord, choice: Choice, dev: Measurement, test: Measurement, comparison: ScoreComparison
) -> Finalist:
    return Finalist(
        record=record,
        dev=dev,
        test=test,
        test_interval=comparison.interval(test),
        is_tied=record.number in choice.tied,
        is_chosen=record.number == choice.record.number,
        gain=choice.gains.get(record.number),
        further=comparison.further_intervals(test),
    )


def _text_only(best: Finalist, ablation: TextAblation, test: Measurement, comparison: ScoreComparison) -> TextOnly:
    tried = ablation.tried_by(best.record)
    return TextOnly(
        number=tried.number if tried else None,
        params=ablation.candidate(best.record).params,
        dev=ablation.on_dev(best.record),
        test=test,
        test_interval=comparison.interval(test),
        dev_gain=best.gain or ablation.gain(best.record),
        test_gain=comparison.difference(best.test, test),
    )


def _cross_fitted(rule: SelectionRule, choice: Choice, job: TrialJob, ranked: Sequence[TrialRecord]) -> CrossFit | None:
    """The rule on parts of dev, for which no text is measured beyond those that the choice on all of dev needed."""
    by_number = {r.number: r for r in ranked}
    return cross_fitted(
        rule.comparison,
        job.seed,
        [e.target for e in job.dev],
        choose=lambda rows: rule.choice_on(rows, measured=choice.gains).record.number,
        outcomes_of=lambda number: rule.evaluator.trial_on_dev(by_number[number]).outcomes,
    )


def _none_keeps(objective: Objective, ranked: Sequence[TrialRecord]) -> str:
    """Which limits nobody keeps, and how near the nearest came."""
    said = []
    for limit in objective.limits:
        costs = [cost_of(r.measurements[-1], limit.cost) for r in ranked]
        said.append(f"{limit} (the lowest was {min((c for c in costs if c is not None), default=float('nan')):.4g})")
    return (
        f"no prompt that was measured on all of dev keeps objective.constraints: {', '.join(said)}. "
        "Raise a limit or allow shorter prompts, and run with --fresh"
    )
