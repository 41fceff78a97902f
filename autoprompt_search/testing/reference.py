"""The plain way to score: one joined text at a time, all logits. Slow, and what every fast way must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autoprompt_search.core.arrays import Floats


@torch.no_grad()
def plain_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers] natural log-probabilities of each answer after each prompt.

    What is scored are the tokens of prompt + answer, tokenised as one text, from the first one that differs
    from the prompt's own tokens.

    Args:
        model: A causal LM of transformers.
        tokenizer: Its tokenizer; special tokens written in a text are read as text.
        prompts: Texts.
        answers: Exact continuations.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        alone = tokenizer(prompt, split_special_tokens=True)["input_ids"]
        for column, answer in enumerate(answers):
            ids = tokenizer(prompt + answer, split_special_tokens=True)["input_ids"]
            start = 0
            while start < min(len(alone), len(ids)) and alone[start] == ids[start]:
                start += 1
            logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0].float()
            logprobs = logits.log_softmax(-1)
            out[row, column] = sum(float(logprobs[i - 1, ids[i]]) for i in range(start, len(ids)))
    return out


@torch.no_grad()
def plain_masked_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers]: each answer in the masks behind each prompt, token by token from left to right.

    Args:
        model: A masked LM of transformers.
        tokenizer: Its tokenizer.
        prompts: Texts.
        answers: Texts; each token takes one mask.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        framed = tokenizer(prompt, split_special_tokens=True)["input_ids"]
        for column, answer in enumerate(answers):
            word = tokenizer(answer, split_special_tokens=True, add_special_tokens=False)["input_ids"]
            for step, token in enumerate(word):
                masks = [tokenizer.mask_token_id] * (len(word) - step)
                ids = torch.tensor([[*framed[:-1], *word[:step], *masks, framed[-1]]])
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].float()
                out[row, column] += float(logits[len(framed) - 1 + step].log_softmax(-1)[token])
    return out


@torch.no_grad()
def plain_seq2seq_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers]: each answer's own tokens by the decoder, one prompt and answer at a time.

    Args:
        model: A sequence-to-sequence LM of transformers.
        tokenizer: Its tokenizer; what it puts before a text stands before the answer, too.
        prompts: Texts.
        answers: Texts.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        ids = torch.tensor([tokenizer(prompt, split_special_tokens=True)["input_ids"]])
        for column, answer in enumerate(answers):
            bare = tokenizer(answer, split_special_tokens=True, add_special_tokens=False)["input_ids"]
            full = tokenizer(answer, split_special_tokens=True)["input_ids"]
            before = full[: full.index(bare[0])]
            decoder = [model.config.decoder_start_token_id, *before, *bare]
            logits = model(input_ids=ids, decoder_input_ids=torch.tensor([decoder])).logits[0].float().log_softmax(-1)
            start = len(decoder) - len(bare)
            out[row, column] = sum(float(logits[start + i - 1, token]) for i, token in enumerate(bare))
    return out
