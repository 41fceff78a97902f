"""Answers that the model writes, and the parser that reads them. Knows no metric and no search."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import cast

from autoprompt_search.answering import PARSERS
from autoprompt_search.answering.parsing import Parser
from autoprompt_search.core.answers import LETTERS, Completion, Response, TextAnswers, joined, members
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.programs import Tests
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.answering import Derived, Responses
from autoprompt_search.core.protocols.model import Backend, Generates
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.core.unscored import Unscored
from autoprompt_search.sandbox import verdict, verdicts

GENERATION = "generated text"
"""The mode, part of every ledger key."""
_OF_LABELS = ("first-label", "all-labels")
_SEVERAL = "all-labels"


class Generation:
    """The model writes and a parser reads. All parsers read the same stored text, so a parser costs no generation."""

    def key(self, prompt: Prompt) -> object:
        """How the text ends and is drawn, how demonstrations spell answers, and the mode."""
        answers = _text(prompt)
        return [
            answers.limits,
            answers.verbalizer,
            GENERATION,
            *(["letters"] if answers.has_letters and prompt.demos.examples else []),
        ]

    def source(self, prompt: Prompt) -> Derived | None:  # noqa: ARG002 - the seam's
        """Text follows from no other prompt's."""
        return None

    def ask(
        self,
        backend: Backend,
        rendered: Sequence[Rendered],
        prompt: Prompt,
        examples: Sequence[Example],
    ) -> Responses:
        """Let the model write one text behind every prompt."""
        if not isinstance(backend, Generates):
            raise ConfigError("backend.type: it cannot generate text, and these answers need that")
        answers = _text(prompt)
        generated = backend.generate(rendered, answers.limits, prompt.soft)
        if any(example.tests for example in examples):
            verdicts(list(_programs(answers, examples, generated.completions)))  # side by side; reading finds them
        return Responses(generated.completions, generated.prompt_tokens, generated.computed, generated.spent)

    def read(self, prompt: Prompt, example: Example, response: Response, prompt_tokens: int) -> Outcome:
        """What the parser finds; an answer that is no label of the task, or no option of the example, is unscored."""
        answers, said = _text(prompt), cast("Completion", response)
        parsed = _parser(answers)(said.text, example, finish=said.finish)
        meant = parsed if isinstance(parsed, Unscored) else _meant(parsed, answers, example)
        prediction, reason = ("", meant.reason) if isinstance(meant, Unscored) else (meant, "")
        return Outcome(
            example.id,
            example.target,
            prediction,
            response,
            prompt_tokens,
            example.alternatives,
            verdict=verdict(prediction, example.tests) if example.tests and not reason else "",
            unscored=reason,
        )


def _programs(
    answers: TextAnswers, examples: Sequence[Example], said: Sequence[Completion]
) -> Iterator[tuple[str, Tests]]:
    """The programs that were written, with their tests."""
    for example, one in zip(examples, said, strict=True):
        parsed = _parser(answers)(one.text, example, finish=one.finish)
        if example.tests is not None and not isinstance(parsed, Unscored):
            yield parsed, example.tests


def _meant(said: str, answers: TextAnswers, example: Example) -> str | Unscored:
    """The label that a word stands for, the option that a letter stands for; else the text itself."""
    if answers.labels:
        words = {word.casefold(): label for label, words in answers.verbalizer.items() for word in words}
        if answers.parser == _SEVERAL:
            meant = {words.get(part.casefold(), "") for part in members(said)}
            return joined(label for label in answers.labels if label in meant)
        label = words.get(said.casefold())
        return Unscored("not-parsed") if label is None else label
    if answers.has_letters and example.options:
        number = LETTERS.find(said)
        return example.options[number] if 0 <= number < len(example.options) else Unscored("not-parsed")
    return said


def _parser(answers: TextAnswers) -> Parser:
    words = tuple(word for words in answers.verbalizer.values() for word in words) if answers.labels else ()
    return _built(answers.parser, json.dumps(dict(answers.options), sort_keys=True), words)


@lru_cache(maxsize=256)
def _built(name: str, options: str, words: tuple[str, ...]) -> Parser:
    injected = {"labels": words} if name in _OF_LABELS else {}
    return PARSERS.build(ComponentSpec(type=name, **json.loads(options)), **injected)


def _text(prompt: Prompt) -> TextAnswers:
    return cast("TextAnswers", prompt.answers)
