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
from threadpoolctl import threadpool_limits

from autoprompt_search.core.statistics.additive import Estimate
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.expected_improvement import expected_improvement
from autoprompt_search.studies.features import Floats, Texts, blocks
from autoprompt_search.studies.kernel import BlockMatern

MOST, FITTED = 300, 100
"""Trials that are learned from, and those of them that the length scales are learned from. What a draw takes grows with
the third power of the former, and some fifty times that of the latter (`benchmarks/drawing.py`)."""
_LENGTHS, _HEIGHTS = (0.2, 20.0), (0.05, 20.0)
"""Bounds of length scales, two random points being 1 apart; and of the variance, that of the scores being 1."""
_LEAST = 1e-4
"""Least share of a score's variance that is noise, so that equal points do no harm."""


def most_promising(
    space: SearchSpace,
    texts: Texts,
    seen: Sequence[tuple[Params, Estimate]],
    waiting: Sequence[Params],
    candidates: Sequence[Params],
    *,
    most: int = MOST,
    fitted: int = FITTED,
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
        most: Trials that are learned from, and
        fitted: those of them that the length scales are learned from; see `training_indices`.
    """
    seen = [seen[index] for index in training_indices([estimate for _, estimate in seen], most)]
    parts = blocks(space, texts, [*(params for params, _ in seen), *waiting, *candidates])
    if not parts:
        return 0
    rows = np.concatenate(parts, axis=1)
    known, pending = len(seen), len(seen) + len(waiting)
    scores = np.array([estimate.seen for _, estimate in seen])
    unit = max(float(scores.std()), 1e-6)
    heights = (scores - scores.mean()) / unit
    noise = np.maximum((np.array([estimate.stderr for _, estimate in seen]) / unit) ** 2, _LEAST)
    some = training_indices([estimate for _, estimate in seen], fitted)
    with threadpool_limits(1, "blas"):  # matrices this small: threads cost more than they give, beside workers tenfold
        model = _fitted([part.shape[1] for part in parts], rows[some], heights[some], noise[some])
        if len(some) < known:
            model = _told(model, rows[:known], heights, noise)
        if waiting:
            believed = np.concatenate([heights, model.predict(rows[known:pending])])
            model = _told(model, rows[:pending], believed, np.append(noise, np.full(len(waiting), _LEAST)))
        mean, spread = model.predict(rows[pending:], return_std=True)
        return int(np.argmax(expected_improvement(mean - model.predict(rows[:known]).max(), spread)))


def training_indices(estimates: Sequence[Estimate], most: int) -> list[int]:
    """Places of at most so many trials, in order: a third of them the best, and the others evenly over all the rest.

    The best say where to look further, the others what the whole space is like; the latest alone would not, because a
    sampler that has learned something asks for ever better ones.
    """
    if len(estimates) <= most:
        return list(range(len(estimates)))
    by_score = sorted(range(len(estimates)), key=lambda place: (-estimates[place].score, place))
    best = by_score[: most // 3]
    rest, wanted = sorted(by_score[most // 3 :]), most - most // 3
    return sorted([*best, *(rest[step * len(rest) // wanted] for step in range(wanted))])


def _told(model: GaussianProcessRegressor, rows: Floats, heights: Floats, noise: Floats) -> GaussianProcessRegressor:
    """The same length scales with other scores."""
    return GaussianProcessRegressor(model.kernel_, alpha=noise, optimizer=None).fit(rows, heights)


def _fitted(widths: Sequence[int], rows: Floats, heights: Floats, noise: Floats) -> GaussianProcessRegressor:
    """The model fitted by maximum likelihood from one start, so that the same data give the same model."""
    kernel = ConstantKernel(1.0, _HEIGHTS) * BlockMatern(tuple(widths), (1.0,) * len(widths), _LENGTHS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound: that block does not matter
        return GaussianProcessRegressor(kernel, alpha=noise).fit(rows, heights)
