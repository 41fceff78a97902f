"""Demonstrations chosen per query: its nearest neighbours in the pool, or near ones that differ from each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, cast

import numpy as np
from pydantic import Field

from autoprompt_search.core.prompts import Demonstrations
from autoprompt_search.core.protocols.prompts import EmbedTexts
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example, Scalar
from autoprompt_search.demos.checks import check_k
from autoprompt_search.demos.orders import QueryOrder, arranged
from autoprompt_search.demos.similarity import By, Near, Neighbours

_CANDIDATES = 100
"""So many of the nearest, or twice `k`, `diverse` chooses among: as in retrieval, what was found is ranked again."""

Pick = Callable[[Neighbours, Near], Sequence[int]]
"""Chooses among a query's candidates (nearest first) and gives the ranks of the chosen ones."""


def knn_demos(
    pool: Sequence[Example],
    labels: Sequence[str],
    embed: EmbedTexts | None = None,
    *,
    k: Annotated[int, Field(ge=1)],
    by: By = "tfidf",
    order: QueryOrder = "similar-last",
) -> PerQueryDemos:
    """The `k` pool examples most similar to each query (Liu et al. 2022, arXiv 2101.06804).

    Args:
        pool: Where from. Its order decides ties, so that the same pool gives the same choice anywhere.
        labels: All label names.
        embed: Texts to vectors; needed by `by: embedding`.
        k: How many.
        by: Cosine of `tfidf` vectors of the words, or of the backend's `embedding`s.
        order: How they stand in the prompt; `similar-last` puts the nearest next to the query.
    """
    options = {"k": k, "by": by, "order": order}
    return PerQueryDemos(
        "knn", pool, labels, embed, options=options, candidates=k, pick=lambda _, near: range(len(near.places))
    )


def diverse_demos(
    pool: Sequence[Example],
    labels: Sequence[str],
    embed: EmbedTexts | None = None,
    *,
    k: Annotated[int, Field(ge=1)],
    trade: Annotated[float, Field(ge=0, le=1)] = 0.5,
    by: By = "tfidf",
    order: QueryOrder = "similar-last",
) -> PerQueryDemos:
    """The `k` pool examples of maximal marginal relevance to each query (Carbonell & Goldstein 1998, SIGIR).

    One after the other the example is taken whose `trade` x similarity to the query - (1 - `trade`) x largest
    similarity to one already taken is the highest, among the hundred nearest; ties go to the nearer one.
    Near-copies of one neighbour thus leave room for others (for demonstrations: Ye et al. 2023, arXiv 2211.13892).

    Args:
        pool: Where from. Its order decides ties, so that the same pool gives the same choice anywhere.
        labels: All label names.
        embed: Texts to vectors; needed by `by: embedding`.
        k: How many.
        trade: 1 asks for similarity alone, as `knn` does; 0 for difference alone, once the nearest is taken.
        by: Cosine of `tfidf` vectors of the words, or of the backend's `embedding`s.
        order: How they stand in the prompt; `similar-last` puts the nearest next to the query.
    """
    options = {"k": k, "trade": trade, "by": by, "order": order}
    return PerQueryDemos(
        "diverse",
        pool,
        labels,
        embed,
        options=options,
        candidates=max(_CANDIDATES, 2 * k),
        pick=lambda neighbours, near: _mmr(neighbours, near, k, trade),
    )


class PerQueryDemos:
    """The pool, and a rule that picks from it for every query; implements `DemoSelector`.

    Args:
        strategy: By name.
        pool: Where from.
        labels: All label names.
        embed: Texts to vectors, if there are any.
        options: All options of the strategy: they build this selector again over the same pool, so nothing here
            depends on a seed.
        candidates: How many of the nearest the rule may pick from.
        pick: The rule.
    """

    def __init__(
        self,
        strategy: str,
        pool: Sequence[Example],
        labels: Sequence[str],
        embed: EmbedTexts | None,
        *,
        options: Mapping[str, Scalar],
        candidates: int,
        pick: Pick,
    ) -> None:
        check_k(int(options["k"]), pool)
        self._pool, self._labels = tuple(pool), tuple(labels)
        self._neighbours = Neighbours(pool, cast("By", options["by"]), embed)
        self._demonstrations = Demonstrations(strategy, self._pool, per_query=True, options=options)
        self._candidates, self._pick = candidates, pick

    @property
    def demonstrations(self) -> Demonstrations:
        """The whole pool, and the options that rebuild this selector over it."""
        return self._demonstrations

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """Fewer than k only where the pool without the query has no more."""
        nearest = self._neighbours.nearest(queries, self._candidates)
        return [self._chosen(query, near) for query, near in zip(queries, nearest, strict=True)]

    def _chosen(self, query: Example, near: Near) -> tuple[Example, ...]:
        ranks = sorted(self._pick(self._neighbours, near), reverse=True)
        examples = [self._pool[near.places[rank]] for rank in ranks]  # from far to near
        order = cast("QueryOrder", self._demonstrations.options["order"])
        if order == "shuffled":
            derive_rng("demos", *sorted(query.inputs.items())).shuffle(examples)
        return tuple(arranged(examples, self._labels, order))


def _mmr(neighbours: Neighbours, near: Near, k: int, trade: float) -> list[int]:
    """Ranks among the candidates in the order of choice: the nearest first, then greedily, as in the paper."""
    if not len(near.places):
        return []
    among = neighbours.among(near.places)
    chosen = [0]
    while len(chosen) < min(k, len(near.places)):
        worth = trade * near.similarities - (1 - trade) * among[chosen].max(axis=0)
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    return chosen
