"""Conversations in data: turns with a speaker and a text, however a file writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.tasks.examples import BadRowError, as_text

_SPEAKERS = ("role", "speaker", "from")
_CONTENTS = ("content", "text", "value")
_SPOKEN = re.compile(r"\s*(?P<speaker>[^\W_][^:\n]{0,39}?)\s*:\s+(?P<text>.*)", re.DOTALL)
_NAMES = {"human": "User", "gpt": "Assistant"}
"""Speakers that some data sets call by names that no conversation would."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says."""

    speaker: str
    text: str


def turns_of(value: object, column: str) -> tuple[Turn, ...]:
    """The turns in a cell: a list of `{role, content}` or of texts, which may begin with `Name:`.

    Texts without names are said by A and B in turn. `BadRowError` names the turn that is none.
    """
    if not isinstance(value, (list, tuple)):
        kind = f"{column!r} is no list of turns"
        raise BadRowError(f"{kind} but a {type(value).__name__}", kind)
    if all(isinstance(item, str) for item in value):
        return _spoken([str(item) for item in value], column)
    return tuple(_turn(item, column, number) for number, item in enumerate(value, 1))


def rendered(turns: Sequence[Turn]) -> str:
    """One line per turn, each behind its speaker; line ends within a turn become blanks."""
    return "\n".join(f"{turn.speaker}: {' '.join(turn.text.split())}" for turn in turns)


def _spoken(texts: Sequence[str], column: str) -> tuple[Turn, ...]:
    for number, text in enumerate(texts, 1):
        _check(text, column, number)
    matches = [_SPOKEN.fullmatch(text) for text in texts]
    if all(matches):
        return tuple(Turn(match["speaker"], match["text"].strip()) for match in matches if match)
    return tuple(Turn("AB"[number % 2], text.strip()) for number, text in enumerate(texts))


def _turn(item: object, column: str, number: int) -> Turn:
    if not isinstance(item, Mapping):
        kind = f"{column!r} mixes turns and other values"
        raise BadRowError(f"{kind}: turn {number} is a {type(item).__name__}", kind)
    speaker = next((item[name] for name in _SPEAKERS if item.get(name)), None)
    content = next((item[name] for name in _CONTENTS if item.get(name) is not None), None)
    if speaker is None or content is None:
        kind = f"{column!r} holds a turn without `role` and `content`"
        raise BadRowError(f"{kind}: turn {number} has {', '.join(map(str, item)) or 'nothing'}", kind)
    text = as_text(content, column)
    _check(text, column, number)
    name = str(speaker).strip()
    return Turn(_NAMES.get(name, name[:1].upper() + name[1:]), text.strip())


def _check(text: str, column: str, number: int) -> None:
    if not text.strip():
        kind = f"empty turn in {column!r}"
        raise BadRowError(f"{kind}: number {number}", kind)
