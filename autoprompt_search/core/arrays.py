"""Names for arrays, so that signatures say what they hold without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Tensor = Any
"""A `torch.Tensor`; this layer does not import torch."""
