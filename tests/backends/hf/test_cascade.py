"""Cascade attention gives the scores of the expanded path, and is refused where it cannot."""

from __future__ import annotations

import pytest
import torch

from autoprompt_search.backends.hf import cascade, loaded_model, selfcheck
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, packed_soft, rendered

ROWS = [rendered(p) for p in PROMPTS]
FAMILIES = ("gpt2", "llama", "opt", "gpt_neox", "qwen3")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})


def both(folder, **options):
    made = [
        hf_causal(str(folder), device="cpu", state_megabytes=0, attention=a, **options) for a in ("expand", "cascade")
    ]
    return made[0], made[1]


@pytest.mark.parametrize("answers", [ANSWERS, LONG_ANSWERS])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_expanded_path(family, answers, tiny, monkeypatch):
    expanded, cascaded = both(tiny(family))
    fronts = []
    inside = cascade.attend_shared
    monkeypatch.setattr(cascade, "attend_shared", lambda *args: fronts.append(args) or inside(*args))
    found = cascaded.score(ROWS, answers).logliks
    assert any(len(query) == len(ROWS) for query, *_ in fronts)
    assert close(found, expanded.score(ROWS, answers).logliks)


@pytest.mark.parametrize("kind", ["embeddings", "prefix"])
def test_soft_prompts_score_and_train_as_on_the_expanded_path(kind, tiny):
    expanded, cascaded = both(tiny("llama"))
    place = SoftPosition(kind=kind)
    torch.manual_seed(0)
    vectors = torch.randn(5, expanded.width(place)) * 0.3
    packed = packed_soft(expanded, vectors, place)
    assert close(cascaded.score(ROWS, ANSWERS, packed).logliks, expanded.score(ROWS, ANSWERS, packed).logliks)
    gradients = []
    for backend in (expanded, cascaded):
        soft = vectors.clone().requires_grad_()
        backend.answer_logliks(soft, place, ROWS, ANSWERS).sum().backward()
        gradients.append(soft.grad)
    assert float(gradients[0].abs().max()) > 0
    assert close(*gradients)


def test_no_row_holds_a_copy_of_what_all_begin_with(tiny):
    _, cascaded = both(tiny())
    read = []
    cascaded._loaded.model.register_forward_pre_hook(
        lambda _module, _args, inputs: read.append((inputs["input_ids"].shape[0], inputs.get("past_key_values"))),
        with_kwargs=True,
    )
    cascaded.score(ROWS, ANSWERS)
    assert [past for rows, past in read if rows == len(ROWS)] == [None]


def test_a_model_with_windows_is_refused_before_any_work(tiny):
    backend = hf_causal(str(tiny("gemma3")), device="cpu", attention="cascade")
    (problem,) = backend.problems(ROWS, ANSWERS)
    assert "do not see all positions: use attention: expand" in problem
    with pytest.raises(ConfigError, match="attention: expand"):
        backend.score(ROWS, ANSWERS)


def test_other_scores_than_those_of_the_expanded_path_are_an_error(tiny, monkeypatch):
    _, cascaded = both(tiny())
    monkeypatch.setattr(selfcheck, "_CLOSE", -1.0)
    with pytest.raises(ConfigError, match="gives other scores on this 'gpt2' model"):
        cascaded.score(ROWS, ANSWERS)


@pytest.mark.parametrize(("mask", "is_causal"), [(False, False), (False, True), (True, False)])
def test_kernels_and_plain_sums_agree(mask, is_causal):
    torch.manual_seed(0)
    query, keys, values = (torch.randn(2, 3, n, 8) for n in (5, 5, 5))
    bias = torch.zeros(2, 1, 5, 5).masked_fill(torch.rand(2, 1, 5, 5) < 0.3, -1e9) if mask else None
    kernel = cascade.attend(query, keys, values, bias, None, is_causal=is_causal)
    plain = cascade._by_hand(query, keys, values, bias, None, is_causal=is_causal)
    assert all(close(a, b) for a, b in zip(kernel, plain, strict=True))
