"""Rows of models that read both ways: the tokenizer's frame, padding masks, pairs of texts. Knows no head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from autoprompt_search.backends.hf import kv
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, mask_of, padded
from autoprompt_search.backends.hf.scoring import Row, TokenTarget
from autoprompt_search.backends.hf.tokenizer import Ids, PromptTokenizer
from autoprompt_search.core.prompts import Rendered


def framed(tokenizer: PromptTokenizer, prompts: Sequence[Rendered]) -> list[tuple[Base, int]]:
    """Each prompt in the tokenizer's frame, without its answer; and where its second text begins, 0 for one text.

    The parts on both sides of the answer are tokenised as the tokenizer does around a mask: apart.
    """
    bases = []
    for prompt in prompts:
        first, second = _parts(prompt)
        between, has_types = tokenizer.between if second is not None else ([], False)
        ids, answer, border = list(tokenizer.before), -1, 0
        for number, (left, right) in enumerate(part for part in (first, second) if part is not None):
            if number:
                ids += between
                border = len(ids) if has_types else 0
            ids += tokenizer.encode([left])[0]
            if right is not None:
                answer = len(ids)
                ids += tokenizer.encode([right])[0]
        if answer < 0:
            answer = len(ids)
        bases.append((Base(ids + tokenizer.after, answer), border))
    return bases


Part = tuple[str, str | None]
"""One of a pair of texts: what stands before the answer, and what after it; None where the answer is not in it."""


def _parts(prompt: Rendered) -> tuple[Part, Part | None]:
    marks = [i for i, s in enumerate(prompt.segments) if s.origin == "pair"]
    segments = [prompt.segments] if not marks else [prompt.segments[: marks[-1]], prompt.segments[marks[-1] + 1 :]]
    parts: list[Part] = []
    for one in segments:
        places = [i for i, s in enumerate(one) if s.origin == "answer"]
        at = places[-1] if places else len(one)
        left, right = ("".join(s.text for s in run) for run in (one[:at], one[at:]))
        parts.append((left, right if places else None))
    return parts[0], parts[1] if len(parts) > 1 else None


def one_row(number: int, bare: Base, border: int, tokens: Sequence[int], soft: Soft | None) -> Row:
    """The row of prompt `number` from which one number per answer is read, whose head is no language model's.

    Args:
        number: Of the prompt.
        bare: The prompt without soft tokens.
        border: Where its second text begins; 0 for one text.
        tokens: Per answer what is asked of the head.
        soft: The soft prompt, which moves the border.
    """
    base = insert(bare, soft)
    wants = tuple(TokenTarget(number, answer, 0, token) for answer, token in enumerate(tokens))
    return Row(base.ids, wants, border=border + len(base.ids) - len(bare.ids) if border else 0)


def both_ways(model: Any, rows: Sequence[Row], soft: Soft | None) -> dict[str, Any]:
    """Arguments of a forward pass over rows that are read both ways, filled up on the right and masked."""
    ids = padded([row.ids for row in rows], model.device)
    before = soft.length if soft is not None and soft.is_prefix else 0
    inputs: dict[str, Any] = {
        **embedded(model, ids, soft),
        "attention_mask": mask_of([row.ids for row in rows], model.device, before),
    }
    if any(row.border for row in rows):
        places = torch.arange(ids.shape[1], device=model.device)
        borders = torch.tensor([row.border or ids.shape[1] for row in rows], device=model.device)
        inputs["token_type_ids"] = (places >= borders[:, None]).long()
    if before and soft is not None:
        inputs["past_key_values"] = kv.cache_of(model, soft.vectors, len(rows))
    return inputs


def mean_pooled(model: Any, rows: Sequence[Ids]) -> torch.Tensor:
    """[rows, width] float32: mean of the last hidden states over each row."""
    inputs = {"input_ids": padded(rows, model.device), "attention_mask": mask_of(rows, model.device)}
    hidden = model(**inputs).last_hidden_state
    return torch.stack([h[: len(row)].float().mean(0) for h, row in zip(hidden, rows, strict=True)])
