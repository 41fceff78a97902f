"""Prompts of T5-like models: the very ids with one end token, and no conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.chat import Chat
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import render
from autoprompt_search.testing.factories import label_answers

PROMPT = Prompt(Template("t", "Review: {text}\nSentiment:"), label_answers({"p": ("good",), "n": ("bad",)}))
QUERY = Example("q", {"text": "The lid was poor. </s>"}, "n")
GOLDEN = ["Review", ":", "ĠThe", "Ġlid", "Ġwas", "Ġpoor", ".", "Ġ", "<", "/", "s", ">", "Ċ", "Sentiment", ":", "</s>"]


def test_golden_ids_end_with_one_end_token_and_begin_with_none() -> None:
    backend = hf_seq2seq("builtin:t5")
    (ids,) = backend.prompt_ids([render(PROMPT, QUERY)])
    tokenizer = backend._spec.tokenizer.raw
    assert tokenizer.convert_ids_to_tokens(ids) == GOLDEN
    assert ids.count(tokenizer.eos_token_id) == 1  # what the data spell like one is text


@pytest.mark.parametrize(("backend", "model"), [(hf_seq2seq, "builtin:t5"), (hf_masked, "builtin:bert")])
def test_a_conversation_is_one_problem_before_any_weights_are_read(backend, model) -> None:
    asked = render(replace(PROMPT, chat=Chat()), QUERY)
    (problem,) = backend(model).problems([asked], [" good", " bad"])
    assert "takes no conversation; leave layout.chat at none" in problem
    assert not backend(model).problems([render(PROMPT, QUERY)], [" good", " bad"])
