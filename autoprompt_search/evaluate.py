"""Measure one prompt on examples: what it says on each, and what that is worth. Knows no space and no study."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Protocol

import numpy as np

from autoprompt_search.answering import ANSWERING
from autoprompt_search.core.answers import Completion
from autoprompt_search.core.errors import SearchError, TrialError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Answered, Cost, Fidelity, Measurement, Outcome
from autoprompt_search.core.prompts import Demonstrations, Prompt, Rendered
from autoprompt_search.core.protocols.answering import Answering, Responses
from autoprompt_search.core.protocols.model import Backend, SetsChats
from autoprompt_search.core.protocols.prompts import DemoSelector, EmbedTexts
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.statistics.scores import Scorecard, stderr
from autoprompt_search.core.types import Example
from autoprompt_search.demos import DEMOS
from autoprompt_search.metrics import metric_named
from autoprompt_search.prompting import render_with, shot


class PredictionStore(Protocol):
    """Predictions made before: the ledger, or a dict of this process."""

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Answered]:
        """Example id -> prediction, for those examples that are known under `key`."""
        ...


class PredictionCache:
    """A `PredictionStore` that remembers what this process measured, in front of another one."""

    def __init__(self, behind: PredictionStore | None = None) -> None:
        self._behind = behind
        self._seen: dict[tuple[str, str], Answered] = {}

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Answered]:
        """Look in memory first, then in the store behind it."""
        seen = {e.id: self._seen[key, e.id] for e in examples if (key, e.id) in self._seen}
        missing = [e for e in examples if e.id not in seen]
        return {**seen, **self._behind.get(key, missing)} if self._behind and missing else seen

    def add(self, key: str, outcomes: Sequence[Outcome]) -> None:
        """Remember every outcome of the prompt whose predictions have the address `key`."""
        for o in outcomes:
            self._seen[key, o.example] = Answered(o.response, o.prompt_tokens)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a prompt says on each of some examples, and what that took."""

    prompt: Prompt
    outcomes: tuple[Outcome, ...]
    """One outcome per example, in their order."""
    cost: Cost
    key: str
    """Address of the predictions in the ledger."""


def measure(
    prompt: Prompt,
    examples: Sequence[Example],
    backend: Backend,
    *,
    metric: str = "accuracy",
    fidelity: Fidelity | None = None,
    known: PredictionStore | None = None,
) -> Measurement:
    """Predict, judge and summarise one prompt on `examples`: the one way anything is ever measured."""
    fidelity = fidelity or Fidelity(len(examples), is_full=True)
    return summary(predict(prompt, examples, backend, known), (metric,), fidelity)


def predict(
    prompt: Prompt, examples: Sequence[Example], backend: Backend, known: PredictionStore | None = None
) -> Predicted:
    """The prompt's answer to every example; targets are passed on and never looked at.

    Only examples that `known` does not hold go through the model, and only what the model computed is counted as
    cost. Where the responses follow from those of another prompt, as a calibrated prompt's do, the model is asked about
    that one, if they are not known.
    """
    answering = answering_of(prompt)
    key = ledger_key(prompt, backend)
    answered = dict(known.get(key, examples)) if known else {}
    todo = [e for e in examples if e.id not in answered]
    cost = Cost()
    if todo and (derived := answering.source(prompt)):
        plain = predict(derived.prompt, todo, backend, known)
        cost = plain.cost
        answered |= {o.example: Answered(derived.turn(o.response), o.prompt_tokens) for o in plain.outcomes}
    elif todo:
        asked, cost = _ask(prompt, todo, backend)
        answered |= asked
    return Predicted(prompt, tuple(outcome_of(prompt, e, answered[e.id]) for e in examples), cost, key)


def summary(
    predicted: Predicted,
    metrics: Sequence[str],
    fidelity: Fidelity,
    *,
    cost: Cost | None = None,
    latency_ms: float | None = None,
    preview: str = "",
    price: float | None = None,
) -> Measurement:
    """Every metric of what was predicted; the first of `metrics` is the score.

    Args:
        predicted: By one prompt, on the examples that `fidelity` counts.
        metrics: Names of the search's own metric, and of those that are reported beside it.
        fidelity: How much was looked at.
        cost: Of the prediction and of all that came before it; None: of the prediction alone.
        latency_ms: As in `Measurement`.
        preview: As in `Measurement`.
        price: As in `Measurement`.
    """
    outcomes, labels = predicted.outcomes, predicted.prompt.answers.labels
    names = {*metrics, *(("accuracy", "macro_f1") if labels else ())}
    cards = {name: Scorecard.of(outcomes, metric_named(name, labels)) for name in sorted(names)}
    values = {name: card.score for name, card in cards.items()} | shares(outcomes)
    if known := losses(outcomes):
        values["loss"] = float(np.mean(known))
    return Measurement(
        score=values[metrics[0]],
        stderr=stderr(cards[metrics[0]]),
        metrics=values,
        fidelity=fidelity,
        cost=predicted.cost if cost is None else cost,
        prompt=predicted.key,
        prompt_tokens=float(np.mean([o.prompt_tokens for o in outcomes])),
        latency_ms=latency_ms,
        price=price,
        preview=preview,
        outcomes=outcomes,
        soft=predicted.prompt.soft,
    )


