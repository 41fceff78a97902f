from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from autoprompt_search.confirm import Confirmation, Verdict, confirm, dev_outcomes
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Measurement, TrialRecord
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
    return confirm(records, work, UNSEEN, **options)  # type: ignore[arg-type]


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


def test_the_test_split_is_paid_for_once(records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger) -> None:
    first = confirmed(records, work, ledger)
    spent = ledger.total()
    assert confirmed(records, work, ledger) == first
    assert ledger.total() == spent


def test_the_test_split_judges_the_choice_and_does_not_make_it(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger
) -> None:
    """With every answer on test turned into its opposite, another verdict, and the same prompt."""

    class Contrary(LocalRunner):
        def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
            turned = {"negative": "positive", "positive": "negative"}
            unseen = [type(e)(e.id + " turned", e.inputs, turned[e.target]) for e in UNSEEN]
            found = super().test(job, [TestTask(t.number, t.params, t.soft, tuple(unseen)) for t in tasks])
            assert all(isinstance(f, Measurement) for f in found)
            return found

    by_id = [type(e)(e.id + " turned", e.inputs, e.target) for e in UNSEEN]
    plain = confirmed(records, work, ledger)
    contrary = confirm(records, work, by_id, runner=Contrary(), ledger=ledger, count=3, confidence=0.95)
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


def test_dev_outcomes_come_back_from_the_ledger(
    records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger, tmp_path: Path
) -> None:
    outcomes = dev_outcomes(records[0], work, ledger)
    assert [o.example for o in outcomes] == [e.id for e in work.dev]
    assert sum(o.is_right for o in outcomes) / 120 == records[0].measurements[-1].score
    empty = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(SearchError, match="the ledger lacks 120 predictions of trial 0"):
        dev_outcomes(records[0], work, empty)
    empty.close()
