"""Rows that go on from pasts of their own, in one forward pass: pasts of other lengths are filled up on the left.

Knows a model's cache and ids, not where pasts come from.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from autoprompt_search.backends.hf.positions import Soft, padded, vectors_of
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.tokenizer import Ids

Layer = tuple[torch.Tensor, torch.Tensor]
"""Keys and values [rows, heads, positions, width]."""
Past = tuple[Prefix, ...]
"""What was read before, from left to right; () for nothing."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """One row to go on with."""

    past: Past
    ids: Ids
    """What is still to be read; negative ids are soft tokens."""


def length(past: Past) -> int:
    """Number of positions."""
    return sum(piece.length for piece in past)


def can_mix(model: Any) -> bool:
    """Whether rows with pasts of other lengths may share a forward pass.

    Layers with windows drop what is old by counting from the right end of all rows alike, and models that take no
    `position_ids` count the filling.
    """
    cache = DynamicCache(config=model.config.get_text_config())
    takes_places = "position_ids" in inspect.signature(model.forward).parameters
    return takes_places and can_keep(model) and all(type(layer) is DynamicLayer for layer in cache.layers)


def can_keep(model: Any) -> bool:
    """Whether keys and values are all that the model keeps of what it has read, each layer its own."""
    config = model.config.get_text_config()
    layers = DynamicCache(config=config).layers
    is_own = not getattr(config, "num_kv_shared_layers", 0)
    return is_own and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def arguments(model: Any, rows: Sequence[Continuation], soft: Soft | None) -> dict[str, Any]:
    """Arguments of a forward pass over `rows`, filled up on the right; differentiable in soft vectors and in pasts.

    Rows that do not share one past need a model that `can_mix`.
    """
    ids = padded([row.ids for row in rows], model.device)
    inputs: dict[str, Any] = {"input_ids": ids}
    if soft is not None and any(i < 0 for row in rows for i in row.ids):
        inputs = {"inputs_embeds": vectors_of(model, ids, soft)}
    if all(row.past == rows[0].past for row in rows):
        if not rows[0].past:
            return {**inputs, "use_cache": False}
        if len(rows[0].past) == 1:
            return {**inputs, "past_key_values": rows[0].past[0].expanded(len(rows)), "use_cache": True}
    cache, seen = _joined(model, [row.past for row in rows])
    own = torch.tensor([[1] * len(row.ids) + [0] * (ids.shape[1] - len(row.ids)) for row in rows], device=ids.device)
    lengths = torch.tensor([[length(row.past), len(row.ids)] for row in rows], device=ids.device)
    places = torch.arange(ids.shape[1], device=ids.device).clamp(max=lengths[:, 1:] - 1) + lengths[:, :1]
    mask = torch.cat([seen, own], 1)
    return {**inputs, "past_key_values": cache, "attention_mask": mask, "position_ids": places, "use_cache": True}


def extend(model: Any, rows: Sequence[Continuation], soft: Soft | None) -> list[Prefix]:
    """What each row's whole past is once its ids are read, for going on from it; differentiable."""
    inputs = arguments(model, rows, soft)
    cache = inputs.get("past_key_values", DynamicCache(config=model.config.get_text_config()))
    model.base_model(**{**inputs, "past_key_values": cache, "use_cache": True})
    if len(rows) == 1:
        return [_whole(cache, rows[0])]
    ends = cache.get_seq_length() - max(len(row.ids) for row in rows)
    return [_cut(model, cache, number, row, ends) for number, row in enumerate(rows)]


def tail(model: Any, prefix: Prefix, tokens: int) -> Prefix:
    """Its last `tokens` positions alone, in memory of their own."""
    start = prefix.length - tokens
    own = [(k[:, :, start:].clone(), v[:, :, start:].clone()) for k, v in _layers(prefix)]
    return Prefix(_cache(model, own), tokens)


def _whole(cache: Any, row: Continuation) -> Prefix:
    soft = sum(piece.soft for piece in row.past)
    return Prefix(cache, length(row.past) - soft + len(row.ids), soft)


def _cut(model: Any, cache: Any, number: int, row: Continuation, ends: int) -> Prefix:
    """One row of a batch whose pasts, of one piece at most, end at `ends`."""
    span = slice(ends - length(row.past), ends + len(row.ids))
    own = [
        (kept.keys[number : number + 1, :, span], kept.values[number : number + 1, :, span]) for kept in cache.layers
    ]
    return _whole(_cache(model, own), row)


def _joined(model: Any, pasts: Sequence[Past]) -> tuple[Any, torch.Tensor]:
    """A cache for these rows, and the mask of what in it is theirs [rows, positions]."""
    levels = [[past[n] if n < len(past) else None for past in pasts] for n in range(max(map(len, pasts)))]
    parts = [_level(model, pieces) for pieces in levels]
    layers = [
        (torch.cat([keys for keys, _ in same], 2), torch.cat([values for _, values in same], 2))
        for same in zip(*parts, strict=True)
    ]
    longest = [max(piece.length for piece in pieces if piece is not None) for pieces in levels]
    sizes = [[piece.length if piece is not None else 0 for piece in pieces] for pieces in zip(*levels, strict=True)]
    seen = [[int(i >= most - n) for n, most in zip(row, longest, strict=True) for i in range(most)] for row in sizes]
    return _cache(model, layers), torch.tensor(seen, device=model.device)


def _level(model: Any, pieces: Sequence[Prefix | None]) -> list[Layer]:
    """Keys and values [rows, heads, longest, width] of every layer. Where a row has no piece they are zeros: numbers
    of another row, though nobody sees them, might not be finite."""
    distinct = list({id(piece): piece for piece in pieces if piece is not None}.values())
    order = {id(piece): number for number, piece in enumerate(distinct)}
    if None not in pieces and len(distinct) == 1:
        return [(k.expand(len(pieces), -1, -1, -1), v.expand(len(pieces), -1, -1, -1)) for k, v in _layers(distinct[0])]
    which = torch.tensor([order.get(id(piece), len(distinct)) for piece in pieces], device=model.device)
    longest = max(piece.length for piece in distinct)

    def batch(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        filled = [torch.nn.functional.pad(t, (0, 0, longest - t.shape[2], 0)) for t in tensors]
        return torch.cat([*filled, torch.zeros_like(filled[0])])[which]

    return [
        (batch([k for k, _ in same]), batch([v for _, v in same])) for same in zip(*map(_layers, distinct), strict=True)
    ]


def _layers(prefix: Prefix) -> list[Layer]:
    return [(layer.keys, layer.values) for layer in prefix.cache.layers]


def _cache(model: Any, layers: Sequence[Layer]) -> Any:
    """A cache that holds these very tensors."""
    cache = DynamicCache(config=model.config.get_text_config())
    for kept, (keys, values) in zip(cache.layers, layers, strict=True):
        kept.lazy_initialization(keys, values)
        kept.keys, kept.values = keys, values
    return cache
