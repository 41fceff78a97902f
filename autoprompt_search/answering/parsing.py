"""The answer in a model's text, or the reason why it has none. Pure: same text, same answer, and no model asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.numbers import last_number, written
from autoprompt_search.core.types import Example
from autoprompt_search.core.unscored import Unscored

_REASONING = re.compile(r"\s*<think(?:ing)?>(?P<thoughts>.*?)(?P<end></think(?:ing)?>|\Z)", re.DOTALL)
_REFUSAL = re.compile(
    r"""\s*["'*\u201c]*(?:
        (?:i['\u2019]?m|i\ am)\ (?:very\ |really\ )?sorry,?\ (?:but\ )?(?:as\ an\ ai|i\ (?:can|will|am))
      | as\ an\ ai\b
      | i\ (?:can['\u2019]?t|cannot|can\ not|won['\u2019]?t|will\ not|am\ (?:unable|not\ able)\ to)
        \ (?:help|assist|answer|comply|fulfil|fulfill|provide|do\ that|engage|continue\ with\ this)\b
      | i['\u2019]m\ (?:unable|not\ able)\ to\ (?:help|assist|answer|comply|fulfil|fulfill|provide|engage)\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search in a text has found."""

    answer: str
    is_settled: bool = False
    """Whether no text that the model could have written after this one would change the answer."""


Find = Callable[[str, Example], Found | None]
"""Looks for an answer in a text that is not blank; never raises. None: there is none."""


@dataclass(frozen=True, slots=True)
class Parser:
    """One way to read answers. Never raises, whatever the text, and never looks at the gold answer to choose one."""

    find: Find

    def __call__(self, text: str, example: Example, *, finish: str = "end") -> str | Unscored:
        """The answer in `text`, never blank; or why there is none.

        A text that ended at the token cap has an answer only where more text could not have changed it. Reasoning
        between `<think>` marks is never read; where its end is missing the text counts as cut. A text that begins
        with the usual words of a refusal is refused, unless a reference of the example begins like that itself.

        Args:
            text: What the model wrote, as it is stored.
            example: The example that the model was asked about.
            finish: Why the text ends: `stop` and `end`, `length` at the token cap, `filter` of the server.
        """
        if finish == "filter":
            return Unscored("refused")
        is_cut = finish == "length"
        reasoning = _REASONING.match(text)
        if reasoning and not reasoning["end"]:
            return Unscored("cut")
        said = text[reasoning.end() :] if reasoning else text
        if not said.strip():
            return Unscored("cut" if is_cut and reasoning else "empty")
        if _REFUSAL.match(said) and not any(_REFUSAL.match(target) for target in references(example)):
            return Unscored("refused")
        parsed = self.find(said, example)
        if is_cut and not (parsed and parsed.is_settled):
            return Unscored("cut")
        if parsed is None:
            return Unscored("not-parsed")
        return parsed.answer.strip() or Unscored("empty")


def references(example: Example) -> tuple[str, ...]:
    """All right answers of an example."""
    return example.targets


def verbatim() -> Parser:
    """The whole text, without blanks around it."""
    return Parser(lambda text, _: Found(text.strip()))


def first_line() -> Parser:
    """The first line that is not blank."""
    return Parser(lambda text, _: _line(text))


def after_marker(*, marker: str, which: Literal["first", "last"] = "first") -> Parser:
    """What stands behind `marker` (`The answer is`, `####`) on its line, or on the next one that is not blank.

    Args:
        marker: Literal text; upper and lower case are alike.
        which: Of several markers. The last one is never settled in a text that was cut.
    """
    if not marker.strip():
        raise ConfigError(f"marker: is blank; write the words that the answer stands behind (got {marker!r})")
    pattern = re.compile(re.escape(marker.strip()), re.IGNORECASE)

    def find(text: str, _: Example) -> Found | None:
        places = [match.end() for match in pattern.finditer(text)]
        if not places:
            return None
        line = _line(text[places[0] if which == "first" else places[-1] :])
        return Found(line.answer, line.is_settled and which == "first")

    return Parser(find)


def number() -> Parser:
    """The last number, in one way of writing it: `$1,234.50` is `1234.5`, `50%` is `50`, `1 1/2` is `1.5`.

    What counts as a number is told at `core.numbers.numbers`. In a text that was cut no number is the last one.
    """

    def find(text: str, _: Example) -> Found | None:
        value = last_number(text)
        return None if value is None else Found(written(value))

    return Parser(find)


def _line(text: str) -> Found:
    """The first line that is not blank; settled where its end has been written."""
    rest = text.lstrip()
    line, end, _ = rest.partition("\n")
    return Found(line.strip(), bool(end))
