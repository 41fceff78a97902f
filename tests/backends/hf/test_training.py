"""Steps of trainings: whatever is kept, shared or fused, numbers and gradients are those of one plain pass per row."""

from __future__ import annotations

import pytest
import torch

from autoprompt_search.backends.hf import heads, kv, loaded_model, training
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.classifier import hf_classifier
from autoprompt_search.backends.hf.encoder import hf_encoder
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.positions import embedded, padded
from autoprompt_search.backends.hf.scoring import table
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.core.protocols.tuning import Asked, Tunes, TunesTogether
from autoprompt_search.testing.backend_contract import close, rendered
from autoprompt_search.testing.tiny import CAUSAL

TEXTS = ("a film I liked", "dull", "not a very good story but the actor was fine", "awful")
DEMOS = (
    "",
    "Review: great plot Sentiment: good\n\n",
    "Review: great plot Sentiment: good\n\nReview: it was long and dull Sentiment: bad\n\n",
)
ANSWERS = (" good", " bad", " very very good")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    monkeypatch.setattr(training, "_SAVES", {"cpu": 0})


def asked(backend, place, tokens, demos="", seed=0, answers=ANSWERS, texts=TEXTS):
    drawn = torch.randn(tokens, backend.width(place), generator=torch.Generator().manual_seed(seed))
    prompts = [rendered(f"{demos}Review: {text} Sentiment:") for text in texts]
    return Asked((0.3 * drawn).requires_grad_(), place, prompts, answers)


def plain(backend, one):
    """Every row by itself, in one pass with nothing in front."""
    batch, model = backend._training_batch(one), backend._loaded.model
    values = []
    for row in batch.rows:
        inputs = {**embedded(model, padded([row.ids], model.device), batch.soft), "use_cache": False}
        if batch.soft.is_prefix:
            inputs |= {"past_key_values": kv.cache_of(model, batch.soft.vectors), "use_cache": True}
        values.append(heads.token_logprobs(model, [row], 0, inputs))
    return table(batch.rows, torch.cat(values), (len(one.prompts), len(one.answers)))


def learned(values, one):
    """Numbers, and the gradient of a loss in which all of them count."""
    weights = torch.linspace(-1, 1, values.numel()).view_as(values)
    (gradient,) = torch.autograd.grad((values * weights).sum(), one.soft, retain_graph=True)
    return values.detach(), gradient


def assert_same(found, wanted, one):
    for ours, theirs in zip(learned(found, one), learned(wanted, one), strict=True):
        assert close(ours, theirs)


@pytest.mark.parametrize("demos", DEMOS)
@pytest.mark.parametrize("place", [SoftPosition(), SoftPosition("before-answer"), SoftPosition(kind="prefix")], ids=str)
@pytest.mark.parametrize("family", CAUSAL)
def test_what_is_kept_and_shared_changes_no_number_and_no_gradient(family, place, demos, tiny):
    backend = hf_causal(str(tiny(family)), device="cpu")
    one = asked(backend, place, 5, demos)
    wanted = plain(backend, one)
    for _ in range(2):  # the second time from memory
        assert_same(backend.answer_logliks(one.soft, place, one.prompts, ANSWERS), wanted, one)


def mixture(backend):
    """Trainings of other lengths, places, demonstrations and answers, as a search has them at once."""
    return [
        asked(backend, SoftPosition(), 3, DEMOS[1], 1),
        asked(backend, SoftPosition("before-answer"), 6, DEMOS[2], 2, texts=TEXTS[:3]),
        asked(backend, SoftPosition(), 9, DEMOS[2], 3, answers=ANSWERS[:2]),
        asked(backend, SoftPosition(kind="prefix"), 4, DEMOS[1], 4),
        asked(backend, SoftPosition("before-answer"), 1, DEMOS[0], 5, texts=TEXTS[1:2]),
        asked(backend, SoftPosition(replaces=2), 2, DEMOS[0], 6),
    ]


@pytest.mark.parametrize("family", CAUSAL)
def test_trainings_in_one_batch_have_the_numbers_and_gradients_they_have_alone(family, tiny):
    backend = hf_causal(str(tiny(family)), device="cpu")
    assert isinstance(backend, TunesTogether)
    assert isinstance(backend, Tunes)
    batches = mixture(backend)
    for found, one in zip(backend.answer_logliks_together(batches), batches, strict=True):
        assert found.shape == (len(one.prompts), len(one.answers))
        assert_same(found, plain(backend, one), one)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "bert"])
