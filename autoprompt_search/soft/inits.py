"""Where a soft prompt starts. Knows vectors and texts, no optimiser and no model class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.core.protocols.tuning import GivesVectors, TuneData
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.soft.options import Init

_PROMPTS_READ = 64
"""Training prompts whose tokens make the frequent vocabulary."""
_PROMPTS_REMEMBERED = 4
"""Training prompts that frequent keys and values are drawn from: each costs a forward pass."""


@dataclass(frozen=True, slots=True)
class Start:
    """Initial vectors, and where they stand."""

    vectors: torch.Tensor
    """[tokens, width(place)] float32, on the model's device."""
    place: SoftPosition


def start(init: Init, model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> Start:
    """The beginning of a training.

    `text`: vectors of the prompt's own tokens at the place, at most `tokens`, which are left out for them, so that
    every score stays what it was. Where the prompts share no tokens there, or the model cannot say: the template's
    own words, repeated or cut to `tokens`, and nothing is left out. `demos`: token vectors spread evenly over
    the demonstrations. `vocabulary`: tokens drawn by their frequency in the training prompts, without
    repetition; special tokens are never among them. `labels`: the mean vector of each label word,
    where answers are labels, then `vocabulary` (Lester et al. 2021, section 3.2). `random`: normal, with the RMS of
    the embedding table.

    Prefixes hold what the model remembers of such texts (Li & Liang 2021, section 7.4): keys and values of their
    tokens, drawn for `vocabulary` from a few training prompts; `random` has the RMS of the template's own.
    A text without tokens falls back to `vocabulary`, and prompts without tokens to `random`.
    """
    if init == "text":
        own: torch.Tensor = model.own_vectors(data.prompts, place, tokens)
        if len(own):
            return Start(own, replace(place, replaces=len(own)))
    return Start(_STARTS[init](model, data, place, tokens, seed), place)


def rms(vectors: torch.Tensor) -> float:
    """Root mean square of the coordinates."""
    return float(vectors.double().pow(2).mean().sqrt())


def _text(model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> torch.Tensor:
    own: torch.Tensor = model.text_vectors(data.init_text, place)
    return _cycled(own, tokens) if len(own) else _vocabulary(model, data, place, tokens, seed)


def _demos(model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> torch.Tensor:
    vectors = [model.text_vectors(text, place) for text in data.demo_texts]
    rows = torch.cat(vectors) if vectors else torch.empty(0)
    if not len(rows):
        return _vocabulary(model, data, place, tokens, seed)
    return rows[torch.linspace(0, len(rows) - 1, tokens, device=rows.device).round().long()]


def _vocabulary(model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft-init"))
    if place.kind == "prefix":
        order = torch.randperm(len(data.prompts), generator=generator).tolist()[:_PROMPTS_REMEMBERED]
        rows = torch.cat([model.text_vectors(data.prompts[i].text, place) for i in order])
        weights = torch.ones(len(rows))
    else:
        seen = torch.cat([model.embed_tokens(prompt.text) for prompt in data.prompts[:_PROMPTS_READ]])
        rows, counts = torch.unique(seen, dim=0, return_counts=True) if len(seen) else (seen, seen)
        weights = counts.cpu().float()
    if not len(rows):
        return _random(model, data, place, tokens, seed)
    drawn = torch.multinomial(weights, min(tokens, len(rows)), generator=generator)
    return _cycled(rows[drawn.to(rows.device)], tokens)


def _labels(model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> torch.Tensor:
    vectors = (model.text_vectors(word, place) for word in data.label_words)
    words = [rows.mean(0) for rows in vectors if len(rows)]
    rest = _vocabulary(model, data, place, tokens, seed)
    return torch.cat([torch.stack(words), rest])[:tokens] if words else rest


def _random(model: GivesVectors, data: TuneData, place: SoftPosition, tokens: int, seed: int) -> torch.Tensor:
    sample: torch.Tensor = model.embedding_table()
    if place.kind == "prefix":
        own = model.text_vectors(data.init_text, place)
        sample = own if len(own) else model.text_vectors(data.prompts[0].text, place)
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft-init"))
    drawn = torch.randn(tokens, sample.shape[1], generator=generator)
    return (drawn * rms(sample)).to(sample.device)


def _cycled(rows: torch.Tensor, count: int) -> torch.Tensor:
    return rows[torch.arange(count, device=rows.device) % len(rows)]


_STARTS: dict[str, Callable[[GivesVectors, TuneData, SoftPosition, int, int], torch.Tensor]] = {
    "text": _text,
    "demos": _demos,
    "vocabulary": _vocabulary,
    "labels": _labels,
    "random": _random,
}
