from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.runners import RUNNERS, Runner
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import job
from autoprompt_search.testing.runner_contract import RUNNER_CASES, drive, outlines
from autoprompt_search.trial import TrialJob


def perilous_job(folder: Path, **options: str) -> TrialJob:
    spec = {"type": "perilous", "marker": str(folder / "marker"), **options}
    return job(folder / "state", backend=ComponentSpec.model_validate(spec))


@pytest.mark.parametrize("case", RUNNER_CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[Runner, Path], None], tmp_path: Path) -> None:
    case(RUNNERS.build(ComponentSpec(type="local")), tmp_path)


def test_a_trial_that_goes_on_climbs_every_rung(tmp_path: Path) -> None:
    done = drive(LocalRunner(), job(tmp_path), trials=12)
    for record in done.records:
        climbed = [m.fidelity.examples for m in record.measurements]
        assert climbed == ([8, 24] if record.state is TrialState.COMPLETE else [8])
        assert [m.fidelity.is_full for m in record.measurements] == [n == 24 for n in climbed]
        assert record.preview
    assert {r.state for r in done.records} == {TrialState.COMPLETE, TrialState.PRUNED}
    first = [event for event, number, _ in done.shown if number == 0]
    assert first == ["started", "measured", "measured", "finished"]


def test_a_rung_pays_for_its_new_examples_alone(tmp_path: Path) -> None:
    done = drive(LocalRunner(), job(tmp_path), trials=1)
    assert [m.cost.forward_passes for m in done.records[0].measurements] == [8, 16]


def test_the_same_search_beside_the_same_ledger_costs_nothing(tmp_path: Path) -> None:
    first = drive(LocalRunner(), job(tmp_path), trials=8)
    (tmp_path / "study.journal").unlink()
    again = drive(LocalRunner(), job(tmp_path), trials=8)
    assert again.cost == first.cost
    assert sum(m.cost.forward_passes for r in again.records for m in r.measurements) == 0
    scores = [[[m.score for m in r.measurements] for r in run.records] for run in (first, again)]
    assert scores[0] == scores[1]


def test_an_exception_becomes_a_record_and_the_search_goes_on(perilous: None, tmp_path: Path) -> None:
    done = drive(LocalRunner(), perilous_job(tmp_path, explodes_on="Verdict?"), trials=12)
    failed = [r for r in done.records if r.state is TrialState.FAILED]
    assert failed
    assert {r.error for r in failed} == {"RuntimeError: boom"}
    assert {r.params["template"] for r in failed} == {"ask"}
    assert len(done.records) == 12
    assert done.records[-1].number == 11


@pytest.mark.parametrize("text", ["Review:", "Verdict?"])
def test_ctrl_c_leaves_the_trial_for_the_next_run(text: str, perilous: None, tmp_path: Path) -> None:
    """Stopped in the first trial, or in a later one; run again, it ends as one that nobody stopped."""
    work = perilous_job(tmp_path, interrupted_once_on=text)
    with pytest.raises(KeyboardInterrupt):
        drive(LocalRunner(), work, trials=12)
    resumed = drive(LocalRunner(), work, trials=12)
    assert resumed.shown[0][0] == "started"
    undisturbed = drive(LocalRunner(), replace(work, state=tmp_path / "other"), trials=12)
    assert outlines(resumed.records) == outlines(undisturbed.records)
    assert resumed.cost.forward_passes == undisturbed.cost.forward_passes
