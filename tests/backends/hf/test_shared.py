"""Several threads on one model: they meet in steps, get what they would get alone, and never wait for the gone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import load

from autoprompt_search.backends.hf import loaded_model, step_batcher
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.shared import SharedBackend
from autoprompt_search.backends.hf.step_batcher import StepBatcher
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.core.protocols.tuning import Asked
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.testing.backend_contract import close, rendered
from autoprompt_search.testing.soft_contract import DATA

TRAININGS = (
    ("prompt-tuning", {"tokens": 3, "lr": 0.1}),
    ("prompt-tuning", {"tokens": 6, "placement": "before-answer"}),
    ("p-tuning", {"tokens": 4, "init": "vocabulary"}),
    ("prefix-tuning", {"tokens": 2, "init": "random"}),
)
STEPS = 6


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    monkeypatch.setattr(step_batcher, "_LEAST", 5.0)  # nobody is missed because this machine is busy


def trained(backend, number, barrier=None, **changes):
    name, options = TRAININGS[number]
    spec = ComponentSpec(type=name, steps=STEPS, batch_size=4, **options, **changes)
    method = SOFT.build(spec, seed=number)
    if barrier:
        barrier.wait(60)
    return method.fit(backend, DATA, until=STEPS, folder=None)


def together(tiny, family="llama"):
    return SharedBackend(of={"type": "hf-causal", "model": str(tiny(family)), "device": "cpu"})


def in_threads(count, work):
    """`work(number, barrier)` of so many threads at once; exceptions are results."""
    barrier = threading.Barrier(count)

    def one(number):
        try:
            return work(number, barrier)
        except Exception as exc:  # noqa: BLE001 - for the test to look at
            return exc

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_trainings_side_by_side_give_what_each_gives_alone(tiny):
    shared, alone = together(tiny), hf_causal(str(tiny("llama")), device="cpu")
    found = in_threads(4, lambda n, barrier: trained(shared, n, barrier))
    for number, fitted in enumerate(found):
        wanted = trained(alone, number)
        assert fitted.loss == pytest.approx(wanted.loss, rel=1e-3)
        for ours, theirs in zip(fitted.snapshots, wanted.snapshots, strict=True):
            for ours_, theirs_ in zip(load(ours.weights).values(), load(theirs.weights).values(), strict=True):
                assert torch.allclose(ours_, theirs_, atol=1e-3)
    assert max(shared.rendezvous.sizes) == 4
    assert sum(shared.rendezvous.sizes) == 4 * STEPS
    assert len(shared.rendezvous.sizes) <= STEPS + 4


def test_a_training_that_runs_away_ends_alone(tiny, monkeypatch):
    monkeypatch.setattr(step_batcher, "_LEAST", 0.5)  # it is waited for once
    shared, alone = together(tiny), hf_causal(str(tiny("llama")), device="cpu")

    def work(number, barrier):
        return trained(Ill(shared) if number == 1 else shared, number, barrier)

    found = in_threads(3, work)
    assert isinstance(found[1], TrialError)
    assert "not finite at step 3" in str(found[1])
    for number in (0, 2):
        assert found[number].loss == pytest.approx(trained(alone, number).loss, rel=1e-3)


class Ill:
    """A shared model whose answers to one training are no numbers from its third step on."""

    def __init__(self, model):
        self._model, self._calls = model, 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def answer_logliks(self, soft, *rest):
        self._calls += 1
        return self._model.answer_logliks(soft * torch.nan if self._calls > 2 else soft, *rest)


PROMPTS = [rendered(f"Review: {text} Sentiment:") for text in ("a film", "dull and long", "fine")]


class Counting:
    """A model that notes how many trainings it was asked about at once, and holds so many in memory."""

    def __init__(self, room=99):
        self.sizes, self.room = [], room

    def answer_logliks_together(self, asked):
        self.sizes.append(len(asked))
        if len(asked) > self.room:
            raise torch.OutOfMemoryError("too many")
        if any(len(one.prompts) > 3 for one in asked):
            raise TrialError("a prompt too many")
        return [one.soft.sum() * torch.ones(len(one.prompts), 2) for one in asked]


def question(value, prompts=3):
    return Asked(
        torch.full((2, 2), float(value), requires_grad=True), SoftPosition(), [PROMPTS[0]] * prompts, ("a", "b")
    )


def step(meeting, one):
    return torch.autograd.grad(meeting.ask(one).sum() * float(one.soft.detach()[0, 0]), one.soft)[0]


def test_everybody_gets_the_answer_to_his_own_question():
    meeting = StepBatcher(Counting(), threading.Lock())
    meeting.patience = 5.0

    def work(number, barrier):
        one = question(number + 1)
        barrier.wait(60)
        found = [step(meeting, one) for _ in range(5)]
        meeting.leave()
        return found

    for number, gradients in enumerate(in_threads(4, work)):
        for gradient in gradients:
            assert torch.equal(gradient, torch.full((2, 2), 6.0 * (number + 1)))


@pytest.mark.parametrize("room", [0, 1, 2])
def test_out_of_memory_takes_fewer_at_once(room):
    model = Counting(room)
    meeting = StepBatcher(model, threading.Lock())
    meeting._answer(tickets := [step_batcher._Ticket(question(n), n) for n in range(4)])
    if room:
        assert [float(t.answer.detach()[0, 0]) for t in tickets] == [0.0, 4.0, 8.0, 12.0]
        assert max(size for size in model.sizes if size <= room) == room
    else:
        assert all(isinstance(t.error, torch.OutOfMemoryError) for t in tickets)


def test_a_question_that_cannot_be_answered_is_one_threads_trouble():
    meeting = StepBatcher(Counting(), threading.Lock())
    meeting._answer(tickets := [step_batcher._Ticket(question(n, prompts=4 if n == 1 else 3), n) for n in range(3)])
    assert [t.error is None for t in tickets] == [True, False, True]
    assert isinstance(tickets[1].error, TrialError)


def test_who_asks_and_never_comes_for_its_gradient_stops_nobody(monkeypatch):
    monkeypatch.setattr(step_batcher, "_LEAST", 0.05)
    meeting = StepBatcher(Counting(), threading.Lock())

    def work(number, barrier):
        one = question(number + 1)
        if number == 2:
            barrier.wait()
            return meeting.ask(one)  # and the thread ends
        barrier.wait(60)
        return [step(meeting, one) for _ in range(4)]

    found = in_threads(3, work)
    late = found[2]
    assert late.requires_grad
    for number in (0, 1):
        assert all(torch.equal(g, torch.full((2, 2), 6.0 * (number + 1))) for g in found[number])
    (gradient,) = torch.autograd.grad(late.sum(), list(_leaves(late)))  # it may still come, long after
    assert torch.equal(gradient, torch.full((2, 2), 6.0))


def _leaves(values):
    return [values.grad_fn.next_functions[0][0].variable]


def test_a_lone_training_never_waits(monkeypatch):
    model = Counting()
    meeting = StepBatcher(model, threading.Lock())
    monkeypatch.setattr(threading.Condition, "wait", lambda *_: pytest.fail("waited"))
    assert torch.equal(step(meeting, question(2)), torch.full((2, 2), 12.0))
    assert model.sizes == [1]


def test_capabilities_are_those_of_the_backend(tiny):
    scripted = SharedBackend(of={"type": "scripted", "skill": 0.7})
    assert not hasattr(scripted, "answer_logliks")
    assert hasattr(scripted, "embed")
    shared = together(tiny)
    plain = hf_causal(str(tiny("llama")), device="cpu")
    assert shared.fingerprint == plain.fingerprint
    assert close(shared.score(PROMPTS, (" good", " bad")).logliks, plain.score(PROMPTS, (" good", " bad")).logliks)
