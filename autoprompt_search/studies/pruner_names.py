"""The pruners by name, and what they ask of a metric. Knows none of their classes, so that a check loads no library."""

from __future__ import annotations

from typing import Literal

PrunerName = Literal["halving", "racing", "wilcoxon", "knowledge-gradient", "none"]
FOR_MEANS: tuple[PrunerName, ...] = ("wilcoxon", "knowledge-gradient")
"""Those that take a score for the mean of its examples."""
