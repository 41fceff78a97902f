"""Rows, batches and tables: from what is asked for to numbers per prompt and answer. Knows ids, no model, no text."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from autoprompt_search.backends.hf.batch_sizer import BatchSizer, out_of_memory
from autoprompt_search.backends.hf.batching import PassCost, planned
from autoprompt_search.backends.hf.tokenizer import Ids, common_run
from autoprompt_search.core.errors import TrialError


@dataclass(frozen=True, slots=True)
class TokenTarget:
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
    wants: tuple[TokenTarget, ...]
    source: tuple[int, ...] = ()
    """What an encoder reads first, in encoder-decoder models."""
    border: int = 0
    """Where a second text begins; 0 for one text."""
    branches: tuple[int, ...] = ()
    """Where branches begin: alternatives that follow the ids before the first of them and do not see one another."""

    @property
    def longest(self) -> int:
        """Ids of its longest path."""
        return max(len(self.path(stop - 1)) for stop in (*self.branches[1:], len(self.ids))) if self.ids else 0

    def path(self, place: int) -> Ids:
        """The ids from the beginning up to `place`, other branches left out."""
        start = max((start for start in self.branches if start <= place), default=0)
        return self.ids[: self.branches[0]] + self.ids[start : place + 1] if start else self.ids[: place + 1]

    def of(self, prompt: int) -> Row:
        """The same row of the prompt with this number."""
        return replace(self, wants=tuple(replace(want, prompt=prompt) for want in self.wants))

    def seen(self, place: int, one_way: bool) -> bytes:
        """Digest of all ids that the model's state at `place` depends on."""
        ids = self.path(place) if one_way else [*self.ids, place]
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


def batches(costs: Sequence[int], most: int, passes: PassCost | None = None) -> list[list[int]]:
    """Indices in the batches that `planned` says, dearest first."""
    order = sorted(range(len(costs)), key=lambda i: (-costs[i], i))
    groups: list[list[int]] = []
    for size in planned([costs[i] for i in order], most, passes=passes):
        groups.append(order[:size])
        order = order[size:]
    return groups


def score_units(
    units: Sequence[Unit],
    shape: tuple[int, int],
    read: Read,
    *,
    sizer: BatchSizer,
    budget: int,
    front: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """[prompts, answers] float32 on the CPU, without gradient; batches are planned by `planned`.

    A batch that does not fit into memory is read again in two halves, and later batches are planned smaller.

    Args:
        units: What to read; dearest first, so that what does not fit fails at once.
        shape: Prompts and answers.
        read: One forward pass over rows.
        sizer: What is known about memory.
        budget: Most positions of one forward pass.
        front: Positions in front of every row that are attended but not computed, and ids of every row among them.
    """
    overhead, covered = front
    costs = [max(1, cost(unit) - covered) for unit in units]
    todo = sorted(range(len(units)), key=lambda i: (-costs[i], i))
    out, sizes = torch.zeros(shape), list[int]()
    while todo:
        each, most = overhead + costs[todo[0]], sizer.positions(budget)
        if not sizes or sizes[0] > max(1, most // each):
            sizes = planned([costs[i] for i in todo], most, overhead, sizer.passes)
        group = todo[: sizes.pop(0)]
        rows = [row for i in group for row in units[i]]
        values = _fitting(read, rows, sizer, len(group) * each)
        if values is not None:
            out += table(rows, values.cpu(), shape)
            todo = todo[len(group) :]
        elif len(group) == 1:
            raise TrialError(f"out of memory on one prompt of {cost(units[group[0]])} tokens")
        else:
            sizer.failed(len(group) * each)
    return out


def _fitting(read: Read, rows: list[Row], sizer: BatchSizer, positions: int) -> torch.Tensor | None:
    """What `read` gives; None where memory is too small for it."""
    try:
        with torch.no_grad(), sizer.measured(positions):
            return read(rows)
    except RuntimeError as exc:
        if not out_of_memory(exc):
            raise
        return None


def table(rows: Sequence[Row], values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """[prompts, answers]: the values of all wants of `rows`, summed per prompt and answer; differentiable."""
    cells = [want.prompt * shape[1] + want.answer for row in rows for want in row.wants]
    flat = values.new_zeros(shape[0] * shape[1])
    return flat.index_add(0, torch.tensor(cells, dtype=torch.long, device=values.device), values).view(shape)
