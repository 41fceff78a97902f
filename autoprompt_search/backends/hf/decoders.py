"""Rows that a model continues token by token: how it remembers what they hold. Knows ids and caches, no texts.

There are three ways. `RaggedDecoder` has rows of any length side by side, with no filling and behind a beginning that
is read once; it needs a model whose attention can be exchanged. `EvenDecoder` has rows of one length, in the model's
own cache, whatever that keeps. `SourceDecoder` is for models whose decoder has an encoder in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers.modeling_outputs import BaseModelOutput

from autoprompt_search.backends.hf import heads, kv
from autoprompt_search.backends.hf.positions import Soft, embedded, padded, vectors_of
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.ragged_attention import Slots
from autoprompt_search.backends.hf.tokenizer import Ids


@dataclass(frozen=True, slots=True)
class Opening:
    """What one answer is the continuation of. Negative ids are soft tokens."""

    ids: Ids
    """What stands in the sequence that the answer continues: the prompt, or the first tokens of a decoder."""
    source: tuple[int, ...] = ()
    """What an encoder reads first, in encoder-decoder models."""

    @property
    def length(self) -> int:
        """Tokens that are read before the first one is generated."""
        return len(self.ids) + len(self.source)

    @property
    def longest(self) -> int:
        """Positions that it takes at most, without an answer."""
        return max(len(self.ids), len(self.source))


class Decoder(Protocol):
    """Some rows at work. Logits are float32 [rows, vocabulary], of the token that comes next."""

    joins: bool
    """Whether rows may begin while others go on."""

    def join(self, openings: Sequence[Opening]) -> torch.Tensor:
        """Begin with these rows, behind those that are there; their logits."""
        ...

    def step(self, tokens: Ids) -> torch.Tensor:
        """Add one token to every row; the logits of all."""
        ...

    def leave(self, rows: Sequence[int]) -> None:
        """These rows, by descending number, go one after the other, and the last one of all takes each one's place."""
        ...


class RaggedDecoder:
    """Rows of any length, each in a slot of its own.

    Args:
        model: A model that `ragged_attention` fits.
        soft: Vectors among the rows' ids.
        front: What all rows begin with.
        rows: Most rows at a time.
        positions: Most tokens of a row, those of `front` left out.
    """

    joins = True

    def __init__(self, model: Any, soft: Soft | None, front: Prefix | None, rows: int, positions: int) -> None:
        self._model, self._soft = model, soft
        self._before, self._covered = (front.length, front.tokens) if front is not None else (0, 0)
        self._slots = Slots(model, rows, positions, front.layers if front is not None else None)

    def join(self, openings: Sequence[Opening]) -> torch.Tensor:
        """See `Decoder.join`."""
        rests = [one.ids[self._covered :] for one in openings]
        ids = padded(rests, self._model.device)
        places = torch.arange(ids.shape[1], device=ids.device).expand(len(rests), -1)
        with self._slots.joining(list(map(len, rests))):
            return self._logits(embedded(self._model, ids, self._soft), places, [len(rest) - 1 for rest in rests])

    def step(self, tokens: Ids) -> torch.Tensor:
        """See `Decoder.step`."""
        places = torch.tensor(self._slots.lengths, device=self._model.device)[:, None]
        with self._slots.stepping():
            return self._logits({"input_ids": _column(tokens, self._model)}, places, [0] * len(tokens))

    def leave(self, rows: Sequence[int]) -> None:
        """See `Decoder.leave`."""
        for row in rows:
            self._slots.leave(row)

    def _logits(self, inputs: dict[str, torch.Tensor], places: torch.Tensor, ends: Sequence[int]) -> torch.Tensor:
        rest = {"position_ids": places + self._before, "past_key_values": self._slots.cache, "use_cache": True}
        return _last(self._model, {**inputs, **rest}, ends)


