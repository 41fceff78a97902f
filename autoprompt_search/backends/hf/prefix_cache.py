"""Keys and values of shared prompt beginnings, computed once. Knows the model's cache, not prompts or answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from autoprompt_search.backends.hf.kv import layers_of
from autoprompt_search.backends.hf.positions import Soft, embedded
from autoprompt_search.backends.hf.tokenizer import Ids, common_run

Key = int | tuple[str, int]
"""What a position holds: a token id, or a vector of a soft prompt by the prompt's digest and the vector's number."""
Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Per layer keys and values [1, heads, positions, head width]."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What all rows of a group begin with, as the model remembers it. Never mutated."""

    cache: Any
    """A `DynamicCache` of batch size 1; forward passes get copies, because they extend what they are given."""
    tokens: int
    """Ids covered, soft tokens among them."""
    soft: int = 0
    """Positions in front of them that are keys and values of a soft prompt."""
    is_cascaded: bool = False
    """Attended once for the whole batch, see `cascade`, instead of row by row."""

    @property
    def length(self) -> int:
        """Number of positions that it covers."""
        return self.tokens + self.soft

    @property
    def nbytes(self) -> int:
        """Memory of keys and values."""
        return _bytes(self.layers)

    @property
    def layers(self) -> Layers:
        """Keys and values of every layer."""
        return _layers(self.cache)

    def expanded(self, rows: int) -> Any:
        """A cache for `rows` rows whose tensors are views of this one's."""
        cache = DynamicCache()
        cache.layer_class_to_replicate = None
        for layer in self.cache.layers:
            # A layer's update rebinds its tensors and counters, so that a shallow copy is a copy on write.
            twin = copy.copy(layer)
            twin.keys, twin.values = (t.expand(rows, -1, -1, -1) for t in (layer.keys, layer.values))
            cache.layers.append(twin)
        return cache


@dataclass(slots=True, eq=False)
class _Node:
    """A run of positions that is followed by different ones; what stands before it is in its parents."""

    keys: tuple[Key, ...]
    layers: Layers
    """Keys and values of exactly these positions."""
    used: int
    children: dict[Key, _Node] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return _bytes(self.layers)


