"""What a prompt did example by example: what paired tests are made of, kept beside a trial in the study's storage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.types import Measurement, Outcome

ITEMS = "items"
"""User attribute of a trial in the storage: the examples of its highest rung."""
_SCALE = 10
"""Margins are kept in tenths of a natural logarithm."""
_FAR = 99
"""Beyond this many tenths a margin says nothing more."""


@dataclass(frozen=True, slots=True)
class Items:
    """Per example, in rung order."""

    hits: NDArray[np.float64]
    """1 where the answer was right, 0 where not."""
    margins: NDArray[np.float64]
    """By how much, in log-probability, the answer led the second; below zero where it was wrong."""

    def __len__(self) -> int:
        return len(self.hits)

    def first(self, examples: int) -> Items:
        """Of a lower rung."""
        return Items(self.hits[:examples], self.margins[:examples])


def items_of(measurement: Measurement) -> Items | None:
    """None where there are no outcomes, or where the score is not the share of right answers.

    A score such as macro-F1 is no mean over examples: differences of hits do not say which prompt has the better one.
    """
    if not measurement.outcomes:
        return None
    hits = np.array([o.is_right for o in measurement.outcomes], dtype=float)
    if abs(hits.mean() - measurement.score) > 1e-9:
        return None
    return Items(hits, np.array([_margin(o) for o in measurement.outcomes]))


def to_text(items: Items) -> str:
    """A few characters per example: `+` or `-` for the answer, then the margin's size in tenths."""
    rounded = np.minimum(np.abs(items.margins) * _SCALE, _FAR).round().astype(int)
    return "".join(f"{'+' if hit else '-'}{size}" for hit, size in zip(items.hits, rounded, strict=True))


def from_text(text: str) -> Items:
    """The inverse of `to_text`, up to the rounding of margins."""
    marks = [mark for mark in text if mark in "+-"]
    sizes = text.replace("-", "+").split("+")[1:]
    hits = np.array([mark == "+" for mark in marks], dtype=float)
    return Items(hits, np.array([float(size) for size in sizes]) / _SCALE * np.where(hits > 0, 1, -1))


def rounded(items: Items) -> Items:
    """As the next driver will read them, so that both decide alike."""
    return from_text(to_text(items))


def _margin(outcome: Outcome) -> float:
    if len(outcome.logprobs) < 2:
        return 0.0
    best, second = sorted(outcome.logprobs, reverse=True)[:2]
    lead = min(best - second, _FAR) if math.isfinite(second) else float(_FAR)
    return lead if outcome.is_right else -lead
