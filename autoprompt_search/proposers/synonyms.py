"""Words of instructions that may stand for one another, and where a text has one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SYNONYMS: Sequence[Sequence[str]] = (
    ("read", "study", "examine", "consider", "look at"),
    ("decide", "determine", "judge", "say", "find out"),
    ("give", "write", "choose", "name"),
    ("review", "text", "comment", "passage", "message"),
    ("sentence", "statement", "utterance"),
    ("author", "writer"),
    ("customer", "buyer", "client"),
    ("opinion", "sentiment", "feeling", "attitude"),
    ("topic", "subject", "theme"),
    ("question", "query"),
    ("label", "category", "class"),
    ("careful", "attentive", "thorough", "meticulous", "diligent"),
    ("carefully", "attentively", "thoroughly", "closely"),
    ("expert", "specialist", "professional"),
    ("experienced", "skilled", "trained", "qualified", "certified"),
    ("readers", "judges", "editors", "reviewers", "critics"),
    ("panel", "board", "committee", "jury", "team"),
    ("whether", "if"),
    ("to its end", "to the end", "completely", "in full"),
    ("then", "after that", "and then"),
    ("following", "given"),
    ("must", "should", "has to"),
    ("overall", "on the whole", "all in all"),
    ("correct", "right", "true"),
    ("short", "brief"),
    ("each", "every"),
)
"""Built in. Any language and any trade: `words` of the proposer `phrases`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A word that can be said differently."""

    start: int
    end: int
    """Index behind its last character."""
    others: tuple[str, ...]
    """What may stand there, cased like it; at least one."""


class Synonyms:
    """Finds what can be said differently.

    Args:
        groups: Words, or groups of words, that may stand for one another; one may be in several.
    """

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._others: dict[str, dict[str, None]] = {}
        for group in groups:
            for word in group:
                others = self._others.setdefault(word.lower(), {})
                others.update(dict.fromkeys(o for o in group if o.lower() != word.lower()))
        longest_first = sorted(self._others, key=lambda w: (-len(w), w))
        self._any = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def places(self, text: str) -> list[Place]:
        """All places in order, without overlap."""
        matches = ((m, self._others[m.group().lower()]) for m in self._any.finditer(text) if m.group())
        return [
            Place(m.start(), m.end(), tuple(_cased(o, m.group()) for o in others)) for m, others in matches if others
        ]


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
