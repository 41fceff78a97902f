"""Which prompt to try next, from what the prompts that were tried say and how they did: a Gaussian process over texts.

After HbBoPs (Schneider et al. 2024, arXiv 2412.07820), without its neural network: prompts that say similar things,
show similar demonstrations and are laid out alike are expected to score alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel

from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.additive import Estimate
from autoprompt_search.studies.features import Floats, Texts, blocks
from autoprompt_search.studies.gains import expected_gain
from autoprompt_search.studies.kernel import BlockMatern

_LENGTHS, _HEIGHTS = (0.2, 20.0), (0.05, 20.0)
"""Bounds of length scales, two random points being 1 apart; and of the variance, that of the scores being 1."""
_LEAST = 1e-4
"""Of a score's variance is noise at least, so that equal points do no harm."""


def most_promising(
    space: SearchSpace,
    texts: Texts,
    seen: Sequence[tuple[Params, Estimate]],
    waiting: Sequence[Params],
    candidates: Sequence[Params],
) -> int:
    """Place of the candidate with the largest expected improvement over the best prompt, as far as that one is known.

    Every score counts by its own standard error. Trials that run are taken to score what is expected of them
    (kriging believer; Ginsbourger et al. 2010), so that several at a time are not alike.

    Args:
        space: Of all points.
        texts: What the names stand for.
        seen: Trials with a score; at least two.
        waiting: Trials without one.
        candidates: At least one.
    """
    parts = blocks(space, texts, [*(params for params, _ in seen), *waiting, *candidates])
    if not parts:
        return 0
    rows = np.concatenate(parts, axis=1)
    known, pending = len(seen), len(seen) + len(waiting)
    scores = np.array([estimate.seen for _, estimate in seen])
    unit = max(float(scores.std()), 1e-6)
    heights = (scores - scores.mean()) / unit
    noise = np.maximum((np.array([estimate.stderr for _, estimate in seen]) / unit) ** 2, _LEAST)
    model = _fitted([part.shape[1] for part in parts], rows[:known], heights, noise)
    if waiting:
        believed = np.concatenate([heights, model.predict(rows[known:pending])])
        certain = np.concatenate([noise, np.full(len(waiting), _LEAST)])
        model = GaussianProcessRegressor(model.kernel_, alpha=certain, optimizer=None).fit(rows[:pending], believed)
    mean, spread = model.predict(rows[pending:], return_std=True)
    return int(np.argmax(expected_gain(mean - model.predict(rows[:known]).max(), spread)))


def _fitted(widths: Sequence[int], rows: Floats, heights: Floats, noise: Floats) -> GaussianProcessRegressor:
    """By maximum likelihood from one start, so that the same data give the same model."""
    kernel = ConstantKernel(1.0, _HEIGHTS) * BlockMatern(tuple(widths), (1.0,) * len(widths), _LENGTHS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound: that block does not matter
        return GaussianProcessRegressor(kernel, alpha=noise).fit(rows, heights)
