"""Keys and values of shared prompt beginnings, computed once. Knows the model's cache, not prompts or answers."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from autoprompt_search.backends.kv import cache_of
from autoprompt_search.backends.placing import Soft, embedded
from autoprompt_search.backends.tokens import Ids, common_run


@dataclass(frozen=True, slots=True)
class Prefix:
    """What all rows of a call begin with, as the model remembers it. Never mutated."""

    cache: Any
    """A `DynamicCache` of batch size 1; forward passes get copies, because they extend what they are given."""
    tokens: int
    """Ids covered, soft tokens among them."""
    soft: int = 0
    """Positions in front of them that are keys and values of a soft prompt."""

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
        """The prefix of exactly these ids; grown from the longest one known.

        None when the model keeps other things than keys and values (state-space layers, shared layers).
        """
        key = soft.key if soft and (soft.is_prefix or any(i < 0 for i in ids)) else ""
        start = self._longest(ids, key)
        if start is not None and start.tokens == len(ids):
            return start
        prefix = _grown(model, ids, soft, start)
        if prefix is not None:
            self._keep((key, tuple(ids)), prefix)
        return prefix

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _longest(self, ids: Ids, soft: str) -> Prefix | None:
        best: Prefix | None = None
        for key in list(self._kept):
            if key[0] != soft:
                continue
            run = common_run(list(key[1]), ids)
            usable = self._kept[key].shortened(run) if run or self._kept[key].soft else None
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
    before = soft.length if soft is not None and soft.is_prefix else 0
    cache = _empty(model, soft) if start is None else start.expanded(1)
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers):
        return None
    rest = torch.tensor([ids[start.tokens if start else 0 :]], dtype=torch.long, device=model.device)
    if rest.shape[1]:
        model.base_model(**embedded(model, rest, soft), past_key_values=cache, use_cache=True)
    if any(not layer.is_initialized for layer in cache.layers):
        return None
    return Prefix(cache, len(ids), before)


def _empty(model: Any, soft: Soft | None) -> Any:
    if soft is not None and soft.is_prefix:
        return cache_of(model, soft.vectors)
    return DynamicCache(config=model.config)
