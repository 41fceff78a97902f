"""How an answer is found, in one sentence, for people who use an exported prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.families import family_of

_EXCLUSIVE = (
    "from the probability of an answer whose tokens begin those of others the probabilities of these are taken off "
    "(of those that begin with another of them only the latter's)"
)
_CHAT = (
    "the messages are set into the model's own chat template with a generation prompt, special tokens that it writes "
    "are tokens, and `answer_prefix` is put behind it; this text is the prompt; "
)
_SUM = "probabilities of several answers of one label add"
_CALIBRATED = "a label's offset under `calibration` is taken off its log-probability"
_CHOICE = "the likeliest label wins, the first named one when equal"

PARSERS: Mapping[str, str] = {
    "verbatim": "the answer is the whole text without blanks around it",
    "first-line": "the answer is the first line that is not blank",
    "after-marker": "the answer is what stands behind the marker on its line, or on the next one that is not blank",
    "last-number": "the answer is the last number, written in one way: `$1,234.50` is `1234.5`",
    "all-labels": "the answer is all labels whose words the first line names, in any case, or none of them",
    "first-label": "the answer is the label whose word the text names first, as a whole word, in any case",
    "option-letter": "the answer is the letter of an option",
    "json-field": "the answer is a field of the JSON object in the text",
    "regex": "the answer is what a regular expression finds",
    "code-block": "the answer is what stands in a block of code",
}
"""Registered parser -> where it finds the answer, in words."""


def rule_of(backend: Mapping[str, Any], answers: LabelAnswers, *, nests: bool = False, chats: bool = False) -> str:
    """How a label is found, in one sentence.

    Args:
        backend: Its section of the configuration.
        answers: The prompt's own.
        nests: Whether one of the answers begins another.
        chats: Whether the prompt is a conversation.
    """
    family = family_of(backend)
    excluded = [_EXCLUSIVE] if nests and family.continues else []
    calibrated = [_CALIBRATED] if answers.calibration is not None else []
    sentences = [family.rule, *excluded, *_normalised(answers.normalise, "word"), _SUM, *calibrated, _CHOICE]
    return (_CHAT if chats else "") + "; ".join(sentences)


def options_rule(backend: Mapping[str, Any], normalise: str, *, chats: bool = False) -> str:
    """How one of an example's own options is found, in one sentence."""
    family = family_of(backend)
    excluded = [_EXCLUSIVE] if family.continues else []
    best = "the option of the example with the highest score wins, the first one when equal"
    return (_CHAT if chats else "") + "; ".join([family.rule, *excluded, *_normalised(normalise, "option"), best])


def _normalised(normalise: str, answer: str) -> list[str]:
    divided = {
        "token": f"that sum is divided by the number of the {answer}'s tokens",
        "byte": f"that sum is divided by the number of UTF-8 bytes of the {answer} itself",
        "pmi": f"the {answer}'s sum behind the `premise`, without the question and a soft prompt, is taken off",
    }
    return [divided[normalise]] if normalise in divided else []


def text_rule(answers: TextAnswers, *, chats: bool = False) -> str:
    """How an answer is found in generated text, in one sentence."""
    limits = answers.limits
    drawn = (
        "the model writes what is likeliest, token by token"
        if not limits.temperature
        else f"tokens are drawn at temperature {limits.temperature:g}, top-p {limits.top_p:g}, seed {limits.seed}"
    )
    stops = f", before the first of {', '.join(map(repr, limits.stop))}" if limits.stop else ""
    sentence = PARSERS.get(answers.parser, f"the parser {answers.parser!r} finds the answer")
    cut = "a text that ended at the cap has an answer only where more text could not have changed it"
    asked = _CHAT if chats else ""
    return f"{asked}{drawn}, until its end token{stops}, or until {limits.tokens} tokens are written; {sentence}; {cut}"
