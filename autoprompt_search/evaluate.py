"""Measure one prompt on examples: what it says on each, and what that is worth. Knows no space and no study."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import SearchError, TrialError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.nesting import mode_of
from autoprompt_search.core.protocols.model import Backend, Scored, Scores
from autoprompt_search.core.protocols.prompts import DemoSelector, EmbedTexts
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.statistics.scores import Scorecard, stderr
from autoprompt_search.core.types import (
    Cost,
    Demonstrations,
    Example,
    Fidelity,
    Measurement,
    Outcome,
    Prediction,
    Prompt,
    Rendered,
)
from autoprompt_search.demos import DEMOS
from autoprompt_search.metrics import metric_named
from autoprompt_search.prompting import answer_words, render_with, shot

DIGITS = 5
"""Log-probabilities are kept to this many decimals: coarser than float noise between batches, finer than any use."""
SCORING = "label log-likelihood"
"""The scoring mode, part of every ledger key."""


class ScoringBackend(Backend, Scores, Protocol):
    """A model that can compare answers."""


class PredictionStore(Protocol):
    """Predictions made before: the ledger, or a dict of this process."""

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Example id -> prediction, for those examples that are known under `key`."""
        ...


class PredictionCache:
    """A `PredictionStore` that remembers what this process measured, in front of another one."""

    def __init__(self, behind: PredictionStore | None = None) -> None:
        self._behind = behind
        self._seen: dict[tuple[str, str], Prediction] = {}

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """From memory first, then from behind."""
        found = {e.id: self._seen[key, e.id] for e in examples if (key, e.id) in self._seen}
        missing = [e for e in examples if e.id not in found]
        return {**found, **self._behind.get(key, missing)} if self._behind and missing else found

    def add(self, measurement: Measurement) -> None:
        """Remember every outcome of `measurement`."""
        for o in measurement.outcomes:
            self._seen[measurement.prompt, o.example] = (o.logprobs, o.prompt_tokens)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a prompt says on each of some examples, and what that took."""

    outcomes: tuple[Outcome, ...]
    """In the order of the examples."""
    cost: Cost
    key: str
    """Address of the predictions in the ledger."""


def measure(
    prompt: Prompt,
    examples: Sequence[Example],
    labels: Sequence[str],
    backend: ScoringBackend,
    *,
    metric: str = "accuracy",
    fidelity: Fidelity | None = None,
    known: PredictionStore | None = None,
) -> Measurement:
    """Predict, judge and summarise one prompt on `examples`: the one way anything is ever measured."""
    made = predict(prompt, examples, labels, backend, known)
    fidelity = fidelity or Fidelity(len(examples), is_full=True)
    return replace(_summary(made.outcomes, labels, metric, fidelity), cost=made.cost, prompt=made.key, soft=prompt.soft)


def predict(
    prompt: Prompt,
    examples: Sequence[Example],
    labels: Sequence[str],
    backend: ScoringBackend,
    known: PredictionStore | None = None,
) -> Predicted:
    """The prompt's answer to every example; targets are passed on and never looked at.

    Only examples that `known` does not hold go through the model, and only what the model computed is counted as
    cost. A calibrated prompt's predictions are those of the same prompt without calibration, shifted; where
    those are known the model is not asked.
    """
    key = ledger_key(prompt, labels, backend)
    found = dict(known.get(key, examples)) if known else {}
    todo = [e for e in examples if e.id not in found]
    cost = Cost()
    if todo and prompt.calibration:
        plain = predict(replace(prompt, calibration=None), todo, labels, backend, known)
        cost, offsets = plain.cost, prompt.calibration.offsets
        found |= {o.example: (shifted(o.logprobs, offsets), o.prompt_tokens) for o in plain.outcomes}
    elif todo:
        asked, cost = _ask(prompt, todo, labels, backend)
        found |= asked
    return Predicted(tuple(outcome_of(e, labels, found[e.id]) for e in examples), cost, key)


def shifted(logprobs: Sequence[float], offsets: Sequence[float]) -> tuple[float, ...]:
    """Log-probabilities of labels less the offsets, normalised again: p(label) / p(label without a reason)."""
    moved = np.subtract(logprobs, offsets)
    return tuple((moved - np.logaddexp.reduce(moved)).round(DIGITS).tolist())


def ledger_key(prompt: Prompt, labels: Sequence[str], backend: Backend) -> str:
    """Address of a prompt's predictions: model, prompt, answers and scoring mode. The example completes it."""
    answers = answer_words(prompt, labels)
    return fingerprint([backend.fingerprint, prompt.fingerprint, answers, mode_of(SCORING, answers[0])])


def render_all(
    prompt: Prompt, examples: Sequence[Example], labels: Sequence[str], embed: EmbedTexts | None
) -> list[Rendered]:
    """The prompt on every example, each with the demonstrations it gets; an example never demonstrates itself."""
    if prompt.demos.per_query:
        chosen = selector_of(prompt, labels, embed).select(examples)
    else:
        chosen = [tuple(d for d in prompt.demos.examples if d.id != e.id) for e in examples]
    shown = {demo.id: demo for demos in chosen for demo in demos}
    shots = {name: shot(prompt, demo) for name, demo in shown.items()}
    return [
        render_with(prompt, e, tuple(shots[demo.id] for demo in demos))
        for e, demos in zip(examples, chosen, strict=True)
    ]


