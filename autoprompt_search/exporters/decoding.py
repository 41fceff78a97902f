"""What kind of answer a prompt has, as `prompt.yaml` says it under `decoding`: written and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from autoprompt_search.core.answers import (
    NORMALISATIONS,
    Answers,
    Calibration,
    LabelAnswers,
    Limits,
    OptionAnswers,
    TextAnswers,
    Verbalizer,
)
from autoprompt_search.core.nesting import nested
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.exporters.formats import plain
from autoprompt_search.exporters.rule import options_rule, rule_of, text_rule
from autoprompt_search.prompting import answer_words

OF_LABELS = 3
"""The last version of the format in which every answer is a label that is compared. A prompt of that kind is still
written in it, for more readers know it."""
LABELS = "label log-likelihood"
OPTIONS = "option log-likelihood"
TEXT = "generated text"

_WORDS: TypeAdapter[dict[str, tuple[str, ...]]] = TypeAdapter(dict[str, tuple[str, ...]])
_LABELS = TypeAdapter(tuple[str, ...])
_LIMITS = TypeAdapter(Limits)
_PARSER: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_OFFSETS = TypeAdapter(dict[str, float])
_TEXT = TypeAdapter(str)


def decoding(final: FinalPrompt) -> dict[str, Any]:
    """How an answer is got out of the model: the mode, the rule in words, and what the rule depends on."""
    answers, chats = final.prompt.answers, final.prompt.chat is not None
    if isinstance(answers, TextAnswers):
        parser = {"type": answers.parser, **plain(answers.options)}
        return {
            "mode": TEXT,
            "rule": text_rule(answers, chats=chats),
            "limits": plain(answers.limits),
            "parser": parser,
        }
    if isinstance(answers, OptionAnswers):
        rule = options_rule(final.backend, answers.normalise, chats=chats)
        return {"mode": OPTIONS, "rule": rule, **_comparison(answers)}
    is_nested = bool(nested(answer_words(final.prompt, final.labels)[0]))
    rule = rule_of(final.backend, answers, nests=is_nested, chats=chats)
    return {"mode": LABELS, "rule": rule, **({} if is_of_labels(answers) else _comparison(answers))}


def is_of_labels(answers: Answers) -> bool:
    """Whether a version of the format from which every answer is a label, compared whole, can say it."""
    return isinstance(answers, LabelAnswers) and answers.normalise == "none"


def _comparison(answers: LabelAnswers | OptionAnswers) -> dict[str, Any]:
    """How log-likelihoods are compared, and the text without the question where that takes one."""
    premise = {"premise": answers.premise} if answers.normalise == "pmi" else {}
    return {"normalise": answers.normalise, **premise}


def calibration(found: Calibration | None, labels: Sequence[str]) -> dict[str, Any] | None:
    """The offsets of a calibrated prompt by label."""
    if found is None:
        return None
    return {"method": found.method, "offsets": plain(dict(zip(labels, found.offsets, strict=True)))}


def read_answers(content: Mapping[str, Any]) -> Answers:
    """The answers of the prompt that a `prompt.yaml` with this content describes.

    Raises `ValueError`, `KeyError` or `TypeError` where it describes none.
    """
    mode = LABELS if content["format"] <= OF_LABELS else content["decoding"]["mode"]
    if mode not in _READERS:
        raise ValueError(f"decoding.mode: {mode!r} is none of {', '.join(map(repr, _READERS))}")
    words = _WORDS.validate_python(content["parts"]["verbalizer"])
    if empty := [label for label, said in words.items() if not said]:
        raise ValueError(f"parts.verbalizer: the label {empty[0]!r} has no word")
    return _READERS[mode](content, _LABELS.validate_python(content["parts"]["labels"]), words)


def _read_labels(content: Mapping[str, Any], labels: tuple[str, ...], words: Verbalizer) -> LabelAnswers:
    comparison = _read_comparison(content) if content["format"] > OF_LABELS else ("none", None)
    return LabelAnswers(labels, words, _read_calibration(content.get("calibration"), labels), *comparison)


def _read_options(content: Mapping[str, Any], _labels: tuple[str, ...], _words: Verbalizer) -> OptionAnswers:
    return OptionAnswers(*_read_comparison(content))


def _read_comparison(content: Mapping[str, Any]) -> tuple[str, str | None]:
    normalise = _TEXT.validate_python(content["decoding"].get("normalise", "none"))
    if normalise not in NORMALISATIONS:
        raise ValueError(f"decoding.normalise: {normalise!r} is none of {', '.join(NORMALISATIONS)}")
    premise = _TEXT.validate_python(content["decoding"]["premise"]) if normalise == "pmi" else None
    return normalise, premise


def _read_text(content: Mapping[str, Any], labels: tuple[str, ...], words: Verbalizer) -> TextAnswers:
    options = _PARSER.validate_python(content["decoding"]["parser"])
    parser = _TEXT.validate_python(options.pop("type"))
    limits = _LIMITS.validate_python(content["decoding"]["limits"])
    if limits.tokens < 1:
        raise ValueError(f"decoding.limits.tokens: must be 1 or more (got {limits.tokens})")
    return TextAnswers(limits, parser, options, labels, words)


def _read_calibration(content: Mapping[str, Any] | None, labels: Sequence[str]) -> Calibration | None:
    if content is None:
        return None
    offsets = _OFFSETS.validate_python(content["offsets"])
    return Calibration(_TEXT.validate_python(content["method"]), tuple(offsets[label] for label in labels))


_READERS: Mapping[str, Callable[[Mapping[str, Any], tuple[str, ...], Verbalizer], Answers]] = {
    LABELS: _read_labels,
    OPTIONS: _read_options,
    TEXT: _read_text,
}
"""Mode -> reader."""
