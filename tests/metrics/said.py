"""Outcomes of answers in words, for tests of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoprompt_search.core.rng import derive_rng

WORDS = (
    "the",
    "a",
    "red",
    "Red",
    "dog",
    "dogs",
    "runs",
    "running",
    "fast",
    ".",
    ",",
    "an",
    "well-known",
    "12",
    "caf\u00e9",
)


@dataclass(frozen=True)
class Said:
    prediction: str
    targets: tuple[str, ...]
    unscored: str = ""

    @property
    def target(self) -> str:
        return self.targets[0]


def said(prediction: str, *targets: str, unscored: str = "") -> Any:
    return Said(prediction, targets, unscored)


def corpus(number: int, seed: int, references: int = 2) -> list[Any]:
    """Answers that share some words with their references, each with one to `references` of them."""
    rng = derive_rng("said", seed)

    def text(least: int = 0) -> list[str]:
        return [rng.choice(WORDS) for _ in range(rng.randrange(least, 14))]

    def near(words: list[str]) -> str:
        return " ".join(word for word in words if rng.random() < 0.8) + rng.choice(["", ".", "\nThe end. Fin"])

    made = []
    for _ in range(number):
        base = text(1)
        targets = [" ".join(base), *(near(base) for _ in range(rng.randrange(references)))]
        made.append(said(near(base) if rng.random() < 0.8 else " ".join(text()), *targets))
    return made


def score(metric: Any, outcomes: Sequence[Any]) -> float:
    rows = np.array([metric.statistics(outcome) for outcome in outcomes], dtype=np.float64)
    return float(metric.score(rows.sum(axis=0), len(outcomes)))


def corpora() -> Iterator[list[Any]]:
    for number in (1, 2, 5, 40):
        for seed in range(6):
            yield corpus(number, seed + 100 * number)
