"""Which rows of a call are worth a shared beginning of their own. Knows ids only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from autoprompt_search.backends.hf.tokenizer import Ids, common_run

_DEEPEST = 64
"""Branchings that are looked at one below the other."""


def grouped(sequences: Sequence[Ids], least: int) -> list[list[int]]:
    """Indices of the sequences, those that share a beginning together.

    A group of its own is what saves at least `least` tokens beside the group it would otherwise be in: it takes
    a forward pass of its own. Where all share one beginning and no part shares much more, that is one group.
    """
    if not sequences:
        return []
    order = sorted(range(len(sequences)), key=lambda i: (sequences[i], i))
    groups, rest = _split(order, sequences, 0, least, _DEEPEST)
    return [sorted(group) for group in (*groups, rest) if group]


def _split(
    order: list[int], sequences: Sequence[Ids], known: int, least: int, depth: int
) -> tuple[list[list[int]], list[int]]:
    """Groups that are worth it, and what is left of `order` (sorted; all share `known` ids that are computed)."""
    run = common_run(sequences[order[0]], sequences[order[-1]])
    is_group = (len(order) - 1) * (run - known) >= least
    groups: list[list[int]] = []
    rest: list[int] = []
    for part in _parts(order, sequences, run):
        if len(part) == 1 or depth == 0:
            rest += part
            continue
        inner, left = _split(part, sequences, run if is_group else known, least, depth - 1)
        groups += inner
        rest += left
    return ([*groups, rest], []) if is_group else (groups, rest)


def _parts(order: list[int], sequences: Sequence[Ids], run: int) -> list[list[int]]:
    """Sequences by the id behind the first `run`; a sequence that ends there stands alone."""
    following = [(sequences[i][run] if run < len(sequences[i]) else None, i) for i in order]
    return [[i for _, i in part] for _, part in groupby(following, key=lambda pair: pair[0])]
