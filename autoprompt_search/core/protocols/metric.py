"""What a metric must offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Metric(Protocol):
    """Higher is better. Builders take no options unless the metric has some."""

    def __call__(self, targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> float:
        """Value on these examples; targets and predictions are label names of equal length >= 1."""
        ...
