"""What an answer is: the form a task's answers have, how a prompt asks for one, and what a model responds.

Plain frozen values; they travel to workers and stand in exported prompts. How each is asked for and read stands in
`autoprompt_search.answering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import Any, ClassVar, Literal, Self, get_args

from autoprompt_search.core.types import Example

Verbalizer = Mapping[str, tuple[str, ...]]
"""Label -> its words, without the gap. Several words of one label are alternatives: their probabilities add."""
LETTERS = ascii_uppercase
"""What stands for the options of an example, in their order."""
LETTER = "option-letter"
"""The parser that reads the letter of an option."""
Normalise = Literal["none", "token", "byte", "pmi"]
"""How log-likelihoods of answers of unequal length are compared. `none`: whole ones. `token` and `byte`: per token of
the model and per UTF-8 byte of the answer's own text. `pmi`: less the log-likelihood of the answer behind a premise
without the question (Holtzman et al. 2021, arXiv 2104.08315)."""
NORMALISATIONS: tuple[str, ...] = get_args(Normalise)


NO_LABEL = "none"
"""The answer where a text has none of the labels, and may have several."""
_BETWEEN = ", "


def joined(labels: Iterable[str]) -> str:
    """Several labels as one answer; `NO_LABEL` for none of them."""
    return _BETWEEN.join(labels) or NO_LABEL


def members(answer: str) -> tuple[str, ...]:
    """The labels of an answer that `joined` made; of any other text its parts."""
    return () if answer == NO_LABEL else tuple(answer.split(_BETWEEN))


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What a task's answers are, whatever prompt asks for them."""

    kind: str = "label"
    """`label`: one of a fixed set. `labels`: any of a fixed set, as one text, see `joined`. `option`: one of the
    example's own options. `text`: free text. `program`: Python that tests judge. `ranking`: documents in order."""
    labels: tuple[str, ...] = ()
    """All label names in a fixed order; empty where answers are no labels."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a generated answer ends and how it is drawn; part of a prompt's identity."""

    tokens: int
    """Most new tokens."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these."""
    temperature: float = 0.0
    """0 is greedy decoding."""
    top_p: float = 1.0
    seed: int = 0
    """The seed of sampling. Every prompt has a stream of its own, so that its batch does not matter."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How answers are asked for and read where the space does not say otherwise."""

    by: str = ""
    """`likelihood` or `text`; empty: likelihood for labels and options, text for texts."""
    limits: Limits = Limits(64)
    parser: str = ""
    """Name among `parsers` or of a registered parser; empty: `first-label` for labels, `option-letter` for options,
    `verbatim` for texts."""
    parsers: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Name -> registered parser and its options."""
    normalise: str = "none"
    """How log-likelihoods of answers are compared, see `Normalise`."""
    has_pmi: bool = False
    """Whether some prompt of the search compares by `pmi`: then every response holds what that takes."""
    premise: str = ""
    """The text before an answer without the question; empty: what the template says behind its last field."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is taken off the labels' log-probabilities, so that none is preferred for no reason."""

    method: str
    """`contextual` (Zhao et al. 2021, arXiv 2102.09690) or `batch` (Zhou et al. 2024, arXiv 2309.17249)."""
    offsets: tuple[float, ...]
    """Per label, in label order: the logarithm of its mean probability where it should have no preference."""


@dataclass(frozen=True, slots=True)
class LabelAnswers:
    """A label of a fixed set, chosen by the log-likelihood of its words."""

    labels: tuple[str, ...]
    verbalizer: Verbalizer
    calibration: Calibration | None = None
    normalise: str = "none"
    """How log-likelihoods of words are compared, see `Normalise`."""
    premise: str | None = None
    """The text before a word without the question; None where nothing is compared by `pmi`."""
    is_raw: bool = False
    """Whether the response is what all normalisations are computed from, see `OptionLogliks`."""

    @property
    def way(self) -> str:
        """Name of the way to ask."""
        return "options" if self.is_raw else "likelihood"

    def spelled(self, example: Example) -> str:
        """The word that a demonstration shows for its label."""
        return self.verbalizer[example.target][0]

    @property
    def alone(self) -> Self:
        """The same answers outside a search, in which others may need the premise."""
        return self if self.normalise == "pmi" else replace(self, premise=None)

    @property
    def uncalibrated(self) -> Self:
        """The same answers before calibration."""
        return replace(self, calibration=None)


