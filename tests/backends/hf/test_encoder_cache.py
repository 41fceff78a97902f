"""An encoder reads a prompt once: for all answers, and for all vectors that work behind it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.encoder_cache import EncoderCache
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, packed_soft, rendered
from autoprompt_search.testing.tiny import SEQ2SEQ

ROWS = [rendered(p) for p in PROMPTS]
BEHIND = (SoftPosition("decoder"), SoftPosition(kind="prefix"))


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})


@contextmanager
def encoded(backend):
    """Rows of every pass through the encoder."""
    rows = []
    handle = backend._loaded.model.get_encoder().register_forward_hook(
        lambda _module, _args, found: rows.append(len(found.last_hidden_state))
    )
    try:
        yield rows
    finally:
        handle.remove()


def made(folder, **options):
    return hf_seq2seq(str(folder), device="cpu", state_megabytes=0, **options)


def vectors(backend, place, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.randn(3, backend.width(place)) * 0.3


@pytest.mark.parametrize("family", SEQ2SEQ)
def test_all_answers_share_one_reading(family, tiny):
    backend = made(tiny(family))
    with encoded(backend) as rows:
        backend.score(ROWS, LONG_ANSWERS)
    assert sum(rows) == len(ROWS)


@pytest.mark.parametrize("place", BEHIND, ids=lambda place: place.at)
@pytest.mark.parametrize("family", SEQ2SEQ)
def test_vectors_behind_the_encoder_share_its_readings_over_steps_and_trials(family, place, tiny):
    backend = made(tiny(family))
    forgetful = made(tiny(family), dtype="float32", encoder_megabytes=0)
    with encoded(backend) as rows:
        for seed in (1, 2):
            soft = vectors(backend, place, seed).requires_grad_()
            for start in (0, 2):
                backend.answer_logliks(soft, place, ROWS[start : start + 2], ANSWERS).sum().backward()
            assert float(soft.grad.abs().max()) > 0
        known = backend.score(ROWS, LONG_ANSWERS, packed_soft(backend, vectors(backend, place), place)).logliks
    assert sum(rows) == len(ROWS)
    loaded_model._LOADED.clear()
    with encoded(forgetful) as rows:
        packed = packed_soft(forgetful, vectors(forgetful, place), place)
        assert close(forgetful.score(ROWS, LONG_ANSWERS, packed).logliks, known)
        forgetful.score(ROWS, ANSWERS, packed)
    assert sum(rows) == 2 * len(ROWS)


def test_vectors_before_the_encoder_are_read_by_it_every_time(tiny):
    backend = made(tiny("t5"))
    place = SoftPosition()
    with encoded(backend) as rows:
        for seed in (1, 2):
            backend.score(ROWS, ANSWERS, packed_soft(backend, vectors(backend, place, seed), place))
    assert sum(rows) == 2 * len(ROWS)
    assert backend._loaded.sources.nbytes == 0


def test_what_was_used_longest_ago_is_forgotten_first():
    store, asked = EncoderCache(limit=3 * 2 * 4), []

    def encode(some):
        asked.extend(some)
        return torch.ones(len(some), 1, 2)

    for one in ((1,), (2,), (3,), (1,), (4,), (1,), (2,)):
        assert store.read([one], encode).shape == (1, 1, 2)
        assert store.nbytes <= store.limit
    assert asked == [(1,), (2,), (3,), (4,), (2,)]
    store.clear()
    assert store.nbytes == 0
