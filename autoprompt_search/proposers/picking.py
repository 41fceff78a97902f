"""What all proposers share: good parents more often, and no text twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from autoprompt_search.core.protocols.prompts import Parent, Proposal

_TRIES = 12
"""Tries for each wanted text."""


def pick(rng: random.Random, parents: Sequence[Parent], but: int | None = None) -> int:
    """The place of a parent, the n-th best with a weight of 1 / n; never the place `but`."""
    places = [i for i in range(len(parents)) if i != but]
    return rng.choices(places, [1 / (i + 1) for i in places])[0]


def distinct(make: Callable[[], Proposal | None], parents: Sequence[Parent], count: int) -> list[Proposal]:
    """What `make` makes of the parents, until there are `count` new texts or too many tries; [] without parents."""
    proposals: dict[str, Proposal] = {}
    known = {"", *(p.text.strip() for p in parents)}
    for _ in range(_TRIES * count if parents else 0):
        if len(proposals) == count:
            break
        proposal = make()
        if proposal is not None and proposal.text.strip() not in known:
            proposals.setdefault(proposal.text.strip(), proposal)
    return list(proposals.values())