class PrefixCache:
    """A radix tree over the beginnings that one model has read (as in SGLang, Zheng et al. 2024, arXiv 2312.07104).

    Beginnings that share their first ids share the work and the memory of these, whichever prompt, rung or trial
    they come from. The least recently used ends are forgotten where the tree is larger than `limit` bytes.
    Layers with a sliding window are kept whole: what a window has left behind is needed where a
    beginning is used in part.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        """Memory held."""
        self._root = _Node((), (), 0)
        self._clock = 0
        self._is_unfit = False

    def get(self, model: Any, ids: Ids, soft: Soft | None) -> Prefix | None:
        """The prefix of exactly these ids; grown from the longest one known.

        None when the model keeps other things than keys and values (state-space layers, shared layers).
        """
        if self._is_unfit:
            return None
        before = soft.length if soft is not None and soft.is_prefix else 0
        path = _path(ids, soft)
        known = self._find(path)
        layers, length = _joined([part for _, part in known]), sum(len(node.keys) for node, _ in known)
        if length < len(path):
            grown = _grown(model, ids, soft, layers, length)
            if grown is None:
                self._is_unfit = True
                return None
            layers = grown
            self._keep(path, layers)
        return Prefix(_cache(model, layers), len(ids), before)

    def clear(self) -> None:
        """Forget everything."""
        self._root = _Node((), (), 0)
        self.nbytes = 0

    def runs(self) -> list[tuple[Key, ...]]:
        """The longest beginnings that are known."""
        return [sum((node.keys for node in trail), ()) for trail in self._leaves()]

    def _find(self, path: Sequence[Key]) -> list[tuple[_Node, Layers]]:
        """Nodes that `path` begins with, the last one cut where it goes on otherwise; marked as used."""
        self._clock += 1
        matched: list[tuple[_Node, Layers]] = []
        node, at = self._root, 0
        while at < len(path) and path[at] in node.children:
            node = node.children[path[at]]
            run = common_run(node.keys, path[at : at + len(node.keys)])
            if run < len(node.keys):
                node = self._split(node, run)
            node.used = self._clock
            matched.append((node, node.layers))
            at += run
        return matched

    def _split(self, node: _Node, run: int) -> _Node:
        """Make two of a node, the upper one with its first `run` positions; the upper one takes its place."""
        lower = _Node(node.keys[run:], _part(node.layers, run, None), node.used, node.children)
        node.keys, node.layers, node.children = node.keys[:run], _part(node.layers, 0, run), {lower.keys[0]: lower}
        return node

    def _keep(self, path: tuple[Key, ...], layers: Layers) -> None:
        """Add what of `path` the tree does not hold, then forget what is too much."""
        node, at = self._root, 0
        while at < len(path) and path[at] in node.children:
            node = node.children[path[at]]
            at += len(node.keys)
        new = _Node(path[at:], _part(layers, at, None), self._clock)
        node.children[path[at]] = new
        self.nbytes += new.nbytes
        while self.nbytes > self.limit:
            *above, last = min(self._leaves(), key=lambda trail: trail[-1].used)
            del (above[-1] if above else self._root).children[last.keys[0]]
            self.nbytes -= last.nbytes

    def _leaves(self) -> Iterator[tuple[_Node, ...]]:
        """The ends of the tree, each with the nodes that lead to it."""
        todo: list[tuple[_Node, ...]] = [(node,) for node in self._root.children.values()]
        while todo:
            trail = todo.pop()
            if not trail[-1].children:
                yield trail
            todo += [(*trail, child) for child in trail[-1].children.values()]


def _path(ids: Ids, soft: Soft | None) -> tuple[Key, ...]:
    """What the positions hold; vectors of different soft prompts are different things."""
    digest = soft.key if soft is not None else ""
    before = [(digest, i) for i in range(soft.length)] if soft is not None and soft.is_prefix else []
    return (*before, *(i if i >= 0 else (digest, i) for i in ids))


def _bytes(layers: Layers) -> int:
    return sum(t.numel() * t.element_size() for layer in layers for t in layer)


def _part(layers: Layers, start: int, stop: int | None) -> Layers:
    """Positions `start` to `stop`, in memory of their own, so that forgetting the rest frees it."""
    return tuple((k[..., start:stop, :].clone(), v[..., start:stop, :].clone()) for k, v in layers)


def _joined(parts: Sequence[Layers]) -> Layers:
    """One run after the other."""
    if len(parts) == 1:
        return parts[0]
    return tuple(
        (torch.cat([k for k, _ in layer], dim=-2), torch.cat([v for _, v in layer], dim=-2))
        for layer in zip(*parts, strict=True)
    )


@torch.no_grad()
def _grown(model: Any, ids: Ids, soft: Soft | None, layers: Layers, length: int) -> Layers | None:
    """Run the model over what the `length` positions of `layers` do not cover yet.

    The cache is one of plain layers, windows or not: masks follow from its lengths, and nothing is left behind.
    """
    if not keeps_positions(model.config):
        return None
    before = 0
    if soft is not None and soft.is_prefix:
        before = soft.length
        if length < before:  # of vectors that were cut from one another, no part is of use
            layers, length = tuple(layers_of(model, soft.vectors)), before
    cache = DynamicCache(list(layers)) if layers else DynamicCache()
    rest = torch.tensor([ids[length - before :]], dtype=torch.long, device=model.device)
    if rest.shape[1]:
        model.base_model(**embedded(model, rest, soft), past_key_values=cache, use_cache=True)
    expected = len(DynamicCache(config=model.config).layers)
    if len(cache.layers) < expected or any(not layer.is_initialized for layer in cache.layers):
        return None
    return _layers(cache)


def keeps_positions(config: Any) -> bool:
    """Whether all that such a model remembers are keys and values, position by position."""
    return all(type(x) in (DynamicLayer, DynamicSlidingWindowLayer) for x in DynamicCache(config=config).layers)


def sees_all(config: Any) -> bool:
    """Whether every position of such a model sees all that stand before it, in every layer."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)


def _layers(cache: Any) -> Layers:
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def _cache(model: Any, layers: Layers) -> Any:
    """A cache of the model's own kind: layers with a window get what they would have kept."""
    cache = DynamicCache(config=model.config)
    for layer, (keys, values) in zip(cache.layers, layers, strict=True):
        layer.lazy_initialization(keys, values)
        start = 0
        if type(layer) is DynamicSlidingWindowLayer:
            layer.cumulative_length = keys.shape[-2]
            start = max(0, keys.shape[-2] - layer.sliding_window + 1)
        layer.keys, layer.values = keys[..., start:, :], values[..., start:, :]
    return cache