class EvenDecoder:
    """Rows of one length, which is all that some models take: no row is filled up, and no mask is needed.

    Args:
        model: Any causal model.
        soft: Vectors among the rows' ids, or a prefix.
        front: What all rows begin with; None where `remembers` is false.
        remembers: Whether the model's cache is used; without it every step reads the rows again.
    """

    joins = False

    def __init__(self, model: Any, soft: Soft | None, front: Prefix | None, *, remembers: bool = True) -> None:
        self._model, self._soft, self._front, self._remembers = model, soft, front, remembers
        self._cache: Any = None
        self._rows: list[Ids] = []
        """All ids of each row."""

    def join(self, openings: Sequence[Opening]) -> torch.Tensor:
        """See `Decoder.join`. All are of one length."""
        self._rows = [list(one.ids) for one in openings]
        past: dict[str, Any] = {}
        if self._front is not None:
            past = {"past_key_values": self._front.expanded(len(openings))}
        return self._read(self._front.tokens if self._front is not None else 0, past)

    def step(self, tokens: Ids) -> torch.Tensor:
        """See `Decoder.step`."""
        for row, token in zip(self._rows, tokens, strict=True):
            row.append(token)
        return self._read(len(self._rows[0]) - 1, {"past_key_values": self._cache}) if self._remembers else self._read()

    def leave(self, rows: Sequence[int]) -> None:
        """See `Decoder.leave`."""
        order = _left(len(self._rows), rows)
        self._rows = [self._rows[i] for i in order]
        if order and self._remembers:
            self._cache.batch_select_indices(torch.tensor(order, device=self._model.device))

    def _read(self, covered: int = 0, past: dict[str, Any] | None = None) -> torch.Tensor:
        """The logits behind the rows, of which `covered` ids are in `past`."""
        inputs = embedded(self._model, padded([row[covered:] for row in self._rows], self._model.device), self._soft)
        if not past and self._soft is not None and self._soft.is_prefix:
            past = {"past_key_values": kv.cache_of(self._model, self._soft.vectors, len(self._rows))}
        ends = [len(self._rows[0]) - covered - 1] * len(self._rows)
        if not self._remembers:
            return _last(self._model, {**inputs, **(past or {"use_cache": False})}, ends)
        logits, self._cache = _remembered(self._model, {**inputs, **(past or {})}, ends)
        return logits


class SourceDecoder:
    """Rows of a decoder, each behind a source of its own; the decoder's beginnings are of one length.

    Args:
        model: An encoder-decoder.
        soft: Vectors in the decoder's beginning, or its prefix.
        states: [sources, longest, width]: what the encoder made of the sources, filled up on the right.
        mask: [sources, longest]: 1 where a token is.
    """

    joins = False

    def __init__(self, model: Any, soft: Soft | None, states: torch.Tensor, mask: torch.Tensor) -> None:
        self._model, self._soft, self._states, self._mask = model, soft, states, mask
        self._cache: Any = None

    def join(self, openings: Sequence[Opening]) -> torch.Tensor:
        """See `Decoder.join`. The rows are in the order of the sources."""
        ids = padded([one.ids for one in openings], self._model.device)
        inputs: dict[str, Any] = {"decoder_input_ids": ids}
        if self._soft is not None and bool((ids < 0).any()):
            inputs = {"decoder_inputs_embeds": vectors_of(self._model, ids, self._soft)}
        if self._soft is not None and self._soft.is_prefix:
            inputs["past_key_values"] = kv.cache_of(self._model, self._soft.vectors, len(openings))
        return self._logits(inputs, ids.shape[1] - 1)

    def step(self, tokens: Ids) -> torch.Tensor:
        """See `Decoder.step`."""
        return self._logits({"decoder_input_ids": _column(tokens, self._model), "past_key_values": self._cache}, 0)

    def leave(self, rows: Sequence[int]) -> None:
        """See `Decoder.leave`."""
        order = torch.tensor(_left(len(self._states), rows), dtype=torch.long, device=self._model.device)
        self._states, self._mask = self._states[order], self._mask[order]
        if len(order):
            self._cache.batch_select_indices(order)

    def _logits(self, inputs: dict[str, Any], end: int) -> torch.Tensor:
        encoder = {"encoder_outputs": BaseModelOutput(last_hidden_state=self._states), "attention_mask": self._mask}
        logits, self._cache = _remembered(self._model, {**inputs, **encoder}, [end] * len(self._states))
        return logits


def _left(count: int, rows: Sequence[int]) -> list[int]:
    """Which of `count` rows stand where after `rows` have left as `Decoder.leave` says."""
    order = list(range(count))
    for row in rows:
        swap_out(order, row)
    return order


def swap_out(items: list[Any], place: int) -> None:
    """The last one takes the place of the one that goes."""
    items[place] = items[-1]
    items.pop()


def _column(tokens: Ids, model: Any) -> torch.Tensor:
    return torch.tensor(tokens, dtype=torch.long, device=model.device)[:, None]


def _last(model: Any, inputs: dict[str, Any], ends: Sequence[int]) -> torch.Tensor:
    """The logits at one position of each row."""
    where = torch.tensor(list(enumerate(ends)), device=model.device)
    return heads.head_at(model, where, inputs).logits


def _remembered(model: Any, inputs: dict[str, Any], ends: Sequence[int]) -> tuple[torch.Tensor, Any]:
    """The logits at one position of each row, and the cache of the model's own kind that goes on from here."""
    kept: list[Any] = []
    handle = model.register_forward_hook(lambda _module, _args, output: kept.append(output.past_key_values))
    try:
        return _last(model, {**inputs, "use_cache": True}, ends), kept[0]
    finally:
        handle.remove()
