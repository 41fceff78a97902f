"""The sealed test split, opened once: which prompt is the best, and is it really better than the baseline?

The best prompt is chosen on dev alone. The test split then judges that choice; it never makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_search.confirm.ablation import TextAblation
from autoprompt_search.confirm.choice import rank, shortlist
from autoprompt_search.confirm.comparison import ScoreComparison, Verdict, judge
from autoprompt_search.confirm.crossfit import CrossFit, cross_fitted
from autoprompt_search.confirm.evaluator import Candidate, FinalistEvaluator
from autoprompt_search.confirm.pareto import FrontPoint, pareto
from autoprompt_search.confirm.seal import Seal
from autoprompt_search.confirm.selection import SelectionRule
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.objective import Limit, Objective, cost_of
from autoprompt_search.core.statistics.scores import Difference, Interval
from autoprompt_search.core.statistics.shrinkage import Lead, corrected
from autoprompt_search.core.types import Measurement, Params, TrialRecord
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
    """Within one standard error (paired, on dev) of the best dev score, and free to be chosen."""
    is_chosen: bool
    gain: Difference | None
    """Of a soft prompt that might have been chosen: it minus its own text, on dev."""


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
    own_text: TextOnly | None
    """Where the best prompt has a soft prompt."""
    lead: Lead
    """Of the best prompt on dev over the baseline, without the luck in it."""
    corrected: float
    """The dev score of the best prompt without what being the best of many has added to it."""
    cross_fitted: CrossFit | None
    """The dev score of the way of choosing: each example by a winner that was chosen without it. None of a tiny dev."""
    front: tuple[FrontPoint, ...]
    """What a higher score costs in tokens and time, the cheapest first."""
    limits: tuple[Limit, ...]
    """What the choice had to keep."""
    broken: tuple[Limit, ...]
    """Of these, what the baseline breaks."""
    test_openings: int
    """Choices that this test split has judged, this one included: above 1 it is no longer unseen."""


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
    by_number = {r.number: r for r in ranked}
    scale = ScoreComparison(metric_named(job.metric, job.labels), job.labels, confidence)
    bench = FinalistEvaluator(job, runner, ledger)
    texts = TextAblation(ranked, bench, scale)
    rule = SelectionRule(records, objective, scale, bench, texts)
    allowed = [r for r in ranked if objective.allows(r)]
    if not allowed:
        raise SearchError(_none_keeps(objective, ranked))
    choice = rule.choice()
    chosen = choice.record
    finalists = shortlist(allowed, chosen, count)
    wanted = [Candidate.of(r) for r in (baseline, *finalists)]
    wanted += [texts.candidate(chosen)] if chosen.kind == "soft" else []
    distinct = {c.name: c for c in wanted}
    unseen = test.open([(c.name, dict(c.params), c.soft.sha256 if c.soft else "") for c in distinct.values()])
    on_test = dict(zip(distinct, bench.measure(list(distinct.values()), unseen, "test"), strict=True))

    def finalist(record: TrialRecord) -> Finalist:
        made, number = on_test[Candidate.of(record).name], record.number
        return Finalist(
            record=record,
            dev=bench.trial_on_dev(record),
            test=made,
            test_interval=scale.interval(made),
            is_tied=number in choice.tied,
            is_chosen=number == chosen.number,
            gain=texts.gains.get(number),
        )

    def own_text(best: Finalist) -> TextOnly:
        tried, made = texts.tried_by(chosen), on_test[texts.candidate(chosen).name]
        return TextOnly(
            number=tried.number if tried else None,
            params=texts.candidate(chosen).params,
            dev=texts.on_dev(chosen),
            test=made,
            test_interval=scale.interval(made),
            dev_gain=texts.gain(chosen),
            test_gain=scale.difference(best.test, made),
        )

    best, first = finalist(chosen), finalist(baseline)
    targets = [o.target for o in first.dev.outcomes]
    difference = scale.difference(best.test, first.test)
    return Confirmation(
        verdict=judge(difference),
        baseline=first,
        best=best,
        difference=difference,
        finalists=tuple(finalist(r) for r in finalists),
        own_text=own_text(best) if chosen.kind == "soft" else None,
        lead=choice.lead,
        front=tuple(
            FrontPoint(r, scale.interval(bench.trial_on_dev(r)), objective.allows(r), r.number == chosen.number)
            for r in pareto(ranked)
        ),
        limits=objective.limits,
        broken=objective.broken(baseline.last),
        corrected=first.dev.score if chosen == baseline else corrected(records, chosen.number, rule.complete),
        cross_fitted=cross_fitted(
            scale,
            job.seed,
            targets,
            choose=lambda rows: rule.choice(rows).record.number,
            said=lambda number: bench.trial_on_dev(by_number[number]).outcomes,
        ),
        test_openings=test.openings_before + 1,
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
