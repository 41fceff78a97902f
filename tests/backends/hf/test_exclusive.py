"""A label whose answer begins another's: both can win, and scores are what reading answers to their ends gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.exclusive import exclusive, nested_cells
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.scoring import Row, TokenTarget
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.nesting import nested
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.testing.backend_contract import PROMPTS, close, packed_soft, rendered
from autoprompt_search.testing.reference import (
    exclusive_logliks,
    plain_exclusive_logliks,
    plain_exclusive_seq2seq_logliks,
    plain_logliks,
    plain_masked_logliks,
    plain_seq2seq_logliks,
)

ANSWERS = (" not", " bad", " not very", " not very good", " not again", "ly")
"""A chain of three, a second branch, and two that nothing begins."""
ROWS = [rendered(p) for p in PROMPTS]


# Tables


@st.composite
def languages(draw):
    """Distinct words over three letters, and a chance for every letter behind every beginning."""
    word = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)
    words = draw(st.lists(word, min_size=1, max_size=7, unique=True))
    seed = draw(st.integers(0, 2**20))

    def following(read):
        logits = np.random.default_rng([seed, *read]).normal(0, 3, 5)
        return logits - np.logaddexp.reduce(logits)

    return words, following


def laid_out(words):
    """One row per word, as a family that reads from left to right lays them out."""
    return [
        Row(list(word), tuple(TokenTarget(0, n, place, token) for place, token in enumerate(word)))
        for n, word in enumerate(words)
    ]


@given(languages())
def test_any_set_of_answers_scores_as_if_read_to_its_end(language):
    words, following = language
    pairs = nested(["".join("abc"[i] for i in word) for word in words])
    begins = [sum(following(word[:i])[token] for i, token in enumerate(word)) for word in words]
    found = exclusive(torch.tensor([begins]), nested_cells(laid_out(words), pairs))[0]
    assert close(found, exclusive_logliks(words, following))
    assert float(found.exp().sum()) <= 1 + 1e-6


@given(languages())
def test_without_a_pair_nothing_is_touched(language):
    words, following = language
    words = [word for word in words if not any(other != word and word[: len(other)] == other for other in words)]
    table = torch.tensor([[sum(following(word[:i])[t] for i, t in enumerate(word)) for word in words]])
    assert exclusive(table, nested_cells(laid_out(words), nested([str(w) for w in words]))) is table


def test_texts_that_begin_others_in_other_tokens_are_left_alone():
    rows = [Row([1], (TokenTarget(0, 0, 3, 7),)), Row([1], (TokenTarget(0, 1, 3, 8), TokenTarget(0, 1, 4, 7)))]
    assert nested_cells(rows, nested(["good", "goodness"])) == []
    merged = [Row([1], (TokenTarget(0, 0, 3, 7),)), Row([1], (TokenTarget(0, 1, 2, 7), TokenTarget(0, 1, 3, 7)))]
    assert nested_cells(merged, [(0, 1)]) == []


def test_what_is_impossible_or_no_number_stays_so():
    table = torch.tensor([[-torch.inf, -torch.inf], [torch.nan, -1.0], [-1.0, -torch.inf], [-1.0, -1.0 + 1e-6]])
    found = exclusive(table, [(prompt, 0, 1) for prompt in range(4)])
    assert found[0, 0] == -torch.inf
    assert bool(found[1, 0].isnan())
    assert float(found[2, 0]) == -1.0
    assert -16 < float(found[3, 0]) < -14  # rounding may put the longer one above the shorter
    assert torch.equal(found[:, 1], table[:, 1])


# Models


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
@pytest.mark.parametrize("options", [{}, {"state_megabytes": 0, "batch_tokens": 90, "prefix_megabytes": 0}])
def test_causal_scores_equal_reading_each_answer_to_its_end(family, options, tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = hf_causal(str(tiny(family)), device="cpu", **options)
    model = AutoModelForCausalLM.from_pretrained(tiny(family), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny(family))
    wanted = plain_exclusive_logliks(model, tokenizer, PROMPTS, ANSWERS)
    assert close(backend.score(ROWS, ANSWERS).logliks, wanted)
    assert close(backend.score(ROWS, ANSWERS).logliks, wanted)  # from remembered states
    assert close(backend.score(ROWS, ANSWERS[::-1]).logliks[:, ::-1], wanted)
    begins = plain_logliks(model, tokenizer, PROMPTS, ANSWERS)
    assert close(begins[:, [1, 3, 4, 5]], wanted[:, [1, 3, 4, 5]])
    assert np.abs(begins - wanted)[:, 0].max() > 1e-4
    assert backend.problems(ROWS, ANSWERS) == []
    assert backend.nested_answers(ROWS, ANSWERS) == [(0, 2), (0, 4), (2, 3)]


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_seq2seq_scores_equal_reading_each_answer_to_its_end(family, tiny):
    backend = hf_seq2seq(str(tiny(family)), device="cpu")
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny(family), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny(family))
    wanted = plain_exclusive_seq2seq_logliks(model, tokenizer, PROMPTS, ANSWERS)
    assert close(backend.score(ROWS, ANSWERS).logliks, wanted)
    begins = plain_seq2seq_logliks(model, tokenizer, PROMPTS, ANSWERS)
    assert close(begins[:, [1, 3, 4, 5]], wanted[:, [1, 3, 4, 5]])
    assert np.abs(begins - wanted)[:, 0].max() > 1e-5


def test_masked_answers_have_their_length_and_exclude_one_another_already(tiny):
    backend = hf_masked(str(tiny("bert")), device="cpu")
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(tiny("bert"), dtype=torch.float32).eval()
    wanted = plain_masked_logliks(model, AutoTokenizer.from_pretrained(tiny("bert")), PROMPTS, ANSWERS)
    assert close(backend.score(ROWS, ANSWERS).logliks, wanted)
    assert backend.nested_answers(ROWS, ANSWERS) == []


@pytest.mark.parametrize(
    ("maker", "family", "place"),
    [
        (hf_causal, "gpt2", SoftPosition()),
        (hf_causal, "gpt2", SoftPosition("before-answer")),
        (hf_causal, "llama", SoftPosition(kind="prefix")),
        (hf_seq2seq, "t5", SoftPosition("decoder")),
    ],
)
def test_training_sees_the_scores_that_the_search_sees(maker, family, place, tiny):
    backend = maker(str(tiny(family)), device="cpu")
    vectors = (torch.randn(3, backend.width(place), generator=torch.Generator().manual_seed(1)) * 0.3).requires_grad_()
    trained = backend.answer_logliks(vectors, place, ROWS, ANSWERS)
    scored = backend.score(ROWS, ANSWERS, packed_soft(backend, vectors.detach(), place))
    assert close(trained.detach(), scored.logliks)
    (gradient,) = torch.autograd.grad(trained[:, 0].sum(), vectors)
    step = 1e-3 * gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (backend.answer_logliks(vectors + s, place, ROWS, ANSWERS)[:, 0].sum() for s in (step, -step))
    assert float(ahead - behind) == pytest.approx(2e-3 * float(gradient.norm()), rel=0.05)


def test_answers_whose_tokens_begin_others_and_whose_texts_do_not_are_refused(tiny, monkeypatch):
    backend = hf_causal(str(tiny()), device="cpu")
    tokenizer = backend._spec.tokenizer
    (joined,) = tokenizer.join([PROMPTS[0]], [" a", " a film"])
    monkeypatch.setattr(tokenizer, "join", lambda texts, answers: [replace(joined)] * len(texts))
    problems = backend.problems(ROWS[:1], [" ☃", " ☂ film"])
    assert any("no model tells these answers apart" in problem for problem in problems)


# The case: a label that begins another's can lose, and the longer one can win


def test_the_longer_of_two_labels_wins_where_the_model_says_so(tiny, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny())
    model = AutoModelForCausalLM.from_pretrained(tiny())
    texts = ["In the first city: new york\n", "In the other city: new\n"]
    ids = [torch.tensor([tokenizer(text)["input_ids"]]) for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(80):
        loss = sum(model(input_ids=row, labels=row).loss for row in ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backend = hf_causal(str(tmp_path), device="cpu")
    texts, answers = ["In the first city:", "In the other city:"], [" new", " new york"]
    found = backend.score([rendered(text) for text in texts], answers).logliks
    assert found.argmax(1).tolist() == [1, 0]
    assert np.allclose(found, plain_exclusive_logliks(model.eval(), tokenizer, texts, answers), atol=1e-4)
    assert plain_logliks(model, tokenizer, texts, answers).argmax(1).tolist() == [0, 0]
