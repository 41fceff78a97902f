"""What a prompt did example by example: what paired tests are made of, kept beside a trial in the study's storage."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.types import Measurement, Outcome

ITEMS = "items"
"""User attribute of a trial in the storage: the examples of its highest rung."""
_SCALE = 10
"""Margins are kept in tenths of a natural logarithm."""
_FAR = 99
"""Beyond this many tenths a margin says nothing more."""


class Evidence(Protocol):
    """Something about every example of a measurement, in rung order."""

    @classmethod
    def of(cls, measurement: Measurement) -> Self | None:
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
        """Of a lower rung."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class PairedScores:
    """Where the score is the share of right answers: which ones were right, and by how much."""

    hits: NDArray[np.float64]
    """1 where the answer was right, 0 where not."""
    margins: NDArray[np.float64]
    """By how much, in log-probability, the answer led the second; below zero where it was wrong."""

    @classmethod
    def of(cls, measurement: Measurement) -> Self | None:
        """None where there are no outcomes, or where the score is not the share of right answers."""
        if not measurement.outcomes:
            return None
        hits = np.array([o.is_right for o in measurement.outcomes], dtype=float)
        if abs(hits.mean() - measurement.score) > 1e-9:
            return None
        return cls(hits, np.array([_margin(o) for o in measurement.outcomes]))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """As `Evidence.from_text`."""
        marks = [mark for mark in text if mark in "+-"]
        sizes = text.replace("-", "+").split("+")[1:]
        hits = np.array([mark == "+" for mark in marks], dtype=float)
        return cls(hits, np.array([float(size) for size in sizes]) / _SCALE * np.where(hits > 0, 1, -1))

    def to_text(self) -> str:
        """A few characters per example: `+` or `-` for the answer, then the margin's size in tenths."""
        rounded = np.minimum(np.abs(self.margins) * _SCALE, _FAR).round().astype(int)
        return "".join(f"{'+' if hit else '-'}{size}" for hit, size in zip(self.hits, rounded, strict=True))

    def first(self, examples: int) -> Self:
        """As `Evidence.first`."""
        return type(self)(self.hits[:examples], self.margins[:examples])

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class PairedAnswers:
    """Where the score is a function of all answers together, such as macro-F1: what was meant and what was said."""

    targets: tuple[str, ...]
    predictions: tuple[str, ...]

    @classmethod
    def of(cls, measurement: Measurement) -> Self | None:
        """None where there are no outcomes."""
        made = measurement.outcomes
        return cls(tuple(o.target for o in made), tuple(o.prediction for o in made)) if made else None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """As `Evidence.from_text`."""
        labels, targets, predictions = json.loads(text)
        return cls(tuple(labels[i] for i in targets), tuple(labels[i] for i in predictions))

    def to_text(self) -> str:
        """Label names once, then their places."""
        labels = sorted({*self.targets, *self.predictions})
        place = {label: i for i, label in enumerate(labels)}
        rows = [[place[label] for label in row] for row in (self.targets, self.predictions)]
        return json.dumps([labels, *rows], separators=(",", ":"))

    def first(self, examples: int) -> Self:
        """As `Evidence.first`."""
        return type(self)(self.targets[:examples], self.predictions[:examples])

    def __len__(self) -> int:
        return len(self.targets)


def _margin(outcome: Outcome) -> float:
    if len(outcome.logprobs) < 2:
        return 0.0
    best, second = sorted(outcome.logprobs, reverse=True)[:2]
    lead = min(best - second, _FAR) if math.isfinite(second) else float(_FAR)
    return lead if outcome.is_right else -lead
