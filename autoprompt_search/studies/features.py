"""Points of a space as vectors that say how alike two prompts are, block by block. Knows no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.space import AnyParam, Choice, Fixed, SearchSpace
from autoprompt_search.studies.scales import distribution_of, to_unit

Floats = NDArray[np.float64]
Texts = Mapping[str, Mapping[str, str]]
"""Parameter -> value -> what that value stands for."""
BLOCKS = {"template": 0, "instruction": 0, "verbalizer": 0, "demos": 1, "layout": 2, "calibration": 2, "soft": 3}
"""First part of an address -> block: what is said, what is shown, how it is laid out, what is trained."""
_OTHERS = 2
_INACTIVE = 0.5
"""Stands for a number that is not active: whether it is shows in the parameter that it depends on."""
_WIDTH = 16
"""Most dimensions of an embedded text."""


def blocks(space: SearchSpace, texts: Texts, points: Sequence[Params]) -> list[Floats]:
    """[points, columns] per block that has open parameters, scaled so that two of the points are 1 apart on average.

    Texts are TF-IDF of character n-grams, reduced by a truncated singular value decomposition (latent semantic
    analysis; Deerwester et al. 1990); names are one column each, numbers their place in the range.
    """
    columns: dict[int, list[Floats]] = {}
    for name, param in space.root.items():
        if param.size > 1:
            encoded = _columns(param, texts.get(name, {}), [point.get(name) for point in points])
            columns.setdefault(BLOCKS.get(name.split(".")[0], _OTHERS), []).append(encoded)
    joined = [np.concatenate(columns[block], axis=1) for block in sorted(columns)]
    return [block / scale for block in joined if (scale := np.sqrt(2 * block.var(axis=0).sum())) > 0]


def _columns(param: AnyParam, texts: Mapping[str, str], values: Sequence[Scalar | None]) -> Floats:
    if isinstance(param, (Choice, Fixed)):
        names = [str(v) for v in param.values]
        rows = _embedded(tuple(texts[n] for n in names)) if set(names) <= set(texts) else np.eye(len(names)) / 2**0.5
        known: dict[Any, Floats] = {(type(v), v): row for v, row in zip(param.values, rows, strict=True)}
        return np.array([known.get((type(v), v), np.zeros(rows.shape[1])) for v in values])
    distribution = distribution_of(param)
    return np.array([[_INACTIVE if v is None else to_unit(distribution, float(v))] for v in values])  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _embedded(texts: tuple[str, ...]) -> Floats:
    """[texts, dimensions]; distances are what counts, so that signs of singular vectors do not matter."""
    if not any(text.strip() for text in texts):
        return np.eye(len(texts))
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts).toarray()
    left, sizes, _ = np.linalg.svd(grams - grams.mean(axis=0), full_matrices=False)
    reduced: Floats = (left * sizes)[:, :_WIDTH]
    return reduced
