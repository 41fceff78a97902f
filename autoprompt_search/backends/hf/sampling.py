"""From logits to the next token of every row. Knows numbers, no model."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import TrialError


def next_tokens(logits: torch.Tensor, limits: Limits, streams: Sequence[random.Random]) -> Ids:
    """One token per row: the likeliest one, or one drawn with one number of the row's own stream.

    Args:
        logits: [rows, vocabulary] float32.
        limits: Temperature, and share of the probability that is drawn from.
        streams: One per row.

    Raises:
        TrialError: The model gives no numbers.
    """
    top = logits.max(-1)
    if bool(top.values.isnan().any()):
        raise TrialError("the model gives no finite numbers for the next token")
    if limits.temperature == 0:
        return [int(token) for token in top.indices.tolist()]
    numbers = torch.tensor([stream.random() for stream in streams], dtype=torch.float64, device=logits.device)
    shares = (logits.double() / limits.temperature).softmax(-1)
    if limits.top_p >= 1:
        return _at(shares, numbers)
    ordered = shares.sort(stable=True, dim=-1, descending=True)
    before = ordered.values.cumsum(-1) - ordered.values
    kept = ordered.values.masked_fill(before >= limits.top_p, 0)
    drawn = torch.tensor(_at(kept / kept.sum(-1, keepdim=True), numbers), device=logits.device)
    return [int(token) for token in ordered.indices.gather(1, drawn[:, None])[:, 0].tolist()]


def _at(shares: torch.Tensor, numbers: torch.Tensor) -> Ids:
    """Per row the first place up to which the shares add up to more than the row's number."""
    sums = shares.cumsum(-1)
    places = torch.searchsorted(sums, (numbers * sums[:, -1])[:, None], right=True)[:, 0]
    last = (shares > 0).long().cumsum(-1).argmax(-1)  # of rounding at the end
    return [int(index) for index in torch.minimum(places, last).tolist()]
