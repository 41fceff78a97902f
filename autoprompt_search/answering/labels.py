"""Parsers for answers out of a set: labels of a task, letters of an example's options."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from autoprompt_search.answering.parsing import Found, Parser
from autoprompt_search.core.answers import LETTERS, NO_LABEL, joined
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example

_END = r"(?![\w'\u2019-])(?!(?<=[AI])[ ]+\w)"
"""Behind a letter that stands alone; `A` and `I` before another word are English words."""
_OPEN, _CLOSED = r"[(\[\"'*_`\u201c]*", r"[)\]\"'*_`\u201d]*"
_FIRST = re.compile(rf"\s*(?:[Oo]ption|[Cc]hoice|[Ll]etter)?\s*{_OPEN}(?P<letter>[A-Z]){_END}")
_NAMED = re.compile(
    rf"(?i:\banswer)\b{_CLOSED}\s*(?i:is|would\ be|should\ be|must\ be)?\s*[:=]?{_CLOSED}\s*"
    rf"(?i:the\s+)?(?i:correct\s+)?(?i:option|choice|letter)?\s*[:=]?\s*{_OPEN}(?P<letter>[A-Z]){_END}"
)
_MARKED = re.compile(rf"\((?P<inside>[A-Za-z])\)|(?<![\w.])(?P<before>[A-Z])(?=[.):](?:\s|\Z)){_END}")


def first_label(*, labels: Sequence[str]) -> Parser:
    """The label that the text names first, as a whole word, upper and lower case alike; of two at one place the longer.

    In scripts without blanks between words a label need not stand alone. A negated label is a named label.

    Args:
        labels: Injected: the labels of the task.
    """
    words = _Words(labels)

    def find(text: str, _: Example) -> Found | None:
        match = words.pattern.search(text)
        return None if match is None else Found(words.of(match), match.start() + words.longest < len(text))

    return Parser(find)


def all_labels(*, labels: Sequence[str]) -> Parser:
    """All labels that the first line names, each once, in the order of the task; `none` where it names none but that.

    Labels are found as `first-label` finds them.

    Args:
        labels: Injected: the labels of the task.
    """
    words = _Words(labels)

    def find(text: str, _: Example) -> Found | None:
        line, end, _rest = text.lstrip().partition("\n")
        named = {words.of(match) for match in words.pattern.finditer(line)}
        if not named and not re.search(rf"(?i)\b{NO_LABEL}\b", line):
            return None
        return Found(joined(label for label in labels if label in named), bool(end))

    return Parser(find)


class _Words:
    """A pattern that finds labels as whole words, the longest first."""

    def __init__(self, labels: Sequence[str]) -> None:
        given = {label for label in labels if label.strip()}
        self._names = sorted(given, key=lambda label: (-len(label), labels.index(label)))
        if not self._names:
            raise ConfigError(f"labels: a parser of labels needs at least one (got {list(labels)!r})")
        self.pattern = re.compile("|".join(f"({_alone(name)})" for name in self._names), re.IGNORECASE)
        self.longest = len(self._names[0])

    def of(self, match: re.Match[str]) -> str:
        """The label that was found; of those that differ in case alone the one that is spelled so."""
        return match.group() if match.group() in self._names else self._names[(match.lastindex or 1) - 1]


def option_letter() -> Parser:
    """The letter of an option, `A` to `Z` within the example's number of options.

    It is looked for at the beginning (`B`, `(B)`, `B. because`), then behind the word answer (`Answer: B`), then
    anywhere in marks of its own (`(b)`, `B)`). The first letter of these that has an option counts.
    """

    def find(text: str, example: Example) -> Found | None:
        allowed = LETTERS[: len(options_of(example)) or len(LETTERS)]
        first = _FIRST.match(text)
        if first and first["letter"] in allowed:
            return Found(first["letter"], _goes_on(first.end(), text))
        for pattern, settles in ((_NAMED, not first or first["letter"] not in allowed), (_MARKED, False)):
            for match in pattern.finditer(text):
                letter = next(filter(None, match.groups())).upper()
                if letter in allowed:
                    return Found(letter, settles and _goes_on(match.end(), text))
        return None

    return Parser(find)


def options_of(example: Example) -> Sequence[str]:
    """The options of an example; () where it says nothing about them."""
    return example.options


def _goes_on(end: int, text: str) -> bool:
    """Whether something other than blanks is written behind the letter, so that it is no longer a word's beginning."""
    return text[end:].strip(" ") != ""


def _alone(label: str) -> str:
    """A pattern for the label where it is not part of a longer word."""
    before = r"(?<!\w)" if _needs_blank(label[0]) else ""
    after = r"(?!\w)" if _needs_blank(label[-1]) else ""
    return before + re.escape(label) + after


def _needs_blank(character: str) -> bool:
    """Whether words in this character's script stand apart; East Asian and Thai ones do not."""
    is_wide = unicodedata.east_asian_width(character) in "WF"
    return (character.isalnum() or character == "_") and not is_wide and not "\u0e00" <= character <= "\u0eff"
