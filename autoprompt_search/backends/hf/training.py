"""One step of one or several trainings: what has no gradient is read once and kept, what rows share once a step.

Knows rows and vectors, no text. A row of a model that reads from left to right falls into three parts: what stands
before the vectors, which no step changes; what all rows of the training share from there on; and the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from autoprompt_search.backends.hf import heads, kv
from autoprompt_search.backends.hf.cached_prefix import Continuation, Past, arguments, can_keep, can_mix, extend, tail
from autoprompt_search.backends.hf.loaded_model import LoadedModel
from autoprompt_search.backends.hf.positions import Soft
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.scoring import Row, shared_length
from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.core.prompts import Rendered

_SHORTEST = 8
"""Beginnings below this many tokens are not worth a forward pass of their own."""
_SAVES = {"cpu": 64}
"""Tokens that sharing must save to be worth one in every step: what a second pass costs is arithmetic on a CPU."""
_SAVES_ELSEWHERE = 2048
"""On a GPU it is the start of some hundred kernels."""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """What one training asks in one step."""

    rows: list[Row]
    """Its own vectors are their ids -1, -2, ..."""
    soft: Soft
    prompts: Sequence[Rendered]
    answers: Sequence[str]

    @property
    def wants(self) -> int:
        """How many log-probabilities are asked for."""
        return sum(len(row.wants) for row in self.rows)


class KVCache:
    """Keys and values in front of trained vectors, the most recent within a number of bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, tuple[int, ...]], Prefix] = OrderedDict()
        self._bytes = 0

    def pasts(self, loaded: LoadedModel, base: Past, rows: Sequence[Ids], start: int) -> list[Past]:
        """`base`, which holds the first `start` ids of all `rows`, and each row's own piece up to its end.

        Without gradient; rows that are not known go through the model together.
        """
        keys = [(start, tuple(row)) for row in rows]
        new = list({key: None for key in keys if key not in self._kept})
        if new:
            with torch.no_grad():
                extended = extend(loaded.model, [Continuation(base, list(ids[start:])) for _, ids in new], None)
            tails = {
                key: tail(loaded.model, whole, len(key[1]) - start) for key, whole in zip(new, extended, strict=True)
            }
        else:
            tails = {}
        pieces = [tails[key] if key in tails else self._kept[key] for key in keys]
        for key, piece in zip(keys, pieces, strict=True):
            self._keep(key, piece)
        while self._bytes > loaded.prefixes.limit:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return [(*base, piece) for piece in pieces]

    def _keep(self, key: tuple[int, tuple[int, ...]], piece: Prefix) -> None:
        if key not in self._kept:
            self._bytes += piece.nbytes
        self._kept[key] = piece
        self._kept.move_to_end(key)


@dataclass(frozen=True, slots=True)
class _Part:
    """A row, and how far it is read."""

    row: Row
    past: Past
    read: int
    """Ids of the row in `past`."""

    def rest(self) -> Row:
        wants = tuple(replace(want, place=want.place - self.read) for want in self.row.wants)
        return replace(self.row, ids=self.row.ids[self.read :], wants=wants)


def from_left_to_right(loaded: LoadedModel, batches: Sequence[TrainingBatch], memory: KVCache) -> list[torch.Tensor]:
    """Per batch [wants of its rows] float32 log-probabilities, differentiable in its own vectors.

    Two forward passes at most, however many batches there are: one over what the rows of each batch share,
    one over what is left of them. What one batch's vectors are never changes what another gets, not even where
    they are not finite.
    """
    model = loaded.model
    soft, batches = _together(batches)
    mixes = can_mix(model)
    parts = _shared(model, [_begun(loaded, batch, memory) for batch in batches], soft, mixes)
    if mixes:
        values = _values(model, [part for some in parts for part in some], soft)
        return _split(values, batches)
    return [_values(model, some, soft) for some in parts]


def apart(
    read: Callable[[Sequence[Row], Soft | None], torch.Tensor], batches: Sequence[TrainingBatch]
) -> list[torch.Tensor]:
    """Per batch the same of models that read both ways: embeddings in one forward pass, prefixes in one each."""
    embedded = [batch for batch in batches if not batch.soft.is_prefix]
    logprobs: dict[int, torch.Tensor] = {}
    if embedded:
        soft, shifted = _together(embedded)
        rows = [row for batch in shifted for row in batch.rows]
        values = _split(read(rows, soft), embedded)
        logprobs |= {id(batch): one for batch, one in zip(embedded, values, strict=True)}
    for batch in batches:
        if batch.soft.is_prefix:
            logprobs[id(batch)] = read(batch.rows, batch.soft)
    return [logprobs[id(batch)] for batch in batches]


