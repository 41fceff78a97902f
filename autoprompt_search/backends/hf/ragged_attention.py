"""Attention of rows of different lengths that grow token by token, behind one beginning that all share. Knows tensors.

Every row has a slot in buffers that are laid out once: a new token is written behind the row's last one, whatever the
length of the others, so that nothing is filled up and nothing copied. The shared beginning is attended once for all
rows, as in `cascade`. There is no gradient through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, DynamicLayer

from autoprompt_search.backends.hf.cascade import attend, attend_shared
from autoprompt_search.backends.hf.prefix_cache import Layers

NAME = "autoprompt_search_ragged"
"""Name of this attention in transformers' `AttentionInterface`. It has no masks there: none are made for it."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the rows of one forward pass see."""

    front: Layers | None
    """Keys and values in front of every row."""
    mask: torch.Tensor | None
    """[rows, 1, 1, positions], added to the scores of one token per row; None where rows are read from their first
    token on, filled up on the right."""


_SIGHT: ContextVar[_Sight] = ContextVar("sight")


class Slots:
    """Keys and values of up to `rows` rows of up to `positions` tokens each.

    Slots are always the first ones: where a row leaves, the last one takes its slot.

    Args:
        model: Whose attention can be exchanged; it reads rows while this one is `installed`.
        rows: Most rows at a time.
        positions: Most tokens of a row, without the shared ones.
        front: What stands before every row.
    """

    def __init__(self, model: Any, rows: int, positions: int, front: Layers | None) -> None:
        self._model, self._front, self._shape = model, front, (rows, positions)
        self.lengths: list[int] = []
        """Tokens of each row."""
        self.where: tuple[torch.Tensor, torch.Tensor] | slice = slice(0, 0)
        """Where the forward pass writes: slots and positions of one token per row, or the slots of new rows."""
        layers: list[Any] = [_Layer(self) for _ in range(_layers(model))]
        self.cache = Cache(layers=layers)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of positions that the cache has room for."""
        return self._shape

    @contextmanager
    def joining(self, lengths: Sequence[int]) -> Iterator[None]:
        """A forward pass in here reads new rows of these lengths, filled up on the right."""
        before = len(self.lengths)
        self.where = slice(before, before + len(lengths))
        with _seeing(_Sight(self._front, None)):
            yield
        self.lengths += lengths

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """A forward pass in here reads one more token of every row."""
        device = self._model.device
        lengths = torch.tensor(self.lengths, device=device)
        self.where = torch.arange(len(lengths), device=device), lengths
        width = max(self.lengths) + 1
        hidden = torch.arange(width, device=device) > lengths[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._model.dtype, device=device)
        mask.masked_fill_(hidden, torch.finfo(mask.dtype).min)
        with _seeing(_Sight(self._front, mask[:, None, None])):
            yield
        self.lengths = [length + 1 for length in self.lengths]

    def leave(self, slot: int) -> None:
        """The row in `slot` goes, and the last one takes its place."""
        last = len(self.lengths) - 1
        if slot != last:
            for layer in self.cache.layers:
                layer.move(last, slot, self.lengths[last])
        self.lengths[slot] = self.lengths[last]
        self.lengths.pop()


class _Layer(DynamicLayer):  # type: ignore[misc]
    """One layer's buffers [rows, heads, positions, width]."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()
        self._slots = slots

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, positions = self._slots.shape
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (
            t.new_zeros((rows, t.shape[1], positions, t.shape[3])) for t in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write, and give back what the rows attend to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        where = self._slots.where
        if isinstance(where, slice):
            self.keys[where, :, : key_states.shape[2]] = key_states
            self.values[where, :, : key_states.shape[2]] = value_states
            return key_states, value_states
        rows, places = where
        self.keys[rows, :, places] = key_states[:, :, 0]
        self.values[rows, :, places] = value_states[:, :, 0]
        width = max(self._slots.lengths) + 1
        return self.keys[: len(rows), :, :width], self.values[: len(rows), :, :width]

    def get_seq_length(self) -> int:
        """Length of the longest row."""
        return max(self._slots.lengths, default=0)

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row to another slot."""
        for buffer in (self.keys, self.values):
            buffer[target, :, :length] = buffer[source, :, :length]


def _layers(model: Any) -> int:
    return int(model.config.get_text_config().num_hidden_layers)


@contextmanager
def installed(model: Any) -> Iterator[None]:
    """The model attends in this way in here, to what `Slots` say, and in its own way afterwards."""
    AttentionInterface.register(NAME, _attention)
    own = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(own)


@contextmanager
def _seeing(sight: _Sight) -> Iterator[None]:
    token = _SIGHT.set(sight)
    try:
        yield
    finally:
        _SIGHT.reset(token)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: Any,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """One of transformers' attention functions: [rows, heads, tokens, width] to [rows, tokens, heads, width]."""
    sight, scale = _SIGHT.get(), options.get("scaling")
    groups = query.shape[1] // key.shape[1]
    if sight.mask is None:
        keys, values = (t.repeat_interleave(groups, dim=1) for t in (key, value)) if groups > 1 else (key, value)
        own, own_sum = attend(query, keys, values, None, scale, is_causal=True)
    else:
        rows, heads, _, width = query.shape
        together = query.view(rows, key.shape[1], groups, width)
        own, own_sum = attend(together, key, value, sight.mask, scale, is_causal=False)
        own, own_sum = own.reshape(rows, heads, 1, -1), own_sum.reshape(rows, heads, 1)
    if sight.front is None:
        return own.transpose(1, 2).contiguous(), None
    keys, values = sight.front[module.layer_idx]
    front, front_sum = attend_shared(query, keys, values, scale)
    share = torch.sigmoid(front_sum - own_sum)[..., None].to(own.dtype)
    return torch.lerp(own, front, share).transpose(1, 2).contiguous(), None
