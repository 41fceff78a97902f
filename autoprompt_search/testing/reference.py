"""The plain way to score: one joined text at a time, all logits. Slow, and what every fast way must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autoprompt_search.core.protocols import Floats


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
