"""Keys and values of shared prompt beginnings, computed once. Knows the model's cache, not prompts or answers."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from autoprompt_search.backends.tokens import Ids, common_run


@dataclass(frozen=True, slots=True)
class Soft:
    """Vectors in front of the tokens, and their digest."""

    vectors: torch.Tensor
    """[tokens, width] on the model's device, in its number format."""
    key: str = ""
    tokens: int = 0
    """Token ids covered: none, they come after."""

    @property
    def length(self) -> int:
        """Positions covered."""
        return len(self.vectors)

    def before(self, model: Any, ids: torch.Tensor) -> torch.Tensor:
        """[rows, length + tokens, width]: these vectors, then those of `ids` [rows, tokens]."""
        embeds = model.get_input_embeddings()(ids)
        front = self.vectors.to(device=embeds.device, dtype=embeds.dtype)
        return torch.cat([front.expand(len(ids), -1, -1), embeds], 1)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What all rows of a call begin with, as the model remembers it. Never mutated."""

    cache: Any
    """A `DynamicCache` of batch size 1; forward passes get copies, because they extend what they are given."""
    tokens: int
    """Token ids covered."""
    soft: int = 0
    """Soft tokens in front of them."""

    @property
    def length(self) -> int:
        """Positions covered."""
        return self.tokens + self.soft

    @property
    def nbytes(self) -> int:
        """Memory of keys and values."""
        return sum(t.numel() * t.element_size() for layer in self.cache.layers for t in (layer.keys, layer.values))

    def expanded(self, rows: int) -> Any:
        """A cache for `rows` rows whose tensors are views of this one's."""
        return self._copy(lambda t: t.expand(rows, -1, -1, -1))

    def shortened(self, tokens: int) -> Prefix | None:
        """The first `tokens` tokens; None where layers have already forgotten their beginning."""
        if tokens == self.tokens:
            return self
        if any(type(layer) is not DynamicLayer for layer in self.cache.layers):
            return None
        length = tokens + self.soft
        return Prefix(self._copy(lambda t: t[..., :length, :]), tokens, self.soft)

    def _copy(self, view: Any) -> Any:
        made = DynamicCache()
        made.layer_class_to_replicate = None
        for layer in self.cache.layers:
            # A layer's update rebinds its tensors and counters, so that a shallow copy is a copy on write.
            twin = copy.copy(layer)
            twin.keys, twin.values = view(layer.keys), view(layer.values)
            made.layers.append(twin)
        return made


class PrefixStore:
    """The most recently used prefixes of one model, within a number of bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], Prefix] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(prefix.nbytes for prefix in self._kept.values())

    def get(self, model: Any, ids: Ids, soft: Soft | None) -> Prefix | None:
        """The prefix of exactly these ids after the soft vectors; grown from the longest one known.

        None when the model keeps other things than keys and values (state-space layers, shared layers).
        """
        start = self._longest(ids, soft)
        if start is not None and start.tokens == len(ids):
            return start
        prefix = _grown(model, ids, soft, start)
        if prefix is not None:
            self._keep((soft.key if soft else "", tuple(ids)), prefix)
        return prefix

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _longest(self, ids: Ids, soft: Soft | None) -> Prefix | None:
        best: Prefix | None = None
        for key in list(self._kept):
            if key[0] != (soft.key if soft else ""):
                continue
            run = common_run(list(key[1]), ids)
            usable = self._kept[key].shortened(run) if run or soft else None
            if usable is not None and (best is None or usable.tokens > best.tokens):
                best = usable
                self._kept.move_to_end(key)
        return best

    def _keep(self, key: tuple[str, tuple[int, ...]], prefix: Prefix) -> None:
        self._kept[key] = prefix
        self._kept.move_to_end(key)
        while self._kept and self.nbytes > self.limit:
            self._kept.popitem(last=False)


@torch.no_grad()
def _grown(model: Any, ids: Ids, soft: Soft | None, start: Prefix | None) -> Prefix | None:
    """Run the model over what `start` does not cover yet."""
    cache = start.expanded(1) if start else DynamicCache(config=model.config)
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers):
        return None
    rest = torch.tensor([ids[start.tokens if start else 0 :]], dtype=torch.long, device=model.device)
    inputs = {"inputs_embeds": soft.before(model, rest)} if soft and start is None else {"input_ids": rest}
    model.base_model(**inputs, past_key_values=cache, use_cache=True)
    if any(not layer.is_initialized for layer in cache.layers):
        return None
    return Prefix(cache, len(ids), soft.length if soft else 0)
