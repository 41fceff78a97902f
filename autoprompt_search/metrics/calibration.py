"""How far the probabilities that a model gives its answers can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric

BINS = 10


def one_minus_ece() -> Metric:
    """One minus the expected calibration error (Guo et al. 2017) with ten bins of equal width, in [0, 1].

    The error is the mean distance, over bins of the predicted label's probability, between that probability and the
    share of right answers. Answers without probabilities count as certain.
    """
    return _Calibration()


@dataclass(frozen=True, slots=True)
class _Calibration:
    """Two statistics per bin: the summed probabilities, and the number of right answers."""

    answers: tuple[str, ...] = ("label",)
    is_mean: bool = False

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        confidence = min(math.exp(max(outcome.logprobs)), 1.0) if outcome.logprobs else 1.0
        bin_index = min(max(math.ceil(confidence * BINS) - 1, 0), BINS - 1)
        row = [0.0] * (2 * BINS)
        row[bin_index], row[BINS + bin_index] = confidence, float(outcome.is_right)
        return row

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        distances = np.abs(sums[..., :BINS] - sums[..., BINS:])
        scores: Doubles = 1 - np.add.accumulate(distances, axis=-1)[..., -1] / n
        return scores
