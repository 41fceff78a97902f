"""Options compared by log-likelihood: an example's own, or the words of all labels. Knows no metric and no search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from autoprompt_search.core.answers import LabelAnswers, OptionAnswers, OptionLogliks, Response
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.answering import Derived, Responses
from autoprompt_search.core.protocols.model import Backend, Compares
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import answer_words, as_answer, render_premise

DIGITS = 5
"""Log-likelihoods are kept to this many decimals: coarser than float noise between batches, finer than any use."""
SCORING = "option log-likelihood"
"""The scoring mode, part of every ledger key."""

Comparing = OptionAnswers | LabelAnswers


class Options:
    """The option with the highest log-likelihood wins, under the prompt's normalisation.

    The response holds whole log-likelihoods, token and byte counts and, where the search compares by `pmi`, the
    log-likelihoods behind the premise: every normalisation is read from the same response.
    """

    def key(self, prompt: Prompt) -> object:
        """The scoring mode, the premise, and the words of labels; the example's options belong to the example."""
        answers = _comparing(prompt)
        words = answer_words(prompt, answers.labels)[0] if isinstance(answers, LabelAnswers) else ()
        return [SCORING, answers.premise, words, answers.verbalizer]

    def source(self, prompt: Prompt) -> Derived | None:  # noqa: ARG002 - the seam's
        """Log-likelihoods follow from no other prompt's."""
        return None

    def ask(
        self, backend: Backend, rendered: Sequence[Rendered], prompt: Prompt, examples: Sequence[Example]
    ) -> Responses:
        """Compare every example's options behind its prompt, and once behind the premise where that is asked for.

        The premise is read without the soft prompt, which may stand instead of tokens that only the whole prompt has.
        """
        if not isinstance(backend, Compares):
            raise ConfigError("backend.type: it cannot compare options, and these answers need that")
        texts = [options_of(prompt, example) for example in examples]
        for own, example in zip(texts, examples, strict=True):
            if not own:
                raise TrialError(f"the example {example.id!r} has no options to compare")
        options = [[as_answer(prompt, text) for text in own] for own in texts]
        compared = backend.compare(rendered, options, prompt.soft)
        for row, example in zip(compared.logliks, examples, strict=True):
            _check(row, example)
        unconditional, asked = _behind_premise(backend, prompt, options)
        responses = tuple(
            OptionLogliks(_kept(row), counts, tuple(len(text.encode()) for text in own), priors)
            for row, counts, own, priors in zip(compared.logliks, compared.tokens, texts, unconditional, strict=True)
        )
        computed = len(rendered) if compared.computed is None else compared.computed
        return Responses(responses, compared.prompt_tokens, computed + asked)

    def read(self, prompt: Prompt, example: Example, response: Response, prompt_tokens: int) -> Outcome:
        """The option that compares best; a tie goes to the first one. The loss is relative to the options."""
        answers = _comparing(prompt)
        scores = np.array(cast("OptionLogliks", response).compared(answers.normalise))
        names = names_of(answers, example)
        right = scores[[index for index, name in enumerate(names) if name in example.targets]]
        loss = float(np.logaddexp.reduce(scores) - np.logaddexp.reduce(right)) if len(right) else None
        best = names[int(scores.argmax())]
        return Outcome(example.id, example.target, best, response, prompt_tokens, example.alternatives, loss=loss)


def options_of(prompt: Prompt, example: Example) -> tuple[str, ...]:
    """The texts that are compared on an example: its options, or all words of all labels."""
    answers = _comparing(prompt)
    if isinstance(answers, OptionAnswers):
        return example.options
    return tuple(word for label in answers.labels for word in answers.verbalizer[label])


def names_of(answers: Comparing, example: Example) -> tuple[str, ...]:
    """What each of these texts stands for: the option itself, or its label."""
    if isinstance(answers, OptionAnswers):
        return example.options
    return tuple(label for label in answers.labels for _ in answers.verbalizer[label])


def _behind_premise(
    backend: Compares, prompt: Prompt, options: Sequence[Sequence[str]]
) -> tuple[list[tuple[float, ...]], int]:
    """Per example the log-likelihoods of its options behind the premise, and how many prompts that took."""
    premise = _comparing(prompt).premise
    if premise is None:
        return [()] * len(options), 0
    distinct = list(dict.fromkeys(map(tuple, options)))
    asked = render_premise(prompt, premise)
    compared = backend.compare([asked] * len(distinct), distinct)
    for row in compared.logliks:
        if not np.isfinite(row).all():
            raise TrialError(f"the model's score of an option behind the premise {premise!r} is not finite")
    known = dict(zip(distinct, map(_kept, compared.logliks), strict=True))
    return [known[tuple(own)] for own in options], len(distinct) if compared.computed is None else compared.computed


def _check(row: Sequence[float], example: Example) -> None:
    if np.isnan(row).any() or not np.isfinite(max(row)):
        raise TrialError(
            "the model's scores of the options are not a number (NaN), or all options are impossible to it, on the "
            f"example {example.id!r}"
        )


def _kept(row: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, DIGITS) for value in row)


def _comparing(prompt: Prompt) -> Comparing:
    return cast("Comparing", prompt.answers)
