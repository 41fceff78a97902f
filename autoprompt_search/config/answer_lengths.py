"""Advice about answers of unequal length, as the model's own tokenizer counts it. Builds neither task nor model."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules_answer import NORMALISE, normalisations
from autoprompt_search.config.rules_space import possible
from autoprompt_search.config.rules_style import usable_templates
from autoprompt_search.core.answers import LETTER, NORMALISATIONS, LabelAnswers, OptionAnswers, TextAnswers
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.protocols.model import Backend, Compares
from autoprompt_search.core.types import Example, Scalar, Splits
from autoprompt_search.prompting import AUTO, PromptBook, as_answer, data_fields, render
from autoprompt_search.tasks.options import FIELD

_LOOKED_AT = 64
"""Dev examples whose options are counted."""
_MEND = f"`space.{NORMALISE}: {{kind: choice, values: [{', '.join(NORMALISATIONS)}]}}` lets the search decide"


def length_advice(config: SearchConfig, book: PromptBook, splits: Splits, backend: Backend) -> Iterator[str]:
    """Say where answers that are compared whole differ in tokens, and where letters are asked for and not shown."""
    for prompt in _prompts(config, book):
        if isinstance(prompt.answers, LabelAnswers):
            yield from _words(config, prompt, splits.dev[0], backend)
        elif isinstance(prompt.answers, OptionAnswers):
            yield from _options(config, prompt, splits.dev[:_LOOKED_AT], backend)
        elif _is_blind(prompt.answers, prompt, splits.dev[0]):
            yield (
                f"templates.{prompt.template.name}: the model is asked for the letter of an option and does not see "
                f"the options: put {{{FIELD}}} into it"
            )


def _prompts(config: SearchConfig, book: PromptBook) -> Iterator[Prompt]:
    """Every template with every verbalizer and way to ask that the space can choose."""
    space, base = config.space, config.space.baseline(config.baseline)
    words = [{"verbalizer": v} for v in possible(space, "verbalizer") if v != AUTO] or [{}]
    ways = [{"answer.by": v} for v in possible(space, "answer.by")] or [{}]
    for name in usable_templates(config):
        for chosen in (dict[str, Scalar]({**own, **way}) for own in words for way in ways):
            yield book.compose({**base, "template": name, **chosen})


def _words(config: SearchConfig, prompt: Prompt, example: Example, backend: Backend) -> Iterator[str]:
    """Labels whose shortest words differ in tokens, where nothing makes up for it."""
    count = getattr(backend, "answer_tokens", None)
    if count is None or not isinstance(backend, Compares) or normalisations(config) != {"none"}:
        return
    tokens: dict[int, list[str]] = {}
    for label, words in prompt.answers.verbalizer.items():
        lengths = count(render(prompt, example), [as_answer(prompt, word) for word in words])
        tokens.setdefault(min(lengths), []).append(label)
    if len(tokens) > 1:
        few, many = min(tokens), max(tokens)
        yield (
            f"label words differ in length: {_named(tokens[few])} has {_counted(few)}, {_named(tokens[many])} "
            f"{_counted(many)}, and a whole log-likelihood favours short words; {_MEND}"
        )


def _options(config: SearchConfig, prompt: Prompt, dev: tuple[Example, ...], backend: Backend) -> Iterator[str]:
    count = getattr(backend, "answer_tokens", None)
    if count is None or normalisations(config) != {"none"}:
        return
    unequal = 0
    for example in dev:
        tokens = count(render(prompt, example), [as_answer(prompt, option) for option in example.options])
        unequal += len({*tokens}) > 1
    if unequal:
        yield (
            f"options differ in length on {unequal} of {len(dev)} dev examples, and a whole log-likelihood favours "
            f"short ones; {_MEND}"
        )


def _is_blind(answers: TextAnswers, prompt: Prompt, example: Example) -> bool:
    return answers.parser == LETTER and bool(example.options) and FIELD not in data_fields(prompt.template.text)


def _named(labels: list[str]) -> str:
    return repr(labels[0]) + (f" (and {len(labels) - 1} more)" if len(labels) > 1 else "")


def _counted(tokens: int) -> str:
    return f"{tokens} token{'s' if tokens > 1 else ''}"
