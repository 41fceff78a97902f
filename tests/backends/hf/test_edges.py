"""Models at the edge: each works as the slow way does, or is refused in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    ByT5Tokenizer,
    MptConfig,
    MptForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    XLNetConfig,
    XLNetLMHeadModel,
)

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.testing.backend_contract import LONG_ANSWERS, PROMPTS, close, rendered
from autoprompt_search.testing.reference import plain_logliks, plain_seq2seq_logliks
from autoprompt_search.testing.tiny import tiny_tokenizer

ROWS = [rendered(p) for p in PROMPTS]


@pytest.fixture(scope="module")
def byt5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("byt5")
    torch.manual_seed(0)
    config = T5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    return folder


# A tokenizer in Python alone, without character offsets


def test_a_tokenizer_without_offsets_scores_as_the_plain_loop(byt5):
    backend = hf_seq2seq(str(byt5), device="cpu")
    model = T5ForConditionalGeneration.from_pretrained(byt5, dtype=torch.float32).eval()
    assert backend.problems(ROWS, LONG_ANSWERS) == []
    texts = [*PROMPTS, "a film </s> I liked", "悪い映画"]
    wanted = plain_seq2seq_logliks(model, ByT5Tokenizer(), texts, LONG_ANSWERS)
    assert close(backend.score([rendered(t) for t in texts], LONG_ANSWERS).logliks, wanted)


@pytest.mark.parametrize("text", ["a long film", "悪い映画", "x"])
@pytest.mark.parametrize("tokens", [1, 2, 5, 99])
def test_a_text_is_cut_by_as_many_tokens_at_least(text, tokens, byt5):
    tokenizer = hf_seq2seq(str(byt5))._spec.tokenizer
    whole, cut = len(tokenizer.encode([text])[0]), tokenizer.cut(text, tokens)
    assert text.startswith(cut)
    assert len(tokenizer.encode([cut])[0]) <= max(0, whole - tokens)
    longer = text[: len(cut) + 1]
    assert longer == cut or len(tokenizer.encode([longer])[0]) > whole - tokens


# Models that transformers calls causal and that read both ways


def test_a_causal_model_that_reads_both_ways_is_refused(tmp_path):
    tokenizer = tiny_tokenizer("<s> $A </s>")
    XLNetLMHeadModel(
        XLNetConfig(vocab_size=len(tokenizer), d_model=32, n_layer=2, n_head=2, d_inner=64)
    ).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (problem,) = hf_causal(str(tmp_path)).problems(ROWS, LONG_ANSWERS)
    assert "'xlnet' model, which reads both ways" in problem


# Attention that is biased by distance (ALiBi)


@pytest.mark.parametrize("kind", ["mpt", "bloom"])
@pytest.mark.parametrize("seed", [0, 5])
def test_answers_in_one_call_score_as_alone_under_attention_by_distance(kind, seed, tmp_path):
    tokenizer = tiny_tokenizer()
    torch.manual_seed(seed)
    if kind == "mpt":
        model = MptForCausalLM(MptConfig(vocab_size=len(tokenizer), d_model=32, n_heads=2, n_layers=2))
    else:
        model = BloomForCausalLM(BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_head=2, n_layer=2))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    answers = [" no", " new york", " los angeles city", " san diego"]
    prompts = [rendered("Review: fine\nSentiment:"), Rendered((Segment("a much longer film " * 8 + "It was"),))]
    found = hf_causal(str(tmp_path), device="cpu", state_megabytes=0).score(prompts, answers).logliks
    wanted = plain_logliks(model.eval(), tokenizer, [p.text for p in prompts], answers)
    assert np.abs(found - wanted).max() < 1e-4


# Models with code of their own


def test_a_model_that_needs_its_own_code_is_refused_and_the_code_is_not_run(tmp_path):
    config = {"model_type": "homemade", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "own.py").write_text("raise SystemExit('the code was run')", encoding="utf-8")
    (problem,) = hf_causal(str(tmp_path)).problems(ROWS, LONG_ANSWERS)
    assert "comes with code of its own, which is never run" in problem