@dataclass(frozen=True, slots=True)
class OptionAnswers:
    """One of the example's own options, chosen by log-likelihood."""

    way: ClassVar[str] = "options"

    labels: ClassVar[tuple[str, ...]] = ()
    verbalizer: ClassVar[Verbalizer] = {}
    calibration: ClassVar[Calibration | None] = None

    normalise: str = "none"
    """How log-likelihoods of options are compared, see `Normalise`."""
    premise: str | None = None
    """The text before an option without the question; None where nothing is compared by `pmi`."""

    @property
    def alone(self) -> Self:
        """The same answers outside a search, in which others may need the premise."""
        return self if self.normalise == "pmi" else replace(self, premise=None)

    def spelled(self, example: Example) -> str:
        """An option is its own text."""
        return example.target


@dataclass(frozen=True, slots=True)
class TextAnswers:
    """Text that the model generates, and the parser that reads an answer out of it."""

    way: ClassVar[str] = "completion"
    calibration: ClassVar[Calibration | None] = None

    limits: Limits
    parser: str = "verbatim"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the parser."""
    labels: tuple[str, ...] = ()
    """Where the task's answers are labels: all of them."""
    verbalizer: Verbalizer = field(default_factory=dict)
    """Label -> its words, where the task's answers are labels."""

    def spelled(self, example: Example) -> str:
        """The text that a demonstration shows: the words of its labels, the letter of its option, or its answer."""
        if self.has_letters and example.target in example.options:
            return LETTERS[example.options.index(example.target)]
        words, target = self.verbalizer, example.target
        if target in words:
            return words[target][0]
        parts = members(target)
        return joined(words[part][0] for part in parts) if words and words.keys() >= {*parts} else target

    @property
    def alone(self) -> Self:
        """The same."""
        return self

    @property
    def has_letters(self) -> bool:
        """Whether an option is answered by its letter."""
        return self.parser == LETTER


Answers = LabelAnswers | OptionAnswers | TextAnswers
"""How a prompt asks for an answer."""


@dataclass(frozen=True, slots=True)
class LabelLogprobs:
    """The response of a model that compares labels."""

    values: tuple[float, ...]
    """The log-probability of each label given that the answer is one of them, in label order; sums to one in exp."""
    censored: tuple[bool, ...] = ()
    """Labels of which only an upper bound is known, because the model listed other tokens; () for none."""


@dataclass(frozen=True, slots=True)
class OptionLogliks:
    """The response of a model that compares an example's own options, or all words of all labels."""

    values: tuple[float, ...]
    """The log-likelihood of each whole option behind the prompt."""
    tokens: tuple[int, ...]
    """The number of tokens of each option."""
    bytes: tuple[int, ...]
    """The number of UTF-8 bytes of each option's own text, without gap and layout."""
    unconditional: tuple[float, ...] = ()
    """The log-likelihood of each option behind the premise; empty where nobody asked for it."""

    def compared(self, normalise: str) -> tuple[float, ...]:
        """What options are compared by, see `Normalise`; the higher the likelier."""
        if normalise == "pmi":
            return tuple(value - prior for value, prior in zip(self.values, self.unconditional, strict=True))
        lengths = {"token": self.tokens, "byte": self.bytes}.get(normalise)
        return self.values if lengths is None else tuple(v / n for v, n in zip(self.values, lengths, strict=True))


@dataclass(frozen=True, slots=True)
class Completion:
    """The response of a model that generates text."""

    text: str
    finish: str = "stop"
    """Why it ended: `stop` (a stop string), `end` (the model's end token), `length` (the cap)."""
    tokens: int = 0
    """The number of new tokens, an end token and those of a stop string included."""
    stop: str = ""
    """The stop string that it ended before; empty where it ended otherwise."""


Response = LabelLogprobs | OptionLogliks | Completion
"""What a model said to one prompt on one example: what the ledger keeps."""

_KINDS: Mapping[str, Callable[..., Response]] = {
    "labels": LabelLogprobs,
    "options": OptionLogliks,
    "text": Completion,
}


def response_to_plain(response: Response) -> dict[str, Any]:
    """A response as JSON can hold it, with a tag that says which kind it is."""
    kind = next(kind for kind, response_type in _KINDS.items() if response_type is type(response))
    fields = {name: getattr(response, name) for name in response.__dataclass_fields__}
    return {"kind": kind, **{name: value for name, value in fields.items() if name != "censored" or value}}


def response_from_plain(plain: Mapping[str, Any]) -> Response:
    """The response that `response_to_plain` wrote. Raises `KeyError` or `TypeError` for anything else."""
    fields = {n: tuple(v) if isinstance(v, list) else v for n, v in plain.items() if n != "kind"}
    return _KINDS[plain["kind"]](**fields)
