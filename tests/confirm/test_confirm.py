from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.confirm import Confirmation, FinalistEvaluator, Seal, Verdict, confirm
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.objective import Limit, Objective
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import examples, job
from autoprompt_search.testing.runner_contract import drive
from autoprompt_search.trial import Failure, TestTask, TrialJob

UNSEEN = examples(200, name="test")
BACKEND = ComponentSpec.model_validate({"type": "scripted", "skill": 0.5, "bonus_per_demo": 0.1})


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> TrialJob:
    made = job(tmp_path_factory.mktemp("search"), backend=BACKEND, dev=examples(120), rungs=(40, 120))
    drive(LocalRunner(), made, trials=20)
    return made


@pytest.fixture(scope="module")
def records(work: TrialJob) -> Sequence[TrialRecord]:
    return drive(LocalRunner(), work, trials=20).records


@pytest.fixture
def ledger(work: TrialJob) -> Iterator[Ledger]:
    made = Ledger(work.state / "ledger.sqlite")
    yield made
    made.close()


def confirmed(records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger, **changes: object) -> Confirmation:
    options = {"runner": LocalRunner(), "ledger": ledger, "count": 3, "confidence": 0.95, **changes}
    return confirm(records, work, Seal(UNSEEN), **options)  # type: ignore[arg-type]


def test_demonstrations_that_help_are_promoted(records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger) -> None:
    found = confirmed(records, work, ledger)
    assert found.verdict is Verdict.PROMOTE
    assert found.baseline.record.number == 0
    assert found.best.record.kind == "demos"
    assert found.best.is_chosen
    assert [f.record.number for f in found.finalists if f.is_chosen] == [found.best.record.number]
    assert len(found.finalists) == 3
    gap = found.best.test.score - found.baseline.test.score
    assert found.difference.score == pytest.approx(gap)
    assert found.best.test_interval.low < found.best.test.score < found.best.test_interval.high
    assert found.best.test.fidelity.examples == 200


def test_a_prompt_that_breaks_a_limit_is_neither_chosen_nor_a_finalist(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    free = confirmed(records, work, ledger)
    assert (free.limits, free.broken) == ((), ())
    assert [p.record.number for p in free.front if p.is_chosen] in ([], [free.best.record.number])
    limit = Limit("prompt_tokens", free.best.dev.prompt_tokens - 1)
    found = confirmed(records, work, ledger, objective=Objective(limits=(limit,)))
    assert found.best.record.number != free.best.record.number
    assert all(not limit.excess(f.dev) > 0 for f in (found.best, *found.finalists))
    assert {p.keeps_limits for p in found.front} == {True, False}


def test_a_baseline_that_breaks_a_limit_makes_room_and_is_still_what_the_best_is_judged_by(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    longer = [r for r in records if r.last is not None and r.number]
    turned = replace(records[0], measurements=(replace(records[0].measurements[-1], prompt_tokens=1e6),))
    limit = Limit("prompt_tokens", 1e5)
    found = confirmed([turned, *longer], work, ledger, objective=Objective(limits=(limit,)))
    assert found.broken == (limit,)
    assert found.best.record.number != 0
    assert found.baseline.record.number == 0
    with pytest.raises(SearchError, match=r"keeps objective\.constraints: prompt_tokens <= 1 \(the lowest was \d"):
        confirmed(records, work, ledger, objective=Objective(limits=(Limit("prompt_tokens", 1.0),)))


def test_the_test_split_is_paid_for_once(records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger) -> None:
    confirmed(records, work, ledger)
    spent = ledger.total()
    assert confirmed(records, work, ledger) == confirmed(records, work, ledger)
    assert ledger.total() == spent


def test_the_test_split_judges_the_choice_and_does_not_make_it(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    """With every answer on test turned into its opposite, another verdict, and the same prompt."""

    class Contrary(LocalRunner):
        def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
            if not tasks[0].examples[0].id.endswith(" turned"):  # parts of the chosen prompt are measured on dev
                return super().test(job, tasks)
            turned = {"negative": "positive", "positive": "negative"}
            unseen = [replace(e, target=turned[e.target]) for e in by_id]
            tasks = [replace(t, examples=tuple(unseen)) if t.examples == tuple(by_id) else t for t in tasks]
            found = super().test(job, tasks)
            assert all(isinstance(f, Measurement) for f in found)
            return found

    by_id = [replace(e, id=e.id + " turned") for e in UNSEEN]
    plain = confirmed(records, work, ledger)
    contrary = confirm(records, work, Seal(by_id), runner=Contrary(), ledger=ledger, count=3, confidence=0.95)
    assert contrary.best.record.number == plain.best.record.number
    assert contrary.verdict is Verdict.REJECT


def test_one_prompt_that_cannot_be_measured_is_no_result(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    class Broken(LocalRunner):
        def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
            return [Failure("out of memory")] * len(tasks)

    with pytest.raises(SearchError, match="trial 0 could not be measured on the test split: out of memory"):
        confirmed(records, work, ledger, runner=Broken())


def test_outcomes_on_dev_come_back_from_the_ledger(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    class Idle(LocalRunner):
        def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
            raise AssertionError("the ledger knows")

    made = FinalistEvaluator(work, Idle(), ledger).trial_on_dev(records[0])
    assert [o.example for o in made.outcomes] == [e.id for e in work.dev]
    assert sum(o.is_right for o in made.outcomes) / 120 == made.score == records[0].measurements[-1].score


def test_what_the_ledger_lost_is_measured_again(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger, tmp_path: Path
) -> None:
    """A power failure may take the ledger's last seconds and leave the study's."""
    empty = Ledger(tmp_path / "ledger.sqlite")
    bench = FinalistEvaluator(replace(work, state=tmp_path), LocalRunner(), empty)
    made = bench.trial_on_dev(records[0])
    assert made.outcomes == FinalistEvaluator(work, LocalRunner(), ledger).trial_on_dev(records[0]).outcomes
    assert empty.total().forward_passes == 120
    empty.close()
