"""A kernel that asks how alike two points are in each of several respects, and how much each of them matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, NormalizedKernelMixin, StationaryKernelMixin

Floats = NDArray[np.float64]


class BlockMatern(StationaryKernelMixin, NormalizedKernelMixin, Kernel):  # type: ignore[misc]
    """Matern 5/2 with one length scale per block of columns (Rasmussen and Williams 2006, section 4.2 and 5.1).

    Args:
        widths: Columns of each block, in order.
        length_scale: Of each block.
        length_scale_bounds: Least and largest length scale.
    """

    def __init__(
        self, widths: Sequence[int], length_scale: Sequence[float], length_scale_bounds: tuple[float, float]
    ) -> None:
        self.widths, self.length_scale, self.length_scale_bounds = widths, length_scale, length_scale_bounds

    @property
    def hyperparameter_length_scale(self) -> Hyperparameter:
        """See scikit-learn's `Kernel`."""
        return Hyperparameter("length_scale", "numeric", self.length_scale_bounds, len(self.widths))

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:  # noqa: N803, FBT
        """[rows of X, rows of Y], and the gradient by the logarithms of the length scales where it is asked for."""
        parts = np.stack([_squares(a, b) for a, b in self._pairs(X, X if Y is None else Y)], axis=-1)
        parts /= np.square(np.atleast_1d(self.length_scale))
        far = np.sqrt(5 * parts.sum(axis=-1))
        alike = (1 + far + far**2 / 3) * np.exp(-far)
        if not eval_gradient:
            return alike
        return alike, (5 / 3 * (1 + far) * np.exp(-far))[..., None] * parts

    def _pairs(self, left: Floats, right: Floats) -> zip[tuple[Floats, Floats]]:
        ends = np.cumsum(self.widths)[:-1]
        return zip(np.split(left, ends, axis=1), np.split(right, ends, axis=1), strict=True)


def _squares(left: Floats, right: Floats) -> Floats:
    """Squared distances."""
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    squares: Floats = np.maximum(sums - 2 * left @ right.T, 0.0)
    return squares
