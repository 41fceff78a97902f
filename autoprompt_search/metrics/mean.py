"""Metrics that are means of one value per example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.metrics.reading import answer, references

Value = Callable[[str, tuple[str, ...]], float]
"""An answer and the references to a value in [0, 1]."""


@dataclass(frozen=True, slots=True)
class MeanMetric:
    """The mean value of answers in words; one that could not be read has the value 0."""

    value: Value
    signature: str = ""
    """The settings that decide the value, in one line."""
    answers: tuple[str, ...] = ("text",)
    is_mean: bool = True

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        """The value of the answer, 0 where none could be read."""
        said = answer(outcome)
        return (0.0 if said is None else float(self.value(said, references(outcome))),)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        """The mean: the sum of the values over their number."""
        scores: Doubles = sums[..., 0] / n
        return scores
