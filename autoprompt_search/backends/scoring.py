"""Rows, batches and tables: from what is asked for to numbers per prompt and answer. Knows ids, no model, no text."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from autoprompt_search.backends.tokens import Ids, common_run
from autoprompt_search.core.errors import TrialError


@dataclass(frozen=True, slots=True)
class Want:
    """One number that is asked for."""

    prompt: int
    answer: int
    place: int
    """Position in the row that it is read from."""
    token: int
    """What it is about: a token id; for other heads a class or the answer itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence for the model, and what is read from it. Negative ids are soft tokens."""

    ids: Ids
    wants: tuple[Want, ...]
    source: tuple[int, ...] = ()
    """What an encoder reads first, in encoder-decoder models."""
    border: int = 0
    """Where a second text begins; 0 for one text."""

    def of(self, prompt: int) -> Row:
        """The same row of the prompt with this number."""
        return replace(self, wants=tuple(replace(want, prompt=prompt) for want in self.wants))

    def seen(self, place: int, one_way: bool) -> bytes:
        """Digest of all ids that the model's state at `place` depends on."""
        ids = self.ids[: place + 1] if one_way else [*self.ids, place]
        return hashlib.blake2b(array("q", [*self.source, -(2**40), *ids]).tobytes(), digest_size=16).digest()


Unit = tuple[Row, ...]
"""Rows that must stay in one batch, because they share work."""
Read = Callable[[list[Row]], torch.Tensor]
"""Rows to [all their wants] float32, in order: one forward pass."""


def cost(unit: Unit) -> int:
    """Tokens that a unit puts through the model."""
    return len(unit[0].source) + sum(len(row.ids) for row in unit)


def shared_length(rows: Sequence[Row]) -> int:
    """Ids at the beginning that all rows share and from which nothing is read."""
    if not rows:
        return 0
    first = rows[0].ids
    run = min(common_run(first, row.ids) for row in rows)
    earliest = min(want.place for row in rows for want in row.wants)
    return min(run, earliest)


def batches(costs: Sequence[int], budget: int, overhead: int = 0) -> list[list[int]]:
    """Indices grouped dearest first, each group within `budget` = units x (overhead + dearest); at least one unit."""
    groups: list[list[int]] = []
    room = 0
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        if not groups or len(groups[-1]) >= room:
            groups.append([])
            room = max(1, budget // max(1, overhead + costs[index]))
        groups[-1].append(index)
    return groups


def score_units(
    units: Sequence[Unit], shape: tuple[int, int], read: Read, *, budget: int, overhead: int = 0, covered: int = 0
) -> torch.Tensor:
    """[prompts, answers] float32 on the CPU, without gradient.

    Args:
        units: What to read.
        shape: Prompts and answers.
        read: One forward pass over rows.
        budget: Tokens of one forward pass.
        overhead: Positions in front of every row that are attended but not computed.
        covered: Ids at the beginning of every row that are among them.
    """
    out = torch.zeros(shape)
    for group in batches([cost(unit) - covered for unit in units], budget, overhead=overhead):
        for part, values in _halving([units[i] for i in group], read):
            out += table(part, values.cpu(), shape)
    return out


def table(rows: Sequence[Row], values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """[prompts, answers]: the values of all wants of `rows`, summed per prompt and answer; differentiable."""
    cells = [want.prompt * shape[1] + want.answer for row in rows for want in row.wants]
    flat = values.new_zeros(shape[0] * shape[1])
    return flat.index_add(0, torch.tensor(cells, dtype=torch.long, device=values.device), values).view(shape)


def _halving(units: list[Unit], read: Read) -> Iterator[tuple[list[Row], torch.Tensor]]:
    """Rows with their values; a batch that does not fit into memory is split in two."""
    parts = [units]
    while parts:
        part = parts.pop()
        rows = [row for unit in part for row in unit]
        try:
            with torch.no_grad():
                values = read(rows)
        except RuntimeError as exc:
            if not out_of_memory(exc):
                raise
            if len(part) == 1:
                raise TrialError(f"out of memory on one prompt of {cost(part[0])} tokens") from exc
            half = len(part) // 2
            parts += [part[half:], part[:half]]
            continue
        yield rows, values


def out_of_memory(exc: RuntimeError) -> bool:
    """Whether an exception means that memory ran out; frees what CUDA holds in reserve if so."""
    if not isinstance(exc, torch.OutOfMemoryError) and "can't allocate memory" not in str(exc):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True