def selector_of(prompt: Prompt, labels: Sequence[str], embed: EmbedTexts | None) -> DemoSelector:
    """The selector of a per-query prompt, built once from what the prompt says about itself."""
    return _selector(prompt.demos, tuple(labels), embed)


@lru_cache(maxsize=4)
def _selector(demos: Demonstrations, labels: tuple[str, ...], embed: EmbedTexts | None) -> DemoSelector:
    spec = ComponentSpec(type=demos.strategy, **demos.options)
    return DEMOS.build(spec, pool=demos.examples, labels=labels, seed=0, embed=embed)


def embedder(backend: object) -> EmbedTexts | None:
    """The backend's own embedding function, if it has that capability."""
    return getattr(backend, "embed", None)


def _ask(
    prompt: Prompt, examples: Sequence[Example], labels: Sequence[str], backend: ScoringBackend
) -> tuple[dict[str, Prediction], Cost]:
    """Ask the model. The words of one label are alternatives: their probabilities add."""
    started = time.monotonic()
    answers, groups = answer_words(prompt, labels)

    def score(of: Sequence[Example]) -> Scored:
        return backend.score(render_all(prompt, of, labels, embedder(backend)), answers, prompt.soft)

    try:
        scored = score(examples)
    except (SearchError, MemoryError):  # that memory is gone says nothing about an example
        raise
    except Exception as exc:
        poison = _poison(score, examples)
        if poison is None:
            raise
        raise TrialError(f"{poison} breaks the model: {type(exc).__name__}: {str(exc).strip()}") from exc
    is_number = np.isfinite(scored.logliks.max(axis=1))
    if not is_number.all():
        where = "" if not is_number.any() else f" on the example {examples[int(np.argmin(is_number))].id!r}"
        raise TrialError(
            f"the model's scores of the answers are not a number (NaN){where}, or all answers are impossible to it"
        )
    rows = _label_logprobs(scored.logliks, groups, len(labels)).tolist()
    made = {e.id: (tuple(row), n) for e, row, n in zip(examples, rows, scored.prompt_tokens, strict=True)}
    return made, _cost(scored, time.monotonic() - started)


def _poison(score: Callable[[Sequence[Example]], Scored], examples: Sequence[Example]) -> str | None:
    """The example that the model cannot be asked about, in words, and the field at fault; None where it is not one
    example's fault, because the first and the last one fail alone.

    Halves are asked until one example is left, so that it takes about as many passes as asking all.
    """

    def fails(some: Sequence[Example]) -> bool:
        try:
            score(some)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever it was the first time
            return True
        return False

    ends = [e for e in (examples[0], examples[-1]) if fails([e])]
    suspects = ends or list(examples[1:-1])
    while not ends and len(suspects) > 1:
        first, second = suspects[: len(suspects) // 2], suspects[len(suspects) // 2 :]
        suspects = first if fails(first) else second
    if len(suspects) != 1 or not fails(suspects):
        return None
    (culprit,) = suspects
    at_fault = [n for n in culprit.inputs if not fails([replace(culprit, inputs={**culprit.inputs, n: ""})])]
    return f"the example {culprit.id!r}" + (f" (its field {at_fault[0]!r})" if at_fault else "")


def _cost(scored: Scored, seconds: float) -> Cost:
    """Of what went through the model; which prompts those were is not said, so their mean length is taken."""
    asked, tokens = len(scored.prompt_tokens), sum(scored.prompt_tokens)
    computed = asked if scored.computed is None else scored.computed
    return Cost(computed, round(tokens * computed / asked), 0, seconds)


def _label_logprobs(logliks: Floats, groups: Sequence[int], labels: int) -> NDArray[np.float64]:
    """[prompts, answers] log-likelihoods to [prompts, labels] log-probabilities given that one of them is it."""
    member = np.eye(labels, dtype=bool)[list(groups)]  # [answers, labels]
    spread = np.where(member[None], logliks.astype(np.float64)[:, :, None], -np.inf)
    per_label = np.logaddexp.reduce(spread, axis=1)
    normalised: NDArray[np.float64] = per_label - np.logaddexp.reduce(per_label, axis=1, keepdims=True)
    return normalised.round(DIGITS)


def outcome_of(example: Example, labels: Sequence[str], prediction: Prediction) -> Outcome:
    """The most probable label is the answer; a tie goes to the label named first."""
    logprobs, tokens = prediction
    best = max(range(len(labels)), key=lambda i: (logprobs[i], -i))
    return Outcome(example.id, example.target, labels[best], tuple(logprobs), tokens)


def _summary(outcomes: Sequence[Outcome], labels: Sequence[str], metric: str, fidelity: Fidelity) -> Measurement:
    """Every metric of these outcomes; the search's own one is the score."""
    cards = {
        name: Scorecard.of(outcomes, metric_named(name, labels)) for name in sorted({metric, "accuracy", "macro_f1"})
    }
    metrics = {name: card.score for name, card in cards.items()}
    metrics["loss"] = float(np.mean(losses(outcomes, labels)))
    return Measurement(
        score=metrics[metric],
        stderr=stderr(cards[metric]),
        metrics=metrics,
        fidelity=fidelity,
        prompt_tokens=float(np.mean([o.prompt_tokens for o in outcomes])),
        outcomes=tuple(outcomes),
    )


def losses(outcomes: Sequence[Outcome], labels: Sequence[str]) -> list[float]:
    """Negative log-probability of the right label, per outcome."""
    places = {label: i for i, label in enumerate(labels)}
    return [-o.logprobs[places[o.target]] for o in outcomes]
