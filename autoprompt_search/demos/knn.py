"""Demonstrations chosen per query: its nearest neighbours in the pool (Liu et al. 2022, arXiv 2101.06804)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols import EmbedTexts
from autoprompt_search.core.types import Demonstrations, Example
from autoprompt_search.demos.checks import SameInputs, check_k

_WORDS = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]"
"""Words, characters of scripts without blanks, and signs: no text is without terms."""
_BLOCK = 256
"""Queries compared at once: bounds the memory of a dense block of similarities."""
_DIGITS = 5
"""Similarities equal to so many digits are ties, so that rounding in a batch decides nothing."""

Similarities = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts -> [texts, pool] cosine similarities."""


class KnnDemos:
    """The `k` pool examples most similar to each query; ties go to the earlier one in the pool.

    Args:
        pool: Where from. Its order decides ties, so that the same pool gives the same choice anywhere.
        embed: Texts to vectors; needed by `by: embedding`.
        k: How many.
        by: Cosine of `tfidf` vectors of the words, or of the backend's `embedding`s.
        order: `similar-last` puts the nearest next to the query.
    """

    def __init__(
        self,
        pool: Sequence[Example],
        embed: EmbedTexts | None = None,
        *,
        k: int,
        by: Literal["tfidf", "embedding"] = "tfidf",
        order: Literal["similar-last", "similar-first"] = "similar-last",
    ) -> None:
        check_k(k, pool)
        self._pool = tuple(pool)
        self._fields = tuple(self._pool[0].inputs)
        self._k, self._by, self._order = k, by, order
        texts = [self._text(example) for example in self._pool]
        if by == "tfidf":
            self._similarities = _tfidf(texts)
        elif embed is not None:
            self._similarities = _embedding(texts, embed)
        else:
            raise ConfigError("by: 'embedding' needs a backend that gives embeddings; this one does not")

    @property
    def demonstrations(self) -> Demonstrations:
        """The whole pool, and the options that rebuild this selector over it."""
        options = {"k": self._k, "by": self._by, "order": self._order}
        return Demonstrations("knn", self._pool, per_query=True, options=options)

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """The nearest of each query, fewer than k only where the pool without the query has no more."""
        return [
            chosen
            for start in range(0, len(queries), _BLOCK)
            for chosen in self._block(queries[start : start + _BLOCK])
        ]

    def _block(self, queries: Sequence[Example]) -> Iterator[tuple[Example, ...]]:
        similarities = self._similarities([self._text(query) for query in queries])
        ranks = np.argsort(-similarities.round(_DIGITS), axis=1, kind="stable")
        for query, ranked in zip(queries, ranks, strict=True):
            yield self._nearest(query, ranked)

    def _nearest(self, query: Example, ranked: NDArray[np.int64]) -> tuple[Example, ...]:
        same = SameInputs(query)
        chosen: list[Example] = []
        for place in ranked:
            if len(chosen) == self._k:
                break
            if not same(self._pool[place]):
                chosen.append(self._pool[place])
        return tuple(chosen if self._order == "similar-first" else reversed(chosen))

    def _text(self, example: Example) -> str:
        return "\n".join(example.inputs[name] for name in self._fields)


def _tfidf(texts: Sequence[str]) -> Similarities:
    vectorizer = TfidfVectorizer(token_pattern=_WORDS, sublinear_tf=True)
    pool: Any = vectorizer.fit_transform(texts).T.tocsr()
    return lambda queries: np.asarray((vectorizer.transform(queries) @ pool).toarray(), dtype=np.float64)


def _embedding(texts: Sequence[str], embed: EmbedTexts) -> Similarities:
    pool = np.asarray(embed(texts), dtype=np.float64).T
    return lambda queries: np.asarray(embed(queries), dtype=np.float64) @ pool
