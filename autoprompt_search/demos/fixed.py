"""Demonstrations that are the same for every query: a random draw, or one balanced over the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal

from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Demonstrations, Example
from autoprompt_search.demos.checks import SameInputs, check_k, check_labels

Order = Literal["shuffled", "by-label", "interleaved"]
"""`shuffled`: as drawn; `by-label`: grouped in label order; `interleaved`: labels in turn."""


class RandomDemos:
    """`k` examples drawn without regard to labels; a larger k adds to a smaller one of the same draw.

    Args:
        pool: Where from.
        labels: All label names; their order is that of `by-label`.
        seed: With `draw`, decides the choice.
        k: How many.
        draw: Which of the seed's choices.
        order: How they stand in the prompt.
    """

    def __init__(
        self,
        pool: Sequence[Example],
        labels: Sequence[str],
        seed: int,
        *,
        k: int,
        draw: int = 0,
        order: Order = "shuffled",
    ) -> None:
        check_k(k, pool)
        ranked = list(pool)
        derive_rng(seed, "demos", "random", draw).shuffle(ranked)
        self._demos = _Fixed("random", _arrange(ranked[:k], labels, order), ranked[k:])

    @property
    def demonstrations(self) -> Demonstrations:
        """The chosen examples in prompt order."""
        return self._demos.demonstrations

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """The same for all queries; where a query is among them, the next of the draw takes its place."""
        return [self._demos.without(query) for query in queries]


class BalancedDemos:
    """`k` examples, as many of each label; which labels have one more than others is drawn.

    Args:
        pool: Where from; it must hold enough of each label.
        labels: All label names.
        seed: With `draw`, decides the choice.
        k: How many in all.
        draw: Which of the seed's choices.
        order: How they stand in the prompt; `shuffled` mixes the labels.
    """

    def __init__(
        self,
        pool: Sequence[Example],
        labels: Sequence[str],
        seed: int,
        *,
        k: int,
        draw: int = 0,
        order: Order = "shuffled",
    ) -> None:
        check_k(k, pool)
        rng = derive_rng(seed, "demos", "balanced", draw)
        turns = list(labels)
        rng.shuffle(turns)
        wanted = {label: k // len(turns) + (i < k % len(turns)) for i, label in enumerate(turns)}
        check_labels(k, wanted, pool)
        ranked = {label: [e for e in pool if e.target == label] for label in labels}
        for label in labels:
            rng.shuffle(ranked[label])
        chosen = [e for label in turns for e in ranked[label][: wanted[label]]]
        rng.shuffle(chosen)
        spare = [e for label in labels for e in ranked[label][wanted[label] :]]
        self._demos = _Fixed("balanced", _arrange(chosen, labels, order), spare, keeps_label=True)

    @property
    def demonstrations(self) -> Demonstrations:
        """The chosen examples in prompt order."""
        return self._demos.demonstrations

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """The same for all queries; where a query is among them, another of its label takes its place."""
        return [self._demos.without(query) for query in queries]


class _Fixed:
    """The chosen examples, and who stands in for one that is the query."""

    def __init__(
        self, strategy: str, chosen: Sequence[Example], spare: Sequence[Example], *, keeps_label: bool = False
    ) -> None:
        self.demonstrations = Demonstrations(strategy, tuple(chosen))
        self._spare = tuple(spare)
        self._keeps_label = keeps_label

    def without(self, query: Example) -> tuple[Example, ...]:
        """The demonstrations, with stand-ins for the query; without one where no other example is left."""
        same = SameInputs(query)
        chosen = self.demonstrations.examples
        if not any(map(same, chosen)):
            return chosen
        stand_ins = [e for e in self._spare if not same(e)]
        return tuple(self._replaced(chosen, stand_ins, same))

    def _replaced(self, chosen: Sequence[Example], stand_ins: list[Example], same: SameInputs) -> Iterator[Example]:
        for demo in chosen:
            if not same(demo):
                yield demo
                continue
            found = next((e for e in stand_ins if not self._keeps_label or e.target == demo.target), None)
            if found is not None:
                stand_ins.remove(found)
                yield found


def _arrange(chosen: Sequence[Example], labels: Sequence[str], order: Order) -> list[Example]:
    rank = {label: i for i, label in enumerate(labels)}
    if order == "by-label":
        return sorted(chosen, key=lambda e: rank[e.target])
    if order == "interleaved":
        turns = {label: count() for label in labels}
        return [
            e for _, _, e in sorted(((next(turns[e.target]), rank[e.target], e) for e in chosen), key=lambda t: t[:2])
        ]
    return list(chosen)
