"""Parsers for answers in a form of their own: JSON, a pattern, a block of code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex

from autoprompt_search.answering.parsing import Found, Parser
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example

SECONDS = 0.1
"""Processor time that a pattern may take for one text; a usual one takes some microseconds."""
_OBJECTS = 64
"""Places in a text where an object may begin, at most: a bound on time, far above any real answer."""
_FENCE = re.compile(r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^`\n]*\n", re.MULTILINE)


def json_field(*, field: str) -> Parser:
    """The value of `field` in the first JSON object that has it; what stands around the object does not matter.

    A text is taken as it is, any other value as JSON writes it; `null` is no answer.
    """
    if not field:
        raise ConfigError(f"field: is empty; name the field that holds the answer (got {field!r})")

    def find(text: str, _: Example) -> Found | None:
        is_settled = True
        for start in [match.start() for match in re.finditer(r"\{", text)][:_OBJECTS]:
            parsed = _object(text, start)
            if parsed is None:
                is_settled = False  # it may be one that is not closed yet
            elif parsed.get(field) is not None:
                value = parsed[field]
                return Found(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), is_settled)
        return None

    return Parser(find)


def matching(*, pattern: str) -> Parser:
    """What the first match of `pattern` says: its group `answer`, else its first group that matched, else all of it.

    The time for one text is bounded (`SECONDS` of processor time): a pattern that tries too many ways finds nothing.
    A text that was cut has no answer, because more text can change what a pattern matches.

    Args:
        pattern: A regular expression of the package `regex`, which knows all that Python's `re` knows.
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as exc:
        raise ConfigError(f"pattern: is no regular expression: {exc} (got {pattern!r})") from exc

    def find(text: str, _: Example) -> Found | None:
        try:
            match = compiled.search(text, timeout=SECONDS)
        except TimeoutError:
            return None
        if match is None:
            return None
        named = match.groupdict().get("answer")
        groups = [group for group in match.groups() if group is not None]
        return Found(named if named is not None else groups[0] if groups else match.group())

    return Parser(find)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code between fences."""

    code: str
    start: int
    """Where its first fence begins."""
    is_closed: bool
    """Whether its last fence is there."""
    is_settled: bool
    """Whether no further text could change it: something stands behind its last fence."""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text, in order; one whose end is missing goes on to the end of the text."""
    end = 0
    while (opened := _FENCE.search(text, end)) is not None:
        fence = opened["fence"]
        closing = re.compile(rf"^[ ]{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        closed = closing.search(text, opened.end())
        end = closed.end() if closed else len(text)
        code = text[opened.end() : closed.start() if closed else end]
        yield Block(code, opened.start(), closed is not None, closed is not None and end < len(text))


def code_block() -> Parser:
    """The first block of code between fences, without them; one whose end is missing is no block."""

    def find(text: str, _: Example) -> Found | None:
        block = next(blocks(text), None)
        if block is None or not block.is_closed:
            return None
        return Found(block.code.strip("\n"), block.is_settled)

    return Parser(find)


def _object(text: str, start: int) -> dict[str, Any] | None:
    try:
        parsed, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
