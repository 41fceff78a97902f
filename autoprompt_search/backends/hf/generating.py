"""Text from a loaded model: rows are begun, continued and ended. Knows decoders and limits, no prompts and no families.

Rows that have ended leave at once and others take their place, so that no row waits for another one. What a row gets
depends on its own tokens alone: no row is filled up on the left, and each has random numbers of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from autoprompt_search.backends.hf.batch_sizer import BatchSizer, out_of_memory
from autoprompt_search.backends.hf.decoders import Decoder, Opening, swap_out
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.positions import Soft
from autoprompt_search.backends.hf.sampling import next_tokens
from autoprompt_search.backends.hf.transcript import Decoding, Transcript, decoding_of
from autoprompt_search.backends.hf.truncating import shortened
from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.protocols.model import Generated
from autoprompt_search.core.rng import derive_rng


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows that one decoder can take side by side."""

    rows: tuple[int, ...]
    """Indices of the prompts."""
    held: int
    """Positions that every row holds beside those of its own opening; below zero where others hold some of these."""
    decoder: Callable[[Sequence[Opening], int], Decoder]
    """Makes one for these openings, so many of them at a time."""
    during: Callable[[], AbstractContextManager[None]] = nullcontext
    """What has to hold while it is at work."""


class Writer(Protocol):
    """How one family of models writes. A writer belongs to one `ModelSpec`."""

    def openings(self, prompts: Sequence[Rendered], soft: Soft | None) -> list[Opening]:
        """What each prompt's answer is the continuation of."""
        ...

    def ends(self, loaded: LoadedModel) -> frozenset[int]:
        """Tokens with which the model ends its text."""
        ...

    def portions(
        self, loaded: LoadedModel, openings: Sequence[Opening], limits: Limits, soft: Soft | None, budget: int
    ) -> list[Portion]:
        """All openings, in portions that one decoder can take."""
        ...


def generated(
    loaded: LoadedModel,
    writer: Writer,
    spec: ModelSpec,
    prompts: Sequence[Rendered],
    limits: Limits,
    *,
    soft: Soft | None,
    budget: int,
    truncate: str | None,
) -> Generated:
    """See `Generates.generate`.

    Args:
        loaded: The model.
        writer: How its family writes.
        spec: What it was loaded from.
        prompts: What to answer.
        limits: How answers end and are drawn.
        soft: Vectors at work.
        budget: Positions that the rows of a batch may hold together.
        truncate: Field of the query that is cut where a prompt leaves no room.
    """
    context, outside = spec.context, soft.length if soft is not None and soft.is_prefix else 0

    def excess(one: Rendered) -> int:
        return writer.openings([one], soft)[0].longest + outside - most

    openings, most = writer.openings(prompts, soft), (context or 0) - limits.tokens
    if truncate is not None and context is not None and any(one.longest + outside > most for one in openings):
        prompts = [shortened(prompt, truncate, spec.tokenizer, excess) for prompt in prompts]
        openings = writer.openings(prompts, soft)
    problem = no_room([one.longest + outside for one in openings], soft.length if soft else 0, limits.tokens, context)
    if problem:
        raise TrialError(problem)
    texts, computed = completions(
        loaded, writer, decoding_of(spec.tokenizer.raw), openings, limits, soft=soft, budget=budget
    )
    inside = soft.length if soft is not None and soft.place.at == "decoder" else 0
    counts = [len(one.source or one.ids) + outside + inside for one in openings]
    return Generated(tuple(texts), tuple(counts), computed)


def no_room(lengths: Sequence[int], soft: int, new: int, context: int | None) -> str | None:
    """That prompts leave no room for an answer, with both lengths; None when all do.

    Args:
        lengths: Tokens of each prompt, soft tokens included.
        soft: How many of them are soft.
        new: Most tokens of an answer.
        context: Positions of the model; None for no limit.
    """
    longest = max(lengths, default=0) + new
    if context is None or longest <= context:
        return None
    count = sum(length + new > context for length in lengths)
    parts = f"{soft} soft tokens and the {new} of an answer included" if soft else f"the {new} of an answer included"
    return f"{count} of {len(lengths)} prompts are too long: {longest} tokens ({parts}), and the context is {context}"


