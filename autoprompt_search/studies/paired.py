"""What a prompt did example by example: what paired tests are made of, kept beside a trial in the study's storage."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Protocol, Self

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
"""Decimals to which values between 0 and 1 are kept."""


class Evidence(Protocol):
    """Something about every example of a measurement, in rung order."""

    @classmethod
    def of(cls, measurement: Measurement, metric: Metric) -> Self | None:
        """None where the measurement does not tell."""
        ...

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `to_text`, up to rounding."""
        ...

    def to_text(self) -> str:
        """For the storage."""
        ...

    def first(self, examples: int) -> Self:
        """The scores on the first examples, as a lower rung had them."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class PairedScores:
    """Where the score is the mean of its examples: what each of them scored, and how sure the model was."""

    hits: Doubles
    """In [0, 1]; for a share of right answers 1 where the answer was right, 0 where not."""
    margins: Doubles
    """By how much, in log-probability, the answer led the second; below zero where it scored less than a half."""

    @classmethod
    def of(cls, measurement: Measurement, metric: Metric) -> Self | None:
        """None where there are no outcomes, or where the score is not the mean of its examples."""
        if not measurement.outcomes or not metric.is_mean:
            return None
        hits = Scorecard.of(measurement.outcomes, metric).values[:, 0]
        return cls(hits, np.array([_margin(o, hit) for o, hit in zip(measurement.outcomes, hits, strict=True)]))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """As `Evidence.from_text`."""
        if text.startswith("["):
            hits, margins = json.loads(text)
            return cls(np.array(hits, dtype=float), np.array(margins, dtype=float) / _SCALE)
        marks = [mark for mark in text if mark in "+-"]
        sizes = text.replace("-", "+").split("+")[1:]
        right = np.array([mark == "+" for mark in marks], dtype=float)
        return cls(right, np.array([float(size) for size in sizes]) / _SCALE * np.where(right > 0, 1, -1))

    def to_text(self) -> str:
        """Of right and wrong answers a few characters per example: `+` or `-`, then the margin's size in tenths.

        Of other values JSON: the values, and the margins in tenths.
        """
        rounded = np.minimum(np.abs(self.margins) * _SCALE, _FAR).round().astype(int)
        hits, signed = self.hits.round(_DIGITS), (np.sign(self.margins) * rounded).astype(int)
        if np.isin(hits, (0.0, 1.0)).all():
            return "".join(f"{'+' if hit else '-'}{size}" for hit, size in zip(hits, rounded, strict=True))
        return json.dumps([hits.tolist(), signed.tolist()], separators=(",", ":"))

    def first(self, examples: int) -> Self:
        """As `Evidence.first`."""
        return type(self)(self.hits[:examples], self.margins[:examples])

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True, eq=False)
class PairedStatistics:
    """Where the score is a function of summed statistics, such as macro-F1: those of every example."""

    values: Doubles
    """[examples, k]: `Metric.statistics`."""

    @classmethod
    def of(cls, measurement: Measurement, metric: Metric) -> Self | None:
        """None where there are no outcomes."""
        return cls(Scorecard.of(measurement.outcomes, metric).values) if measurement.outcomes else None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """As `Evidence.from_text`. Raises `ConfigError` for what an earlier version wrote."""
        kept = json.loads(text)
        if len(kept) != 2:
            raise ConfigError(
                "the study was stored by an earlier version, which kept labels instead of statistics: run with --fresh"
            )
        rows, indices = kept
        return cls(np.array(rows, dtype=np.float64)[indices])

    def to_text(self) -> str:
        """JSON: the distinct rows once, then which of them each example has."""
        rows, indices = np.unique(self.values, axis=0, return_inverse=True)
        return json.dumps([rows.tolist(), indices.ravel().tolist()], separators=(",", ":"))

    def first(self, examples: int) -> Self:
        """As `Evidence.first`."""
        return type(self)(self.values[:examples])

    def __len__(self) -> int:
        return len(self.values)


def _margin(outcome: Outcome, hit: float) -> float:
    if len(outcome.logprobs) < 2:
        return 0.0
    best, second = sorted(outcome.logprobs, reverse=True)[:2]
    lead = min(best - second, _FAR) if math.isfinite(second) else float(_FAR)
    return lead if hit >= 0.5 else -lead
