"""What an exported prompt says, as it is handed to people: predictions, and metrics with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.statistics.scores import Interval, Scorecard, interval
from autoprompt_search.evaluate import losses, shares
from autoprompt_search.metrics import metric_named
from autoprompt_search.metrics.confusion import confusion


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one input."""

    answer: str
    """The label, the option or the text that was read; empty where none could be."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Label -> probability, given that one of the labels is the answer; sums to one. Empty where text was written."""
    text: str = ""
    """What the model wrote; empty where it compared answers."""
    finish: str = ""
    """Why the text ended: `stop`, `end` or `length`; empty where the model compared answers."""
    unscored: str = ""
    """Why no answer could be read: `cut`, `empty`, `not-parsed`, `refused`; empty where one was."""

    @property
    def label(self) -> str:
        """The answer of a prompt that answers with labels."""
        return self.answer


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An exported prompt on labelled examples."""

    metric: str
    """The metric the prompt is judged by."""
    scores: Mapping[str, Interval]
    """That metric, and accuracy where there are labels -> value with its 95 % interval."""
    loss: float | None
    """Mean negative log-probability of the right answer; None where the model gives no probabilities."""
    examples: int
    labels: tuple[str, ...]
    """Empty where answers are no labels."""
    confusion: tuple[tuple[int, ...], ...]
    """[right label][predicted label], counts in label order; a last column counts answers that are no label, where
    there are any."""
    predictions: tuple[Prediction, ...]
    """One per example, in the order given."""
    notes: tuple[str, ...] = ()
    """What makes these numbers better than they deserve to be, if anything does."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Shares of generated answers that are `unscored`, and that were `cut` at the cap."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why answers could not be read -> how many."""


def prediction_of(outcome: Outcome, labels: Sequence[str]) -> Prediction:
    """One outcome for people; probabilities lose their rounding."""
    said = outcome.response
    if isinstance(said, Completion):
        return Prediction(outcome.prediction, {}, said.text, said.finish, outcome.unscored)
    if not outcome.logprobs:
        return Prediction(outcome.prediction, unscored=outcome.unscored)
    raw = [math.exp(value) for value in outcome.logprobs]
    return Prediction(outcome.prediction, {label: p / sum(raw) for label, p in zip(labels, raw, strict=True)})


def evaluation_of(
    metric: str, outcomes: Sequence[Outcome], labels: tuple[str, ...], notes: tuple[str, ...]
) -> Evaluation:
    """What these outcomes, of one example at least, are worth."""
    names = dict.fromkeys((metric, *(("accuracy",) if labels else ())))
    known = losses(outcomes)
    reasons = [o.unscored for o in outcomes if o.unscored]
    return Evaluation(
        metric=metric,
        scores={n: interval(Scorecard.of(outcomes, metric_named(n, labels))) for n in names},
        loss=sum(known) / len(known) if known else None,
        examples=len(outcomes),
        labels=labels,
        confusion=confusion(outcomes, labels).square if labels else (),
        predictions=tuple(prediction_of(o, labels) for o in outcomes),
        notes=notes,
        shares=shares(outcomes),
        reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
    )
