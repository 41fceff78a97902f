"""What a prompt did example by example: what paired tests are made of, kept beside a trial in the study's storage."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Measurement, Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.scores import Scorecard

ITEMS = "items"
"""User attribute of a trial in the storage: the examples of its highest rung."""
_SCALE = 10
"""Margins are kept in tenths of a natural logarithm."""
_FAR = 99
"""Beyond this many tenths a margin says nothing more."""
_DIGITS = 4
"""Decimals to which scores of examples are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is kept of every example of a measurement, in rung order."""

    values: Doubles
    """[examples, k]: `Metric.statistics`, of which the score is a function of the sum."""
    margins: Doubles | None = None
    """[examples], where the score is the mean of the examples: by how much, in log-probability, the answer led the
    second; below zero where it scored less than a half. None for other metrics."""

    @classmethod
    def of(cls, measurement: Measurement, metric: Metric) -> Self | None:
        """None where the measurement has no outcomes."""
        if not measurement.outcomes:
            return None
        outcomes, values = measurement.outcomes, Scorecard.of(measurement.outcomes, metric).values
        if not metric.is_mean:
            return cls(values)
        return cls(values[:, :1], np.array([_margin(o, s) for o, s in zip(outcomes, values[:, 0], strict=True)]))

    @property
    def scores(self) -> Doubles:
        """[examples] in [0, 1], where the score is their mean: for accuracy 1 where the answer was right, else 0."""
        return self.values[:, 0]

    @property
    def is_of_mean(self) -> bool:
        """Whether the score is the mean of `scores`."""
        return self.margins is not None

    def first(self, examples: int) -> Self:
        """The first examples, as a lower rung had them."""
        return type(self)(self.values[:examples], None if self.margins is None else self.margins[:examples])

    def __len__(self) -> int:
        return len(self.values)

    def to_text(self) -> str:
        """The evidence as the storage keeps it; scores and margins are rounded.

        Of right and wrong answers a few characters per example: `+` or `-`, then the margin's size in tenths. Of other
        means JSON: the scores, and the margins in tenths. Of other metrics JSON: the distinct rows of statistics once,
        then which of them each example has.
        """
        if self.margins is None:
            rows, indices = np.unique(self.values, axis=0, return_inverse=True)
            return json.dumps([rows.tolist(), indices.ravel().tolist()], separators=(",", ":"))
        sizes = np.minimum(np.abs(self.margins) * _SCALE, _FAR).round().astype(int)
        scores = self.scores.round(_DIGITS)
        if np.isin(scores, (0.0, 1.0)).all():
            return "".join(f"{'+' if score else '-'}{size}" for score, size in zip(scores, sizes, strict=True))
        signed = (np.sign(self.margins) * sizes).astype(int)
        return json.dumps([scores.tolist(), signed.tolist()], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `to_text`, up to rounding. Raises `ConfigError` for what an earlier version wrote."""
        if not text.startswith("["):
            right = np.array([mark == "+" for mark in text if mark in "+-"], dtype=float)
            sizes = np.array([float(size) for size in text.replace("-", "+").split("+")[1:]])
            return cls(right[:, None], sizes / _SCALE * np.where(right > 0, 1, -1))
        kept = json.loads(text)
        if len(kept) != 2:
            raise ConfigError(
                "the study was stored by an earlier version, which kept labels instead of statistics: run with --fresh"
            )
        first, second = kept
        if first and isinstance(first[0], list):
            return cls(np.array(first, dtype=np.float64)[second])
        return cls(np.array(first, dtype=float)[:, None], np.array(second, dtype=float) / _SCALE)


def _margin(outcome: Outcome, score: float) -> float:
    if len(outcome.logprobs) < 2:
        return 0.0
    best, second = sorted(outcome.logprobs, reverse=True)[:2]
    lead = min(best - second, _FAR) if math.isfinite(second) else float(_FAR)
    return lead if score >= 0.5 else -lead