def _split(values: torch.Tensor, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
    return list(torch.split(values, [batch.wants for batch in batches]))


def _together(batches: Sequence[TrainingBatch]) -> tuple[Soft | None, list[TrainingBatch]]:
    """The vectors of all batches as one soft prompt, and the batches with ids that say which of them are theirs."""
    placed = [batch.soft for batch in batches if not batch.soft.is_prefix]
    if not placed:
        return None, list(batches)
    values, first = [], 0
    for batch in batches:
        values.append(batch if not first or batch.soft.is_prefix else _moved(batch, first))
        first += 0 if batch.soft.is_prefix else batch.soft.length
    vectors = placed[0].vectors if len(placed) == 1 else torch.cat([soft.vectors for soft in placed])
    return Soft(vectors, placed[0].place), values


def _moved(batch: TrainingBatch, first: int) -> TrainingBatch:
    """The same rows with soft ids that begin at `first` instead of 0."""

    def moved(ids: Sequence[int]) -> Ids:
        return [i - first if i < 0 else i for i in ids]

    rows = [replace(row, ids=moved(row.ids), source=tuple(moved(row.source))) for row in batch.rows]
    return replace(batch, rows=rows)


def _begun(loaded: LoadedModel, batch: TrainingBatch, memory: KVCache) -> list[_Part]:
    """Every row with what stands before its vectors read: nothing there has a gradient."""
    model, rows = loaded.model, batch.rows
    if batch.soft.is_prefix:
        prefix = (Prefix(kv.cache_of(model, batch.soft.vectors), 0, batch.soft.length),)
        return [_Part(row, prefix, 0) for row in rows]
    firsts = [next((n for n, i in enumerate(row.ids) if i < 0), 0) for row in rows]
    common = min(shared_length(rows), *firsts)
    base = loaded.prefixes.get(model, rows[0].ids[:common], None) if common >= _SHORTEST else None
    past: Past = (base,) if base is not None else ()
    read = base.tokens if base is not None else 0
    if max(firsts) == common or not can_mix(model):
        return [_Part(row, past, read) for row in rows]
    whole = memory.pasts(loaded, past, [row.ids[:first] for row, first in zip(rows, firsts, strict=True)], read)
    return [_Part(row, one, first) for row, one, first in zip(rows, whole, firsts, strict=True)]


def _shared(model: Any, parts: list[list[_Part]], soft: Soft | None, mixes: bool) -> list[list[_Part]]:
    """The same rows, with what all rows of a batch share from there on read once, with gradient."""
    runs = [shared_length([part.row for part in some]) - some[0].read for some in parts]
    chosen = [
        n
        for n, some in enumerate(parts)
        if len(some) > 1 and runs[n] > 0 and all(part.past is some[0].past for part in some)
    ]
    saved = sum(runs[n] * (len(parts[n]) - 1) for n in chosen)
    if not chosen or saved < _SAVES.get(model.device.type, _SAVES_ELSEWHERE) or not can_keep(model):
        return parts
    asked = [Continuation(parts[n][0].past, parts[n][0].row.ids[parts[n][0].read :][: runs[n]]) for n in chosen]
    groups = [asked] if mixes else [[one] for one in asked]
    pasts = dict(zip(chosen, (one for group in groups for one in extend(model, group, soft)), strict=True))
    return [_after(some, (pasts[n],), runs[n]) if n in pasts else some for n, some in enumerate(parts)]


def _after(parts: Sequence[_Part], past: Past, run: int) -> list[_Part]:
    return [_Part(part.row, past, part.read + run) for part in parts]


def _values(model: Any, parts: Sequence[_Part], soft: Soft | None) -> torch.Tensor:
    rows = [part.rest() for part in parts]
    onward = [Continuation(part.past, row.ids) for part, row in zip(parts, rows, strict=True)]
    return heads.token_logprobs(model, rows, 0, arguments(model, onward, soft))
