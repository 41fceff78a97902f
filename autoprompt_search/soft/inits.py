"""Where a soft prompt starts. Knows vectors and texts, no optimiser and no model class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from autoprompt_search.core.protocols import TuneData, Tunes
from autoprompt_search.core.rng import derive_seed

Init = Literal["text", "vocabulary", "labels", "random"]

_PROMPTS_READ = 64
"""Training prompts whose tokens make the frequent vocabulary."""


def initial_vectors(init: Init, model: Tunes, data: TuneData, tokens: int, seed: int) -> torch.Tensor:
    """[tokens, width] float32, on the model's device.

    `text`: the vectors of `data.init_text`, repeated or cut to `tokens`; with exactly `tokens` tokens, step 0
    equals that text written in front of the prompt. `vocabulary`: tokens drawn by their frequency in the
    training prompts, without repetition; special tokens are never among them. `labels`: the mean vector of
    each label word, then `vocabulary` (Lester et al. 2021, section 3.2). `random`: normal, with the
    embedding table's own RMS. A text without tokens of its own falls back to `vocabulary`.
    """
    return _STARTS[init](model, data, tokens, seed)


def embedding_rms(model: Tunes) -> float:
    """Root mean square of the input embeddings' coordinates: the unit of the learning rate."""
    table: torch.Tensor = model.embedding_table()
    return float(table.double().pow(2).mean().sqrt())


def _text(model: Tunes, data: TuneData, tokens: int, seed: int) -> torch.Tensor:
    own: torch.Tensor = model.embed_tokens(data.init_text)
    return _cycled(own, tokens) if len(own) else _vocabulary(model, data, tokens, seed)


def _vocabulary(model: Tunes, data: TuneData, tokens: int, seed: int) -> torch.Tensor:
    seen = torch.cat([model.embed_tokens(prompt.text) for prompt in data.prompts[:_PROMPTS_READ]])
    if not len(seen):
        return _random(model, data, tokens, seed)
    kinds, counts = torch.unique(seen, dim=0, return_counts=True)
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft-init"))
    drawn = torch.multinomial(counts.cpu().float(), min(tokens, len(kinds)), generator=generator)
    return _cycled(kinds[drawn.to(kinds.device)], tokens)


def _labels(model: Tunes, data: TuneData, tokens: int, seed: int) -> torch.Tensor:
    words = [vectors.mean(0) for word in data.label_words if len(vectors := model.embed_tokens(word))]
    rest = _vocabulary(model, data, tokens, seed)
    return torch.cat([torch.stack(words), rest])[:tokens] if words else rest


def _random(model: Tunes, data: TuneData, tokens: int, seed: int) -> torch.Tensor:  # noqa: ARG001
    table: torch.Tensor = model.embedding_table()
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft-init"))
    return (torch.randn(tokens, table.shape[1], generator=generator) * embedding_rms(model)).to(table.device)


def _cycled(rows: torch.Tensor, count: int) -> torch.Tensor:
    return rows[torch.arange(count, device=rows.device) % len(rows)]


_STARTS: dict[str, Callable[[Tunes, TuneData, int, int], torch.Tensor]] = {
    "text": _text,
    "vocabulary": _vocabulary,
    "labels": _labels,
    "random": _random,
}