def test_a_training_that_is_no_number_leaves_the_others_bit_equal(family, tiny):
    make, some = (hf_masked, (0, 2)) if family == "bert" else (hf_causal, range(6))
    backend = make(str(tiny(family)), device="cpu")

    def step(ill=None):
        batches = [mixture(backend)[n] for n in some]
        if ill is not None:
            batches[ill].soft.data.fill_(torch.nan)
        found = backend.answer_logliks_together(batches)
        return found, torch.autograd.grad(sum(f.sum() for f in found), [one.soft for one in batches])

    step()  # memories are filled
    well = step()
    for ill in range(len(some)):
        for ours, theirs in zip(step(ill), well, strict=True):
            assert [torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)] == [
                n != ill for n in range(len(some))
            ]


@pytest.mark.parametrize("family", ["bert", "t5", "bart"])
def test_models_that_read_both_ways_fuse_too(family, tiny):
    backend = (hf_masked if family == "bert" else hf_seq2seq)(str(tiny(family)), device="cpu")
    places = [
        SoftPosition(),
        SoftPosition("before-answer" if family == "bert" else "decoder"),
        SoftPosition(kind="prefix"),
        SoftPosition(),
    ]
    batches = [asked(backend, place, 2 + n, DEMOS[n % 3], n) for n, place in enumerate(places)]
    for found, one in zip(backend.answer_logliks_together(batches), batches, strict=True):
        assert_same(found, backend.answer_logliks(one.soft, one.place, one.prompts, one.answers), one)


@pytest.mark.parametrize("kind", ["encoder", "classifier"])
def test_encoders_and_classifiers_answer_several_trainings(kind, tiny):
    make, classes = (hf_encoder, 0) if kind == "encoder" else (hf_classifier, 2)
    backend = make(str(tiny("bert", classes=classes)), device="cpu")
    answers = (" good", " bad")
    batches = [asked(backend, SoftPosition(), 2 + n, "", n, answers=answers) for n in range(3)]
    for found, one in zip(backend.answer_logliks_together(batches), batches, strict=True):
        assert_same(found, backend.answer_logliks(one.soft, one.place, one.prompts, answers), one)


def test_a_step_reads_no_more_than_it_must(tiny):
    """Behind the first epoch a row in front of whose vectors all is known costs its vectors alone."""
    backend = hf_causal(str(tiny("llama")), device="cpu")
    one = asked(backend, SoftPosition("before-answer"), 3, DEMOS[2], answers=ANSWERS[:2])
    backend.answer_logliks(one.soft, one.place, one.prompts, one.answers)
    read = []
    hook = backend._loaded.model.model.register_forward_pre_hook(
        lambda _m, _a, given: read.append(
            next(given[n] for n in ("inputs_embeds", "input_ids") if given.get(n) is not None).shape[:2]
        ),
        with_kwargs=True,
    )
    backend.answer_logliks(one.soft, one.place, one.prompts, one.answers)
    assert read == [(len(TEXTS), 3)]
    read.clear()
    two = asked(backend, SoftPosition(), 3, DEMOS[2], answers=ANSWERS[:2])
    backend.answer_logliks(two.soft, two.place, two.prompts, two.answers)
    hook.remove()
    (once, shared), (rows, rest) = read  # the vectors and the demonstrations behind them; the queries
    assert (once, rows) == (1, len(TEXTS))
    assert shared + rest == max(backend.count_tokens(two.prompts)) + 3


def test_the_memory_stays_within_its_bytes(tiny):
    roomy = hf_causal(str(tiny("llama")), device="cpu")
    one = asked(roomy, SoftPosition("before-answer"), 3)
    wanted = roomy.answer_logliks(one.soft, one.place, one.prompts, one.answers)
    assert len(roomy._family._memory._kept) == len(TEXTS)
    loaded_model._LOADED.clear()
    tight = hf_causal(str(tiny("llama")), device="cpu", prefix_megabytes=0)
    for _ in range(2):
        assert close(tight.answer_logliks(one.soft, one.place, one.prompts, one.answers).detach(), wanted.detach())
    assert (len(tight._family._memory._kept), tight._family._memory._bytes) == (0, 0)


def test_prompts_are_laid_out_once(tiny, monkeypatch):
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    one = asked(backend, SoftPosition(), 3)
    backend.answer_logliks(one.soft, one.place, one.prompts, one.answers)
    monkeypatch.setattr(backend._family, "units", lambda *_: pytest.fail("laid out again"))
    backend.answer_logliks(one.soft, one.place, one.prompts[::-1], one.answers)
