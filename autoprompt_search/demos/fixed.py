"""Demonstrations that are the same for every query: drawn at random, balanced over the labels, or hard ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from pydantic import Field

from autoprompt_search.core.prompts import Demonstrations
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example
from autoprompt_search.demos.checks import SameInputs, check_k, check_labels
from autoprompt_search.demos.orders import FixedOrder, arranged

_HARDEST = 3
"""Times `k`: so many of the hardest examples are drawn from."""


def random_demos(
    pool: Sequence[Example],
    labels: Sequence[str],
    seed: int,
    *,
    k: Annotated[int, Field(ge=1)],
    draw: int = 0,
    order: FixedOrder = "shuffled",
) -> FixedDemos:
    """`k` examples drawn without regard to labels; a larger k adds to a smaller one of the same draw.

    Args:
        pool: Where from.
        labels: All label names; their order is that of `by-label`.
        seed: With `draw`, decides the choice.
        k: How many.
        draw: Which of the seed's choices.
        order: How they stand in the prompt.
    """
    check_k(k, pool)
    ranked = list(pool)
    derive_rng(seed, "demos", "random", draw).shuffle(ranked)
    return FixedDemos("random", arranged(ranked[:k], labels, order), ranked[k:])


def balanced_demos(
    pool: Sequence[Example],
    labels: Sequence[str],
    seed: int,
    *,
    k: Annotated[int, Field(ge=1)],
    draw: int = 0,
    order: FixedOrder = "shuffled",
) -> FixedDemos:
    """`k` examples, as many of each label; which labels have one more than others is drawn.

    Args:
        pool: Where from; it must hold enough of each label.
        labels: All label names.
        seed: With `draw`, decides the choice.
        k: How many in all.
        draw: Which of the seed's choices.
        order: How they stand in the prompt; `shuffled` mixes the labels.
    """
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
    return FixedDemos("balanced", arranged(chosen, labels, order), spare, keeps_label=True)


def hard_demos(
    pool: Sequence[Example],
    labels: Sequence[str],
    seed: int,
    losses: Callable[[Sequence[Example]], Sequence[float]],
    *,
    k: Annotated[int, Field(ge=1)],
    draw: int = 0,
    order: FixedOrder = "shuffled",
) -> FixedDemos:
    """`k` examples that the model gets most wrong without demonstrations: the idea of hard example mining
    (Shrivastava et al. 2016, arXiv 1604.03540).

    The hardest examples of a data set are also those with wrong labels. So draw 0 is the k hardest, and every
    other draw takes k of the 3k hardest, any of them.

    Args:
        pool: Where from.
        labels: All label names; their order is that of `by-label`.
        seed: With `draw`, decides the choice.
        losses: How wrong the baseline prompt is about each of these examples.
        k: How many.
        draw: 0 for the hardest, else which of the seed's choices.
        order: How they stand in the prompt; `shuffled` mixes the hardest, too.
    """
    check_k(k, pool)
    pool_losses = losses(pool)
    ranked = [pool[i] for i in sorted(range(len(pool)), key=lambda i: (-pool_losses[i], i))]
    rng = derive_rng(seed, "demos", "hard", draw)
    chosen = rng.sample(ranked[: k if draw == 0 else _HARDEST * k], k)
    spare = [e for e in ranked if e not in chosen]
    return FixedDemos("hard", arranged(chosen, labels, order), spare)


class FixedDemos:
    """The chosen examples, and who stands in for one that is the query; implements `DemoSelector`.

    Args:
        strategy: By name.
        chosen: In prompt order.
        spare: Stand-ins, best first.
        keeps_label: A stand-in must have the label of the one it replaces.
    """

    def __init__(
        self, strategy: str, chosen: Sequence[Example], spare: Sequence[Example], *, keeps_label: bool = False
    ) -> None:
        self._demonstrations = Demonstrations(strategy, tuple(chosen))
        self._spare = tuple(spare)
        self._keeps_label = keeps_label

    @property
    def demonstrations(self) -> Demonstrations:
        """The chosen examples in prompt order."""
        return self._demonstrations

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """The same for all queries, with stand-ins where a query is among them, as far as there are any."""
        return [self._without(query) for query in queries]

    def _without(self, query: Example) -> tuple[Example, ...]:
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
            substitute = next((e for e in stand_ins if not self._keeps_label or e.target == demo.target), None)
            if substitute is not None:
                stand_ins.remove(substitute)
                yield substitute