def outcome_of(prompt: Prompt, example: Example, answered: Answered) -> Outcome:
    """What a stored response says about an example, under the prompt's way to read it."""
    return answering_of(prompt).read(prompt, example, answered.response, answered.prompt_tokens)


def ledger_key(prompt: Prompt, backend: Backend) -> str:
    """Address of a prompt's responses: model, text, and what else decides them. The example completes it."""
    return fingerprint([backend.fingerprint, prompt.text_fingerprint, answering_of(prompt).key(prompt)])


@cache
def _way(name: str) -> Answering:
    return ANSWERING.build(ComponentSpec(type=name))


def answering_of(prompt: Prompt) -> Answering:
    """How this prompt's answers are asked for and read."""
    return _way(prompt.answers.way)


def render_all(prompt: Prompt, examples: Sequence[Example], embed: EmbedTexts | None) -> list[Rendered]:
    """The prompt on every example, each with the demonstrations it gets; an example never demonstrates itself."""
    if prompt.demos.per_query:
        chosen = selector_of(prompt, embed).select(examples)
    else:
        chosen = [tuple(d for d in prompt.demos.examples if d.id != e.id) for e in examples]
    shown = {demo.id: demo for demos in chosen for demo in demos}
    shots = {name: shot(prompt, demo) for name, demo in shown.items()}
    return [
        render_with(prompt, e, tuple(shots[demo.id] for demo in demos))
        for e, demos in zip(examples, chosen, strict=True)
    ]


def as_read(prompt: Rendered, backend: object) -> Rendered:
    """The prompt as its model reads it: a conversation with what the model's chat template writes around it."""
    return backend.set_chats([prompt])[0] if isinstance(backend, SetsChats) else prompt


def selector_of(prompt: Prompt, embed: EmbedTexts | None) -> DemoSelector:
    """The selector of a per-query prompt, built once from what the prompt says about itself."""
    return _selector(prompt.demos, prompt.answers.labels, embed)


@lru_cache(maxsize=4)
def _selector(demos: Demonstrations, labels: tuple[str, ...], embed: EmbedTexts | None) -> DemoSelector:
    spec = ComponentSpec(type=demos.strategy, **demos.options)
    return DEMOS.build(spec, pool=demos.examples, labels=labels, seed=0, embed=embed)


def embedder(backend: object) -> EmbedTexts | None:
    """The backend's own embedding function, if it has that capability."""
    return getattr(backend, "embed", None)


def _ask(prompt: Prompt, examples: Sequence[Example], backend: Backend) -> tuple[dict[str, Answered], Cost]:
    """Ask the model about examples of which nothing is known."""
    started = time.monotonic()
    answering = answering_of(prompt)

    def ask(of: Sequence[Example]) -> Responses:
        return answering.ask(backend, render_all(prompt, of, embedder(backend)), prompt, of)

    try:
        asked = ask(examples)
    except (SearchError, MemoryError):  # that memory is gone says nothing about an example
        raise
    except Exception as exc:  # a model may raise anything; it goes on, with the example at fault if there is one
        poison = _poison(ask, examples)
        if poison is None:
            raise
        raise TrialError(f"{poison} breaks the model: {type(exc).__name__}: {str(exc).strip()}") from exc
    pairs = zip(examples, asked.responses, asked.prompt_tokens, strict=True)
    return {e.id: Answered(response, tokens) for e, response, tokens in pairs}, _cost(asked, time.monotonic() - started)


def _poison(ask: Callable[[Sequence[Example]], Responses], examples: Sequence[Example]) -> str | None:
    """The example that the model cannot be asked about, in words, and the field at fault; None where it is not one
    example's fault, because the first and the last one fail alone.

    Halves are asked until one example is left, so that it takes about as many passes as asking all.
    """

    def fails(some: Sequence[Example]) -> bool:
        try:
            ask(some)
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


def _cost(asked: Responses, seconds: float) -> Cost:
    """Cost of what went through the model; which prompts those were is not said, so their mean length is taken."""
    number = len(asked.prompt_tokens)
    computed = number if asked.computed is None else asked.computed
    if asked.spent is not None:
        return replace(asked.spent, forward_passes=computed, seconds=seconds)
    written = sum(r.tokens for r in asked.responses if isinstance(r, Completion))
    prompt_tokens, completion_tokens = (round(n * computed / number) for n in (sum(asked.prompt_tokens), written))
    return Cost(computed, prompt_tokens, completion_tokens, seconds)


def losses(outcomes: Sequence[Outcome]) -> list[float]:
    """Negative log-probability of the right answer, per outcome of a model that gives probabilities."""
    return [o.loss for o in outcomes if o.loss is not None]


def shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Shares of generated answers that are `unscored`, and that were `cut` at the cap; {} for others."""
    written = [o for o in outcomes if isinstance(o.response, Completion)]
    if not written:
        return {}
    cut = sum(o.response.finish == "length" for o in written if isinstance(o.response, Completion))
    return {"unscored": sum(bool(o.unscored) for o in written) / len(written), "cut": cut / len(written)}
