"""How near examples are to each other: cosines of word counts, or of the backend's own vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.prompts import EmbedTexts
from autoprompt_search.core.types import Example
from autoprompt_search.demos.checks import SameInputs

By = Literal["tfidf", "embedding"]
"""`tfidf`: of the words; `embedding`: of the backend's vectors."""
Vectors = Callable[[Sequence[str]], Any]
"""Texts -> [texts, width] rows of unit length, dense or sparse."""

_WORDS = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]"
"""Words, characters of scripts without blanks, and signs: no text is without terms."""
_BLOCK = 256
"""Queries compared at once: bounds the memory of a dense block of similarities."""
_DIGITS = 5
"""Similarities equal to so many digits are ties, so that rounding in a batch decides nothing."""


@dataclass(frozen=True, slots=True)
class Near:
    """Some of the pool, nearest to a query first."""

    places: NDArray[np.int64]
    """Indices of the neighbours in the pool."""
    similarities: NDArray[np.float64]
    """Similarities to the query."""


class Neighbours:
    """The pool, seen from any query.

    Args:
        pool: Its order decides ties, so that the same pool gives the same neighbours anywhere.
        by: What is compared, of all fields together.
        embed: Texts to vectors; needed by `embedding`.
    """

    def __init__(self, pool: Sequence[Example], by: By, embed: EmbedTexts | None) -> None:
        self._pool = tuple(pool)
        self._fields = tuple(self._pool[0].inputs)
        texts = [self._text(example) for example in self._pool]
        if by == "tfidf":
            vectorizer = TfidfVectorizer(token_pattern=_WORDS, sublinear_tf=True)
            self._vectors: Vectors = vectorizer.fit(texts).transform
        elif embed is not None:
            self._vectors = lambda found: np.asarray(embed(found), dtype=np.float64)
        else:
            raise ConfigError("by: 'embedding' needs a backend that gives embeddings; this one does not")
        self._rows: Any = self._vectors(texts)

    def nearest(self, queries: Sequence[Example], number: int) -> Iterator[Near]:
        """The nearest `number` of the pool for each query, never the query itself; ties go to the earlier one."""
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            similarities = _cosines(self._vectors([self._text(query) for query in block]), self._rows)
            for query, row in zip(block, similarities, strict=True):
                same = SameInputs(query)
                others = (index for index in np.argsort(-row, kind="stable") if not same(self._pool[index]))
                places = np.fromiter(islice(others, number), dtype=np.int64)
                yield Near(places, row[places])

    def among(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """[places, places] similarities of pool examples to each other."""
        return _cosines(self._rows[places], self._rows[places])

    def _text(self, example: Example) -> str:
        return "\n".join(example.inputs[name] for name in self._fields)


def _cosines(left: Any, right: Any) -> NDArray[np.float64]:
    """Cosines between rows of unit length."""
    product = left @ right.T
    dense = product.toarray() if hasattr(product, "toarray") else product
    return np.asarray(dense, dtype=np.float64).round(_DIGITS)
