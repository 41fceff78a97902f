"""Labels compared by the log-likelihood of their words. Knows no metric and no search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.answers import (
    Calibration,
    Completion,
    LabelAnswers,
    LabelLogprobs,
    OptionLogliks,
    Response,
)
from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.nesting import mode_of
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.answering import Derived, Responses
from autoprompt_search.core.protocols.model import Backend, Chooses, Scores
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import answer_words

DIGITS = 5
"""Log-probabilities are kept to this many decimals: coarser than float noise between batches, finer than any use."""
SCORING = "label log-likelihood"
"""The scoring mode, part of every ledger key."""


class Likelihood:
    """The most likely label wins. Several words of one label are alternatives: their probabilities add."""

    def key(self, prompt: Prompt) -> object:
        """The answers as exact continuations, the calibration and the scoring mode."""
        answers = _labels(prompt)
        words = answer_words(prompt, answers.labels)
        return [words, answers.calibration, mode_of(SCORING, words[0])]

    def source(self, prompt: Prompt) -> Derived | None:
        """A calibrated prompt's log-probabilities are those of the same prompt without calibration, shifted; those of
        one that normalises follow from the whole log-likelihoods, token and byte counts of all words."""
        answers = _labels(prompt)
        calibration, how = answers.calibration, answers.normalise
        if calibration is not None:
            return Derived(
                replace(prompt, answers=answers.uncalibrated), lambda response: calibrated(response, calibration)
            )
        if how == "none":
            return None
        groups = answer_words(prompt, answers.labels)[1]
        return Derived(
            replace(prompt, answers=replace(answers, normalise="none", is_raw=True)),
            lambda response: of_words(cast("OptionLogliks", response), how, groups),
        )

    def ask(
        self, backend: Backend, rendered: Sequence[Rendered], prompt: Prompt, examples: Sequence[Example]
    ) -> Responses:
        """Score every answer behind every prompt; let the model name one where it gives no probabilities."""
        if isinstance(backend, Chooses) and not backend.gives_probabilities:
            named = backend.choose(rendered, answer_words(prompt, _labels(prompt).labels)[0], prompt.soft)
            return Responses(named.completions, named.prompt_tokens, named.computed, named.spent)
        if not isinstance(backend, Scores):
            raise ConfigError("backend.type: it cannot score answers, and labels by likelihood need that")
        labels = _labels(prompt).labels
        answers, groups = answer_words(prompt, labels)
        scored = backend.score(rendered, answers, prompt.soft)
        is_number = np.isfinite(scored.logliks.max(axis=1))
        if not is_number.all():
            where = "" if not is_number.any() else f" on the example {examples[int(np.argmin(is_number))].id!r}"
            raise TrialError(
                f"the model's scores of the answers are not a number (NaN){where}, or all answers are impossible to it"
            )
        rows = label_logprobs(scored.logliks, groups, len(labels)).tolist()
        bounds = scored.censored or [()] * len(rows)
        told = (
            LabelLogprobs(tuple(row), _unseen(bound, groups, len(labels)) if any(bound) else ())
            for row, bound in zip(rows, bounds, strict=True)
        )
        return Responses(tuple(told), scored.prompt_tokens, scored.computed, scored.spent)

    def read(self, prompt: Prompt, example: Example, response: Response, prompt_tokens: int) -> Outcome:
        """The most probable label; a tie goes to the label named first. Where all are censored none is known."""
        if isinstance(response, Completion):
            return _named(prompt, example, response, prompt_tokens)
        labels, logprobs = _labels(prompt).labels, cast("LabelLogprobs", response).values
        if (bounds := cast("LabelLogprobs", response).censored) and all(bounds):
            alternatives, reason = example.alternatives, "censored"
            return Outcome(example.id, example.target, "", response, prompt_tokens, alternatives, unscored=reason)
        best = max(range(len(labels)), key=lambda i: (logprobs[i], -i))
        right = [logprobs[labels.index(t)] for t in example.targets if t in labels]
        loss = -float(np.logaddexp.reduce(right)) if len(right) > 1 else -right[0] if right else None
        return Outcome(
            example.id, example.target, labels[best], response, prompt_tokens, example.alternatives, loss=loss
        )


def _named(prompt: Prompt, example: Example, said: Completion, prompt_tokens: int) -> Outcome:
    """The label whose word a model named that gives no probabilities."""
    words, groups = answer_words(prompt, _labels(prompt).labels)
    group = next((g for word, g in zip(words, groups, strict=True) if word == said.text), None)
    missing = "cut" if said.finish == "length" else "not-parsed" if said.text.strip() else "empty"
    return Outcome(
        example.id,
        example.target,
        "" if group is None else _labels(prompt).labels[group],
        said,
        prompt_tokens,
        example.alternatives,
        unscored=missing if group is None else "",
    )


def _unseen(bounds: Sequence[bool], groups: Sequence[int], labels: int) -> tuple[bool, ...]:
    """Labels none of whose words is known exactly."""
    known = {group for group, bound in zip(groups, bounds, strict=True) if not bound}
    return tuple(label not in known for label in range(labels))


def of_words(response: OptionLogliks, normalise: str, groups: Sequence[int]) -> LabelLogprobs:
    """Log-probabilities of labels from what is known of all words, compared under a normalisation.

    Args:
        response: Of all words of all labels.
        normalise: See `core.answers.Normalise`.
        groups: The index of each word's label.
    """
    compared = np.array([response.compared(normalise)])
    return LabelLogprobs(tuple(label_logprobs(compared, groups, max(groups) + 1)[0].tolist()))


def calibrated(response: Response, calibration: Calibration) -> LabelLogprobs:
    """Log-probabilities of labels less the offsets, normalised again: p(label) / p(label without a reason)."""
    bounds = cast("LabelLogprobs", response).censored
    moved = np.subtract(cast("LabelLogprobs", response).values, calibration.offsets)
    return LabelLogprobs(tuple((moved - np.logaddexp.reduce(moved)).round(DIGITS).tolist()), bounds)


def label_logprobs(logliks: Floats, groups: Sequence[int], labels: int) -> NDArray[np.float64]:
    """[prompts, answers] log-likelihoods to [prompts, labels] log-probabilities given that one of them is it."""
    member = np.eye(labels, dtype=bool)[list(groups)]  # [answers, labels]
    spread = np.where(member[None], logliks.astype(np.float64)[:, :, None], -np.inf)
    per_label = np.logaddexp.reduce(spread, axis=1)
    normalised: NDArray[np.float64] = per_label - np.logaddexp.reduce(per_label, axis=1, keepdims=True)
    return normalised.round(DIGITS)


def _labels(prompt: Prompt) -> LabelAnswers:
    return cast("LabelAnswers", prompt.answers)
