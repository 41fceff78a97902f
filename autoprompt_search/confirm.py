"""The sealed test split, opened once: which prompt is the best, and is it really better than the baseline?

The best prompt is chosen on dev alone. The test split then judges that choice; it never makes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.stats import Difference, Interval, interval, paired_difference, paired_stderr
from autoprompt_search.core.types import Example, Measurement, Outcome, TrialRecord, TrialState
from autoprompt_search.evaluate import metric_named
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners import Runner
from autoprompt_search.runners.driver import restore
from autoprompt_search.trial import Failure, TestTask, TrialJob

_ROUNDING = 1e-9
"""Two prompts that differ on one example are exactly one standard error apart; float rounding must not decide."""


class Verdict(StrEnum):
    """What the test split says of the chosen prompt against the baseline."""

    PROMOTE = "promote"
    """Better: the whole interval of the difference lies above zero."""
    TIE = "tie"
    """The interval holds zero: no difference was shown."""
    REJECT = "reject"
    """Worse: the whole interval lies below zero."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trial that reached the last rung, with what the test split says of it."""

    record: TrialRecord
    test: Measurement
    test_interval: Interval
    is_tied: bool
    """Within one standard error (paired, on dev) of the best dev score."""
    is_chosen: bool


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


def confirm(
    records: Sequence[TrialRecord],
    job: TrialJob,
    test: Sequence[Example],
    *,
    runner: Runner,
    ledger: Ledger,
    count: int,
    confidence: float,
) -> Confirmation:
    """Choose on dev, then measure baseline and finalists on `test`, and judge.

    Raises `SearchError` when the baseline, or every trial, failed.
    """
    baseline, ranked = rank(records)
    chosen, tied = choose(ranked, lambda r: _dev_hits(r, job, ledger))
    finalists = shortlist(ranked, chosen, count)
    wanted = {r.number: r for r in (baseline, *finalists)}
    tests = _measure_on_test(list(wanted.values()), job, test, runner, ledger)

    def finalist(record: TrialRecord) -> Finalist:
        found = _interval(tests[record.number].outcomes, job, confidence)
        number = record.number
        return Finalist(record, tests[number], found, number in tied, number == chosen.number)

    difference = _difference(tests[chosen.number].outcomes, tests[baseline.number].outcomes, job, confidence)
    return Confirmation(
        verdict=judge(difference),
        baseline=finalist(baseline),
        best=finalist(chosen),
        difference=difference,
        finalists=tuple(finalist(r) for r in finalists),
    )


def rank(records: Sequence[TrialRecord]) -> tuple[TrialRecord, list[TrialRecord]]:
    """The baseline, and all trials that saw all of dev, best first: by score, then by loss, then the older."""
    done = [r for r in records if r.state is TrialState.COMPLETE]
    baseline = next((r for r in done if r.number == 0), None)
    if baseline is None:
        reason = next((r.error for r in records if r.number == 0), "it was never run")
        raise SearchError(f"the baseline prompt (trial 0) has no score, so nothing can be compared with it: {reason}")
    return baseline, sorted(done, key=_standing)


def shortlist(ranked: Sequence[TrialRecord], chosen: TrialRecord, count: int) -> list[TrialRecord]:
    """The `count` best by dev score; the chosen one is among them, in the last place if it has no better one."""
    best = list(ranked[:count])
    return best if chosen in best else [*best[:-1], chosen]


def _standing(record: TrialRecord) -> tuple[float, float, int]:
    last = record.measurements[-1]
    return -last.score, last.metrics.get("loss", math.inf), record.number


def choose(
    ranked: Sequence[TrialRecord], hits: Callable[[TrialRecord], Sequence[bool]]
) -> tuple[TrialRecord, set[int]]:
    """The cheapest prompt within a statistical tie with the best, and the numbers of all that are tied.

    Tied means: not more than one standard error of the paired difference below the best dev score, the
    one-standard-error rule of Breiman et al. (1984, Classification and Regression Trees, section 3.4.3).
    """
    leader = ranked[0]
    top = hits(leader)
    tied = []
    for record in ranked:
        gap = leader.measurements[-1].score - record.measurements[-1].score
        if gap <= paired_stderr(top, hits(record)) + _ROUNDING:
            tied.append(record)
    cheapest = min(tied, key=lambda r: (round(r.measurements[-1].prompt_tokens, 1), *_standing(r)))
    return cheapest, {r.number for r in tied}


def judge(difference: Difference) -> Verdict:
    """From the interval of the difference alone."""
    if difference.low > 0:
        return Verdict.PROMOTE
    return Verdict.REJECT if difference.high < 0 else Verdict.TIE


def _dev_hits(record: TrialRecord, job: TrialJob, ledger: Ledger) -> list[bool]:
    return [o.is_right for o in dev_outcomes(record, job, ledger)]


def dev_outcomes(record: TrialRecord, job: TrialJob, ledger: Ledger) -> list[Outcome]:
    """What a finished trial said on every dev example, from the ledger."""
    last = record.measurements[-1]
    examples = job.dev[: last.fidelity.examples]
    known = ledger.get(last.prompt, examples)
    missing = len(examples) - len(known)
    if missing:
        raise SearchError(f"the ledger lacks {missing} predictions of trial {record.number}; start again with --fresh")
    made = []
    for example in examples:
        logprobs, tokens = known[example.id]
        best = max(range(len(job.labels)), key=lambda i: (logprobs[i], -i))
        made.append(Outcome(example.id, example.target, job.labels[best], logprobs, tokens))
    return made


def _measure_on_test(
    records: Sequence[TrialRecord], job: TrialJob, test: Sequence[Example], runner: Runner, ledger: Ledger
) -> Mapping[int, Measurement]:
    weights = weights_folder(job.state)
    tasks = []
    for record in records:
        soft = record.measurements[-1].soft
        tasks.append(TestTask(record.number, record.params, restore(soft, weights) if soft else None, tuple(test)))
    by_id = {e.id: e for e in test}
    found: dict[int, Measurement] = {}
    for task, result in zip(tasks, runner.test(job, tasks), strict=True):
        if isinstance(result, Failure):
            raise SearchError(f"trial {task.number} could not be measured on the test split: {result.reason}")
        ledger.add(result, by_id, purpose=f"test of trial {task.number}")
        found[task.number] = replace(result, soft=task.soft)
    return found


def weights_folder(state: Path) -> Path:
    """Where the driver keeps trained vectors."""
    return state / "weights"


def _interval(outcomes: Sequence[Outcome], job: TrialJob, confidence: float) -> Interval:
    metric = metric_named(job.metric)
    targets, predictions = [o.target for o in outcomes], [o.prediction for o in outcomes]
    return interval(metric, targets, predictions, job.labels, confidence=confidence)


def _difference(ours: Sequence[Outcome], theirs: Sequence[Outcome], job: TrialJob, confidence: float) -> Difference:
    return paired_difference(
        metric_named(job.metric),
        [o.target for o in ours],
        [o.prediction for o in ours],
        [o.prediction for o in theirs],
        job.labels,
        confidence=confidence,
    )
