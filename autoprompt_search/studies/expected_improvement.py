"""What it is worth, on average, to learn something that may turn out either way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def expected_improvement(lead: Floats, step: Floats) -> Floats:
    """E max(0, lead + step * z) with z standard normal (Jones et al. 1998, J. Glob. Optim. 13:455).

    Args:
        lead: Lead of what is looked at over the best that is known; mostly below zero.
        step: Standard deviation of what will be known of it.
    """
    safe = np.maximum(step, 1e-12)
    z = lead / safe
    gain: Floats = safe * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) + lead * ndtr(z)
    return gain
