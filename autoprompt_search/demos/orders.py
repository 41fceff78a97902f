"""How chosen demonstrations stand in the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Literal

from autoprompt_search.core.types import Example

FixedOrder = Literal["shuffled", "by-label", "interleaved"]
"""Order of demonstrations that all queries share. `shuffled`: as drawn; `by-label`: grouped in label order;
`interleaved`: labels in turn."""

QueryOrder = Literal["similar-last", "similar-first", "shuffled", "by-label", "interleaved"]
"""Order of demonstrations chosen for each query, also by similarity. Within a label the most similar stand last."""


def arranged(chosen: Sequence[Example], labels: Sequence[str], order: FixedOrder | QueryOrder) -> list[Example]:
    """The examples in an order.

    The last demonstrations weigh most (recency bias, Zhao et al. 2021, arXiv 2102.09690), and no order is good for
    all models (Lu et al. 2022, arXiv 2104.08786): the order is worth a search.

    Args:
        chosen: Shuffled, where that is the order; from far to near where they are chosen per query.
        labels: All label names; their order is that of `by-label`.
        order: One of the names above.
    """
    if order == "by-label":
        rank = {label: i for i, label in enumerate(labels)}
        return sorted(chosen, key=lambda e: rank[e.target])
    if order == "interleaved":
        return in_turn(chosen, labels)
    return list(reversed(chosen)) if order == "similar-first" else list(chosen)


def in_turn(examples: Sequence[Example], labels: Sequence[str]) -> list[Example]:
    """Take one example of each label in turn, as long as there are any; within a label the order stays."""
    rank = {label: i for i, label in enumerate(labels)}
    rounds = {label: count() for label in labels}
    keyed = [(next(rounds[e.target]), rank[e.target], e) for e in examples]
    return [e for _, _, e in sorted(keyed, key=lambda k: k[:2])]
