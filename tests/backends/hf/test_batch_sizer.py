"""Batches follow the memory there is, and what was learned stays."""

from __future__ import annotations

import pytest
import torch

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.batch_sizer import BatchSizer
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, score_units
from autoprompt_search.core.errors import TrialError
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, rendered

ROWS = [rendered(p) for p in PROMPTS]


class SmallMemory:
    """Fails every forward pass of more than `most` rows, as a full accelerator does."""

    def __init__(self, model, most):
        self.most, self.rows, self.failed = most, [], 0
        self.handle = model.get_input_embeddings().register_forward_pre_hook(self.check)

    def check(self, _module, args):
        if len(args[0]) > self.most:
            self.failed += 1
            raise torch.OutOfMemoryError("out of memory")
        self.rows.append(len(args[0]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.handle.remove()


class ScriptedMeter:
    """A device with so many bytes, of which a position takes a hundred."""

    def __init__(self, size):
        self.size, self.positions, self.released = size, 0, 0

    def free(self):
        return self.size

    def start(self):
        return 7

    def peak(self):
        return 7 + 100 * self.positions

    def release(self):
        self.released += 1


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})


def units(*lengths):
    return [(Row(list(range(n)), (TokenTarget(i, 0, n - 1, 1),)),) for i, n in enumerate(lengths)]


def test_out_of_memory_halves_the_batch_and_loses_nothing(tiny):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0)
    whole = backend.score(ROWS, LONG_ANSWERS).logliks
    with SmallMemory(backend._loaded.model, most=1) as memory:
        assert close(backend.score(ROWS, LONG_ANSWERS).logliks, whole)
    assert memory.failed > 0


def test_a_batch_size_that_fits_is_found_once_per_process(tiny):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0)
    whole = backend.score(ROWS, ANSWERS).logliks
    with SmallMemory(backend._loaded.model, most=2) as memory:
        backend.score(ROWS, ANSWERS)
        failed = memory.failed
        assert failed > 0
        again = hf_causal(str(tiny()), device="cpu", state_megabytes=0, batch_tokens=4096).score(ROWS, ANSWERS)
    assert memory.failed == failed
    assert close(again.logliks, whole)


def test_out_of_memory_on_one_prompt_fails_the_trial(tiny):
    backend = hf_causal(str(tiny()), device="cpu", state_megabytes=0)
    with SmallMemory(backend._loaded.model, most=0), pytest.raises(TrialError, match="out of memory"):
        backend.score(ROWS[:1], ANSWERS)


def test_batches_are_planned_by_what_earlier_ones_took():
    meter = ScriptedMeter(size=4_000)
    room, sizes = BatchSizer(meter), []

    def read(rows):
        meter.positions = len(rows) * max(len(row.ids) for row in rows)
        sizes.append(len(rows))
        return torch.zeros(len(rows))

    score_units(units(*[10] * 12), (12, 1), read, sizer=room, budget=50)
    assert sizes == [5, 3, 3, 1]  # nine tenths of the free bytes are 36 positions of those measured
    assert room.per_position == 100
    assert room.peak == 5_000
    assert meter.released == 0


def test_memory_that_runs_out_is_given_back_and_remembered():
    meter, sizes = ScriptedMeter(10**9), []
    room = BatchSizer(meter)

    def read(rows):
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return torch.zeros(len(rows))

    score_units(units(*[10] * 8), (8, 1), read, sizer=room, budget=80)
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert meter.released == 2
    assert room.positions(80) == 20


def test_any_other_error_is_not_taken_for_a_lack_of_memory():
    def read(_rows):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        score_units(units(3), (1, 1), read, sizer=BatchSizer(), budget=80)