def completions(
    loaded: LoadedModel,
    writer: Writer,
    decoding: Decoding,
    openings: Sequence[Opening],
    limits: Limits,
    *,
    soft: Soft | None,
    budget: int,
) -> tuple[list[Completion], int]:
    """One per opening, in their order, and how many of the openings differ: equal ones are continued once.

    A batch that does not fit into memory is begun again with half as many rows.

    Args:
        loaded: The model.
        writer: How its family writes.
        decoding: Token ids to text.
        openings: What to continue.
        limits: How answers end and are drawn.
        soft: Vectors at work.
        budget: Positions that the rows of a batch may hold together.

    Raises:
        TrialError: Memory is too small for one row, or the model gives no numbers.
    """
    keys = [(tuple(one.ids), one.source) for one in openings]
    distinct = [Opening(list(ids), source) for ids, source in dict.fromkeys(keys)]
    ends = writer.ends(loaded)
    rows = [_Row(one, limits, lambda one=one: Transcript(_context(one), limits, ends, decoding)) for one in distinct]  # type: ignore[misc]
    with torch.no_grad():
        for portion in writer.portions(loaded, distinct, limits, soft, budget):
            _write(loaded.sizer, portion, [rows[i] for i in portion.rows], limits, budget, _forced(loaded.model))
    texts = {key: row.script.completion() for key, row in zip(dict.fromkeys(keys), rows, strict=True)}
    return [texts[key] for key in keys], len(distinct)


class _Row:
    """One answer while it is written."""

    def __init__(self, opening: Opening, limits: Limits, begin: Callable[[], Transcript]) -> None:
        self.opening = opening
        self._limits, self._begin = limits, begin
        self.begin()

    def begin(self) -> None:
        """The state before anything is written."""
        self.script = self._begin()
        self.stream = random.Random()
        if self._limits.temperature:
            self.stream = derive_rng(self._limits.seed, "generate", *self.opening.ids, "", *self.opening.source)


def _context(opening: Opening) -> Sequence[int]:
    """What the answer's text goes on from: nothing that an encoder has read."""
    return () if opening.source else opening.ids


def _write(
    sizer: BatchSizer, portion: Portion, rows: Sequence[_Row], limits: Limits, budget: int, forced: int | None
) -> None:
    """Write until all rows have ended; longest first, so that what does not fit fails at once."""

    def size(row: _Row) -> int:
        return max(1, portion.held + row.opening.length + limits.tokens)

    todo = sorted(rows, key=lambda row: -row.opening.length)
    while todo:
        each = size(todo[0])
        alike = [row for row in todo if 2 * size(row) >= each]
        most = max(1, min(len(alike), sizer.positions(budget) // each))
        try:
            with sizer.measured(most * each), portion.during():
                _together(portion, alike, most, limits, forced)
        except (RuntimeError, MemoryError) as exc:
            if isinstance(exc, RuntimeError) and not out_of_memory(exc):
                raise
            if most == 1:
                length = todo[0].opening.length
                raise TrialError(
                    f"out of memory on one prompt of {length} tokens and {limits.tokens} new ones"
                ) from exc
            sizer.failed(most * each)
            for row in todo:
                if not row.script.finish:
                    row.begin()
        todo = [row for row in todo if not row.script.finish]


def _together(portion: Portion, rows: Sequence[_Row], most: int, limits: Limits, forced: int | None) -> None:
    """Write rows side by side, at most so many at a time; only the first of them where none may join later."""
    decoder = portion.decoder([row.opening for row in rows[:most]], most)
    todo = list(rows if decoder.joins else rows[:most])
    there: list[_Row] = []
    while todo or there:
        begun = 0
        if todo and (not there or 4 * (most - len(there)) >= most):
            begun = len(there)
            there += todo[: most - begun]
            del todo[: most - begun]
            logits = decoder.join([row.opening for row in there[begun:]])
        else:
            logits = decoder.step([row.script.tokens[-1] for row in there])
        active = there[begun:]
        for row, token in zip(active, next_tokens(logits, limits, [row.stream for row in active]), strict=True):
            row.script.add(token if row.script.tokens or forced is None else forced)
        gone = [index for index in reversed(range(begun, len(there))) if there[index].script.finish]
        decoder.leave(gone)
        for index in gone:
            swap_out(there, index)


def _forced(model: Any) -> int | None:
    """The first token of every text of some models: the language, or a mark."""
    settings = getattr(model, "generation_config", None)
    token = getattr(settings, "forced_bos_token_id", None)
    return int(token) if token is not None else None
