"""What every runner must do, as functions that any test runner can call. Knows no runner but the reference.

@pytest.mark.parametrize("case", RUNNER_CASES, ids=lambda case: case.__name__)
def test_my_runner(case, runner, tmp_path):    # runner: one trial at a time; it is closed by the caller
    case(runner, tmp_path)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.measurements import Allowance, Cost, Measurement, TrialRecord, TrialState
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners import Runner
from autoprompt_search.runners.driver import Driver
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import examples, job, open_study, space
from autoprompt_search.trackers.memory import MemoryTracker
from autoprompt_search.trial import Failure, TestTask, TrialJob

Shown = tuple[str, int, object]
"""`started`, number, parameters; `measured`, number, examples of the rung; or `finished`, number, state."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What a search left behind."""

    records: Sequence[TrialRecord]
    tracked: Sequence[TrialRecord]
    """Records as the dashboard saw them, in the order in which they ended."""
    shown: Sequence[Shown]
    """Events as the terminal saw them."""
    cost: Cost


class Watch:
    """A `Progress` that remembers what it is told."""

    def __init__(self) -> None:
        self.seen: list[Shown] = []

    def begin(self, name: str, trials: int, done: object, limit: Allowance | None = None) -> None:
        """Ignore it."""

    def started(self, number: int, params: Params) -> None:
        """Keep the event."""
        self.seen.append(("started", number, dict(params)))

    def measured(self, number: int, measurement: Measurement) -> None:
        """Keep the event."""
        self.seen.append(("measured", number, measurement.fidelity.examples))

    def finished(self, record: TrialRecord) -> None:
        """Keep the event."""
        self.seen.append(("finished", record.number, record.state))

    def note(self, text: str) -> None:
        """Ignore it."""

    def end(self) -> None:
        """Ignore it."""


def drive(
    runner: Runner,
    work: TrialJob,
    *,
    trials: int,
    over: SearchSpace | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> Driven:
    """Run, or go on with, the search whose state is in `work.state`; `options` are the study's."""
    over = over or space()
    study = open_study(work.state, over, trials, seed=work.seed, **options)
    ledger, tracker, watch = Ledger(work.state / "ledger.sqlite"), MemoryTracker(), watch or Watch()
    dev = {e.id: e for e in work.dev}
    driver = Driver(study, ledger, tracker, watch, examples=dev, weights=work.state / "weights")
    try:
        runner.run(driver, work)
        return Driven(study.records(), tuple(tracker.records.values()), watch.seen, ledger.total())
    finally:
        ledger.close()


def outlines(records: Sequence[TrialRecord]) -> list[tuple[object, ...]]:
    """What two runners must agree on: all but times."""
    return [
        (r.number, dict(r.params), r.state, r.error, r.kind, [_timeless(m) for m in r.measurements]) for r in records
    ]


def the_records_are_those_of_the_reference(runner: Runner, folder: Path) -> None:
    """Same numbers, params, states, scores, previews and costs; stopped and failed trials are among them."""
    work = job(folder / "ours", backend=ComponentSpec.model_validate({"type": "scripted", "fail_on": "Verdict?"}))
    ours = drive(runner, work, trials=14)
    theirs = drive(LocalRunner(), replace(work, state=folder / "reference"), trials=14)
    _same("states", {r.state for r in ours.records}, set(TrialState))
    _same("records", outlines(ours.records), outlines(theirs.records))
    _same("on the dashboard", outlines(ours.tracked), outlines(theirs.tracked))
    _same("on the terminal", list(ours.shown), list(theirs.shown))
    _same("forward passes", ours.cost.forward_passes, theirs.cost.forward_passes)
    _same("of the measurements", ours.cost.forward_passes, _passes(ours.records))


def nothing_is_started_without_work(runner: Runner, folder: Path) -> None:
    """A finished search run again asks no model."""
    work = job(folder)
    done = drive(LocalRunner(), work, trials=3)
    broken = replace(work, backend=ComponentSpec(type="no such backend"))
    again = drive(runner, broken, trials=3)
    _same("records", list(again.records), list(done.records))
    _same("shown", list(again.shown), [])


def a_search_that_always_fails_ends_with_the_reason(runner: Runner, folder: Path) -> None:
    """A systemic failure ends the search early, without a long list of failed trials."""
    work = job(folder, backend=ComponentSpec.model_validate({"type": "scripted", "fail_on": "the"}))
    try:
        drive(runner, work, trials=14)
    except SystemicError as exc:
        _same("the reason is told", "scripted failure" in str(exc), True)
    else:
        raise AssertionError("the search ended as if nothing had happened")


def finalists_are_answered_in_order_and_failures_are_answers(runner: Runner, folder: Path) -> None:
    """One answer per task, of its own prompt, on the examples it was handed."""
    work = job(folder, backend=ComponentSpec.model_validate({"type": "scripted", "fail_on": "Verdict?"}))
    unseen = examples(12, name="test")
    tasks = [TestTask(n, {"template": name}, None, unseen) for n, name in enumerate(("plain", "ask", "cloze"))]
    answers = runner.test(work, tasks)
    measured = {n: answer for n, answer in enumerate(answers) if isinstance(answer, Measurement)}
    failed = {n: answer.reason for n, answer in enumerate(answers) if isinstance(answer, Failure)}
    _same("the failed one", failed, {1: "scripted failure: the prompt contains 'Verdict?'"})
    for answer in measured.values():
        _same("examples", [o.example for o in answer.outcomes], [e.id for e in unseen])
    _same("prompts", {n: m.preview.startswith("Review:") for n, m in measured.items()}, {0: True, 2: False})
    reference = LocalRunner().test(work, tasks)
    _same("answers", [_timeless(answers[n]) for n in (0, 2)], [_timeless(reference[n]) for n in (0, 2)])


RUNNER_CASES: tuple[Callable[[Runner, Path], None], ...] = (
    the_records_are_those_of_the_reference,
    nothing_is_started_without_work,
    a_search_that_always_fails_ends_with_the_reason,
    finalists_are_answered_in_order_and_failures_are_answers,
)


def _timeless(answer: Measurement | Failure) -> object:
    return (
        answer
        if isinstance(answer, Failure)
        else replace(answer, cost=replace(answer.cost, seconds=0.0), latency_ms=None)
    )


def _passes(records: Sequence[TrialRecord]) -> int:
    return sum(m.cost.forward_passes for r in records for m in r.measurements)


def _same(what: str, actual: object, wanted: object) -> None:
    if actual != wanted:
        raise AssertionError(f"{what}: found {actual!r}, wanted {wanted!r}")
