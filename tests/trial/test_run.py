"""A trial measures one prompt on every rung, pays for making it once, and the test split gets the same prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.protocols.tuning import Fitted, TuneData, Tunes
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.evaluate import ledger_key, render_all
from autoprompt_search.ledger import Ledger
from autoprompt_search.prompting import PromptBook
from autoprompt_search.soft import SOFT
from autoprompt_search.testing.factories import LABELS, book, examples, job
from autoprompt_search.testing.tiny import tiny_model
from autoprompt_search.trial import Failure, TestTask, TrialJob, TrialRun, backend_of, build_prompt, run_rungs, run_test
from autoprompt_search.trial.build import SAMPLE
from autoprompt_search.trial.latency import TIMED

SOFT_POINT: Params = {"template": "plain", "soft.method": "fake", "soft.tokens": 2, "soft.start": 3}


@pytest.fixture
def work(tmp_path: Path) -> TrialJob:
    return job(tmp_path, train=examples(80, name="train", seed=4))


def key(work: TrialJob, params: Params, soft: SoftPrompt | None = None) -> str:
    backend = backend_of(work.backend)
    return ledger_key(build_prompt(work, params, backend, soft), backend)


@pytest.mark.parametrize(
    ("extra", "cost"),
    [
        ({}, 0),
        ({"calibration": "none"}, 0),
        ({"calibration": "contextual"}, 3),
        ({"calibration": "batch"}, SAMPLE),
        ({"verbalizer": "auto"}, SAMPLE),
        ({"verbalizer": "auto", "calibration": "batch"}, 2 * SAMPLE),
        ({"demos.strategy": "balanced", "demos.k": 2, "calibration": "batch"}, SAMPLE),
        ({"demos.strategy": "diverse", "demos.k": 2}, 0),
    ],
)
def test_the_first_rung_pays_for_making_the_prompt(work: TrialJob, extra: Params, cost: int) -> None:
    params = {"template": "plain", **extra}
    made = list(run_rungs(work, params))
    assert [m.cost.forward_passes for m in made] == [8 + cost, 16]
    assert {m.prompt for m in made} == {key(work, params)}


@pytest.mark.parametrize("extra", [{"calibration": "batch"}, {"verbalizer": "auto"}, {"calibration": "contextual"}])
def test_the_test_split_gets_the_prompt_that_dev_chose(work: TrialJob, extra: Params) -> None:
    params = {"template": "plain", **extra}
    [*_, last] = run_rungs(work, params)
    made = run_test(work, TestTask(1, params, None, examples(10, name="test")))
    assert made.prompt == last.prompt
    assert made.cost.forward_passes == 10 + (3 if extra.get("calibration") == "contextual" else SAMPLE)


def test_predictions_of_a_calibrated_prompt_are_kept_and_found_again(work: TrialJob) -> None:
    params: Params = {"template": "plain", "calibration": "contextual"}
    first = list(run_rungs(work, params))
    ledger = Ledger(work.state / "ledger.sqlite")
    for measurement in first:
        ledger.add(measurement, {e.id: e for e in work.dev}, purpose=f"{measurement.fidelity.examples}")
    ledger.close()
    again = list(run_rungs(work, params))
    assert [m.outcomes for m in again] == [m.outcomes for m in first]
    assert [m.cost.forward_passes for m in again] == [3, 0]


def test_a_higher_rung_reads_its_new_examples_and_no_demonstration_again(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model", context=512)
    spec = ComponentSpec(type="hf-causal", model=str(folder), device="cpu")
    work = job(tmp_path, backend=spec, train=examples(20, name="train"))
    params: Params = {"template": "plain", "demos.strategy": "balanced", "demos.k": 4}
    model = backend_of(spec)._loaded.model  # type: ignore[attr-defined]
    read: list[tuple[int, int]] = []
    model.get_input_embeddings().register_forward_hook(lambda _m, args, _out: read.append(tuple(args[0].shape)))
    rungs = run_rungs(work, params)
    first = next(rungs)
    below, shown = sum(rows for rows, _ in read), max(tokens for _, tokens in read)
    read.clear()
    second = next(rungs)
    assert below == first.cost.forward_passes + 1  # and the demonstrations
    assert second.cost.forward_passes == 16
    assert sum(rows for rows, _ in read) == 16 + 2 * TIMED  # one asked alone is read in two parts
    assert all(tokens < shown / 2 for _, tokens in read)
    assert second.outcomes[:8] == first.outcomes


def test_the_preview_marks_the_answer_s_place(work: TrialJob) -> None:
    texts = {"slot": "Review: {text} It was {@answer}, they say"}
    slotted = replace(book(), templates={n: replace(book().templates["plain"], text=t) for n, t in texts.items()})
    made = next(run_rungs(replace(work, book=replace(slotted, words={})), {"template": "slot"}))
    assert made.preview == f"Review: {work.dev[0].inputs['text']} It was____, they say"


class Fake:
    """A method that trains nothing: every call leaves two new soft prompts, and the start of them all."""

    steps = 10
    seen: Any = None

    def __init__(self, backend: Any) -> None:
        self._model = backend

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        self.seen = data
        return Fitted(tuple(map(self._soft, (f"{until} a", f"{until} b", "start"))), 30, 0.5)

    def _soft(self, name: str) -> SoftPrompt:
        weights = name.encode()
        return SoftPrompt("fake", 2, self._model.fingerprint, weights, sha256_bytes(weights))


@pytest.fixture
def fake(work: TrialJob, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    method = Fake(backend_of(work.backend))

    def build(spec: ComponentSpec, **injected: Any) -> Fake:
        assert (spec.type, spec.options, injected) == ("fake", {"tokens": 2}, {"seed": 0})
        return method

    monkeypatch.setattr(SOFT, "build", build)
    return method


def test_another_draw_is_another_seed_and_the_first_is_the_search_s(
    work: TrialJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def build(spec: ComponentSpec, **injected: Any) -> Fake:
        assert spec.options == {"tokens": 2}
        seeds.append(injected["seed"])
        return Fake(backend_of(work.backend))

    monkeypatch.setattr(SOFT, "build", build)
    for draw in ({}, {"soft.draw": 0}, {"soft.draw": 1}, {"soft.draw": 2}):
        next(run_rungs(work, {**SOFT_POINT, **draw}))
    assert seeds[:2] == [work.seed] * 2
    assert len(set(seeds)) == 3


def test_every_snapshot_is_calibrated_once(work: TrialJob, fake: Fake) -> None:
    params: Params = {**SOFT_POINT, "calibration": "batch"}
    made = list(run_rungs(work, params))
    assert [m.cost.forward_passes for m in made] == [30 + 3 * (8 + SAMPLE), 30 + 2 * SAMPLE + 2 * 16 + 2 * 24]
    assert [m.fidelity.steps for m in made] == [5, 10]
    for measurement in made:
        assert measurement.soft is not None
        assert measurement.prompt == key(work, params, measurement.soft)
    tested = run_test(work, TestTask(1, params, made[-1].soft, examples(10, name="test")))
    assert tested.prompt == made[-1].prompt
    assert tested.soft == made[-1].soft


def test_a_soft_prompt_without_calibration_costs_what_it_did(work: TrialJob, fake: Fake) -> None:
    assert [m.cost.forward_passes for m in run_rungs(work, SOFT_POINT)] == [30 + 3 * 8, 30 + 2 * 16 + 2 * 24]


def test_training_sees_demonstrations_as_texts(work: TrialJob, fake: Fake) -> None:
    shown: Params = {"demos.strategy": "random", "demos.k": 3}
    next(run_rungs(work, {**SOFT_POINT, **shown}))
    prompt = build_prompt(work, {"template": "plain", **shown}, backend_of(work.backend))
    assert len(fake.seen.demo_texts) == 3
    whole = render_all(prompt, work.dev[:1], None)[0].text
    assert all(text in whole for text in fake.seen.demo_texts)
    assert len(fake.seen.prompts) == 77, "what is shown is not trained on"


@pytest.mark.parametrize("extra", [{}, {"demos.strategy": "knn", "demos.k": 2}])
def test_without_fixed_demonstrations_some_of_each_label_stand_for_them(
    work: TrialJob, fake: Fake, extra: Params
) -> None:
    work = replace(
        work,
        book=PromptBook(work.book.templates, work.book.words, {"plain": "Judge."}, form=AnswerForm("label", LABELS)),
    )
    next(run_rungs(work, {**SOFT_POINT, **extra}))
    texts = fake.seen.demo_texts
    assert [text.rpartition(" ")[2] for text in texts] == ["bad", "good"] * 2
    assert all(text.startswith("Review: train") for text in texts), "the instruction is no part of a demonstration"


def test_a_failure_is_a_value(work: TrialJob) -> None:
    result = TrialRun(work, {"template": "missing"}).step()
    assert isinstance(result, Failure)
    assert "KeyError" in result.reason
    assert not isinstance(TrialRun(work, {"template": "plain"}).step(), Failure)
