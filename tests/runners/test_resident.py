"""Trials side by side on one model: the same answers, fused steps, and deaths that take nobody along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from autoprompt_search.backends.hf import loaded_model, step_batcher
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.prompts import Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.prompting import PromptBook
from autoprompt_search.runners import RUNNERS, Runner
from autoprompt_search.runners.ray import RayRunner
from autoprompt_search.runners.resident import Resident, parts
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import LABELS, WORDS, job
from autoprompt_search.testing.runner_contract import RUNNER_CASES, drive
from autoprompt_search.testing.tiny import tiny_model
from autoprompt_search.trial import Failure, TrialJob, TrialRun, backend_of

SOFT = {"soft.method": "prompt-tuning", "soft.steps": 6, "soft.tokens": 4, "soft.batch_size": 4}
POINTS: tuple[Params, ...] = (
    {"template": "plain", **SOFT},
    {"template": "cloze", "demos.strategy": "random", "demos.k": 2, "demos.draw": 1, **SOFT, "soft.init": "vocabulary"},
    {"template": "ask", "demos.strategy": "none", **SOFT, "soft.placement": "before-answer"},
    {"template": "plain", "demos.strategy": "random", "demos.k": 1, "demos.draw": 0},
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialJob:
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    monkeypatch.setattr(step_batcher, "_LEAST", 2.0)
    model = tiny_model(tmp_path / "model", "llama", context=256)
    spec = {"type": "hf-causal", "model": str(model), "device": "cpu", "threads": 1}
    return job(tmp_path / "state", backend=ComponentSpec.model_validate(spec))


def climbed(step: Callable[[], Measurement | Failure | None]) -> list[Measurement]:
    found = list(iter(step, None))
    assert all(isinstance(made, Measurement) for made in found), found
    return [made for made in found if isinstance(made, Measurement)]


def seated(resident: Resident, number: int) -> list[Measurement]:
    rungs = iter(range(9))
    return climbed(lambda: resident.step(f"seat {number}", "trial", POINTS[number], next(rungs)))


def same(ours: list[Measurement], theirs: list[Measurement]) -> bool:
    def outline(made: Measurement) -> object:
        return made.fidelity, made.preview, [(o.example, o.prediction) for o in made.outcomes]

    near = all(
        a.metrics["loss"] == pytest.approx(b.metrics["loss"], abs=1e-3) for a, b in zip(ours, theirs, strict=True)
    )
    return near and [outline(m) for m in ours] == [outline(m) for m in theirs]


def test_trials_in_threads_measure_what_each_measures_alone_and_train_at_once(work: TrialJob) -> None:
    resident = Resident(work)
    with ThreadPoolExecutor(len(POINTS)) as pool:
        ours = list(pool.map(lambda number: seated(resident, number), range(len(POINTS))))
    alone = replace(work, state=work.state.parent / "alone")
    for point, found in zip(POINTS, ours, strict=True):
        assert same(found, climbed(TrialRun(alone, point).step))
    shared = backend_of(resident._job.backend)
    assert max(shared.rendezvous.sizes) > 1  # type: ignore[attr-defined]
    assert len(loaded_model._LOADED) == 1


def test_what_was_climbed_elsewhere_is_climbed_again(work: TrialJob) -> None:
    whole = seated(Resident(work), 0)
    late = Resident(work)
    assert same([late.step("seat", "trial", POINTS[0], 1)], whole[1:])  # type: ignore[list-item]
    assert late.step("seat", "trial", POINTS[0], 2) is None
    assert same([late.step("seat", "another", POINTS[3], 0)], seated(Resident(work), 3)[:1])  # type: ignore[list-item]
    assert len(late._runs) == 1


@pytest.mark.parametrize(
    ("gpus", "trials", "share"), [(0, 8, 1), (1, 8, 8), (1, 3, 3), (2, 3, 2), (4, 4, 1), (8, 2, 1)]
)
def test_trials_that_would_share_a_gpu_share_a_worker(
    gpus: int, trials: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": float(gpus)})
    assert RayRunner(concurrency=trials)._per_gpu() == share
    assert RayRunner(concurrency=trials, gpus=0.1)._per_gpu() == 1  # the user has said how


@pytest.mark.parametrize(("cpus", "gpus", "share"), [(1, 0, 4), (1, 1, 32), (0.5, 0.25, 8), (4, 1, 1)])
def test_a_worker_and_its_trials_take_no_more_than_there_was(cpus: float, gpus: float, share: int) -> None:
    thin, held = parts({"CPU": cpus, "GPU": gpus}, share)
    for kind, amount in (("CPU", cpus), ("GPU", gpus)):
        assert held[kind] + share * thin[kind] == pytest.approx(amount, abs=1e-4)
        assert held[kind] >= amount / 2
    assert thin["GPU"] == 0 or gpus > 0


# On Ray

TEXTS = {
    "plain": "Review: {text} Mood:",
    "dies": "{text} KILL",
    "explodes": "{text} BOOM",
    **{f"other {n}": f"{n} {{text}}" for n in range(4)},
}


@pytest.fixture(scope="module")
def runner(perilous: None) -> Iterator[Runner]:
    made = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "concurrency": 1, "share": 4}))
    yield made
    made.close()


@pytest.mark.ray
@pytest.mark.parametrize("case", RUNNER_CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[Runner, Path], None], runner: Runner, tmp_path: Path) -> None:
    case(runner, tmp_path)


@pytest.mark.ray
def test_a_trial_that_kills_its_worker_dies_alone(runner: Runner, tmp_path: Path) -> None:
    """Three trials at a time in one process, which one of them ends with it: the others lose nothing."""
    spec = {"type": "perilous", "marker": str(tmp_path / "marker"), "dies_on": "KILL", "explodes_on": "BOOM"}
    templates = {name: Template(name, text) for name, text in TEXTS.items()}
    work = job(
        tmp_path / "state",
        backend=ComponentSpec.model_validate(spec),
        book=PromptBook(templates, words=dict.fromkeys(TEXTS, WORDS), form=AnswerForm("label", LABELS)),
    )
    over = SearchSpace.model_validate({"template": {"kind": "choice", "values": list(TEXTS)}})
    three = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "concurrency": 3, "share": 3}))
    done = drive(three, work, trials=50, over=over)
    three.close()
    ended = {str(r.params["template"]): r for r in done.records}
    assert set(ended) == set(TEXTS)
    failed = {name for name, r in ended.items() if r.state is TrialState.FAILED}
    assert failed == {"dies", "explodes"}
    assert "the worker process died" in ended["dies"].error
    assert ended["explodes"].error == "RuntimeError: boom"
