"""What an exported prompt says, as it is handed to people: predictions with probabilities, metrics with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.statistics.scores import Interval, Scorecard, interval
from autoprompt_search.core.types import Outcome
from autoprompt_search.evaluate import losses
from autoprompt_search.metrics import metric_named
from autoprompt_search.metrics.confusion import confusion


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one input."""

    label: str
    probabilities: Mapping[str, float]
    """Label -> probability, given that one of the labels is the answer; sums to one."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An exported prompt on labelled examples."""

    metric: str
    """The metric the prompt is judged by."""
    scores: Mapping[str, Interval]
    """That metric and accuracy -> value with its 95 % interval."""
    loss: float
    """Mean negative log-probability of the right label."""
    examples: int
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """[right label][predicted label], counts in label order."""
    predictions: tuple[Prediction, ...]
    """One per example, in the order given."""
    notes: tuple[str, ...] = ()
    """What makes these numbers better than they deserve to be, if anything does."""


def prediction_of(outcome: Outcome, labels: Sequence[str]) -> Prediction:
    """One outcome for people; its probabilities lose their rounding."""
    raw = [math.exp(value) for value in outcome.logprobs]
    return Prediction(outcome.prediction, {label: p / sum(raw) for label, p in zip(labels, raw, strict=True)})


def evaluation_of(
    metric: str, outcomes: Sequence[Outcome], labels: tuple[str, ...], notes: tuple[str, ...]
) -> Evaluation:
    """What these outcomes, of one example at least, are worth."""
    names = dict.fromkeys((metric, "accuracy"))
    return Evaluation(
        metric=metric,
        scores={n: interval(Scorecard.of(outcomes, metric_named(n, labels))) for n in names},
        loss=sum(losses(outcomes)) / len(outcomes),
        examples=len(outcomes),
        labels=labels,
        confusion=confusion(outcomes, labels).counts,
        predictions=tuple(prediction_of(o, labels) for o in outcomes),
        notes=notes,
    )
