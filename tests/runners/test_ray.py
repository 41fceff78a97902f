from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError, SystemicError
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.prompts import Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.prompting import PromptBook
from autoprompt_search.runners import RUNNERS, Runner
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import LABELS, WORDS, job
from autoprompt_search.testing.runner_contract import RUNNER_CASES, Driven, drive

pytestmark = pytest.mark.ray

TEXTS = {
    "plain": "Review: {text} Mood:",
    "dies": "{text} KILL",
    "dies once": "{text} ONCE",
    "explodes": "{text} BOOM",
    "hangs once": "{text} HANG",
    "lacks memory once": "{text} SHORT",
    "is not a number": "{text} NAN",
    **{f"other {n}": f"{n} {{text}}" for n in range(5)},
}


@pytest.fixture(scope="module")
def runner(perilous: None) -> Iterator[Runner]:
    made = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "concurrency": 1}))
    yield made
    made.close()


@pytest.mark.parametrize("case", RUNNER_CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[Runner, Path], None], runner: Runner, tmp_path: Path) -> None:
    case(runner, tmp_path)


@pytest.fixture(scope="module")
def dangerous(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """One search, two trials at a time, whose workers die, die once, and raise; the rest is well."""
    folder = tmp_path_factory.mktemp("dangerous")
    spec = {
        "type": "perilous",
        "marker": str(folder / "marker"),
        "dies_on": "KILL",
        "dies_once_on": "ONCE",
        "explodes_on": "BOOM",
        "hangs_once_on": "HANG",
        "short_once_on": "SHORT",
        "nan_on": "NAN",
    }
    templates = {name: Template(name, text) for name, text in TEXTS.items()}
    work = job(
        folder / "state",
        backend=ComponentSpec.model_validate(spec),
        book=PromptBook(templates, words=dict.fromkeys(TEXTS, WORDS), form=AnswerForm("label", LABELS)),
    )
    over = SearchSpace.model_validate({"template": {"kind": "choice", "values": list(TEXTS)}})
    two = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "concurrency": 2, "timeout": 8, "retries": 1}))
    yield drive(two, work, trials=50, over=over)
    two.close()


def of(dangerous: Driven, template: str) -> TrialRecord:
    return next(r for r in dangerous.records if r.params["template"] == template)


def test_a_worker_that_always_dies_is_a_failed_trial(dangerous: Driven) -> None:
    record = of(dangerous, "dies")
    assert record.state is TrialState.FAILED
    assert "the worker process died" in record.error


def test_a_worker_that_dies_once_is_tried_again(dangerous: Driven) -> None:
    record = of(dangerous, "dies once")
    assert record.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert record.measurements


def test_a_worker_that_hangs_is_stopped_and_its_trial_is_run_again(dangerous: Driven) -> None:
    record = of(dangerous, "hangs once")
    assert record.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert record.measurements


def test_a_worker_without_memory_is_given_up_and_its_trial_is_run_again(dangerous: Driven) -> None:
    record = of(dangerous, "lacks memory once")
    assert record.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert record.measurements


def test_nan_is_a_failed_trial(dangerous: Driven) -> None:
    record = of(dangerous, "is not a number")
    assert record.state is TrialState.FAILED
    assert "NaN" in record.error


def test_an_exception_is_a_failed_trial(dangerous: Driven) -> None:
    record = of(dangerous, "explodes")
    assert (record.state, record.error) == (TrialState.FAILED, "RuntimeError: boom")


def test_the_search_goes_on_to_its_end_and_prunes_on_its_way(dangerous: Driven) -> None:
    assert [r.number for r in dangerous.records] == list(range(len(TEXTS)))
    assert {r.params["template"] for r in dangerous.records} == set(TEXTS)
    assert {r.state for r in dangerous.records} == set(TrialState)
    assert {r.number for r in dangerous.tracked} == set(range(len(TEXTS)))
    spent = sum(m.cost.forward_passes for r in dangerous.records for m in r.measurements)
    assert dangerous.cost.forward_passes == spent


def test_finalists_are_measured_on_the_cluster_that_was_joined(dangerous: Driven, tmp_path: Path) -> None:
    """A runner of this machine alone measures them in its own process; one with an address does not."""
    case = next(case for case in RUNNER_CASES if case.__name__.startswith("finalists"))
    joined = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "address": "auto", "concurrency": 1}))
    case(joined, tmp_path)
    joined.close()


def test_workers_that_cannot_load_the_model_end_the_search_by_name(runner: Runner, tmp_path: Path) -> None:
    """The driver has the model; the node of the workers has not."""
    drive(runner, job(tmp_path / "first"), trials=1)  # starts the Ray that is joined below
    spec = {"type": "perilous", "marker": str(tmp_path / "marker"), "only_in": os.getpid()}
    joined = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "address": "auto", "retries": 0}))
    with pytest.raises(SystemicError, match=r"the worker cannot load the model: .*/models/story") as caught:
        drive(joined, job(tmp_path / "second", backend=ComponentSpec.model_validate(spec)), trials=20)
    joined.close()
    assert str(caught.value).endswith(f"(on {socket.gethostname()})")


def test_a_trial_that_fits_on_no_node_is_refused_at_once(runner: Runner, tmp_path: Path) -> None:
    greedy = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "cpus": 100000}))
    with pytest.raises(ConfigError, match=r"runner\.cpus: a trial asks for 100000 CPU and the largest node has"):
        drive(greedy, job(tmp_path), trials=1)
