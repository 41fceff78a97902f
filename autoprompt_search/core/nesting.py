"""Answers whose text begins another's: which they are. Knows texts only, no tokenizer and no model."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

EXCLUSIVE = "exclusive"
"""Stands behind the name of a scoring mode where an answer begins another, so that numbers of both kinds never mix."""


def nested(answers: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs of indices: the text of the first answer begins that of the second.

    Texts are compared as tokenizers may see them: without case, accents and blanks. A pair may go both ways then, and
    its tokens need not begin one another: who reads the answers looks at the tokens of these pairs only.
    """
    return _nested(tuple(answers))


def mode_of(scoring: str, answers: Sequence[str]) -> str:
    """The scoring mode of these answers, as part of an address of stored predictions."""
    return f"{scoring}, {EXCLUSIVE}" if nested(answers) else scoring


@lru_cache(maxsize=256)
def _nested(answers: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    texts = [_bare(answer) for answer in answers]
    order = sorted(range(len(texts)), key=lambda i: texts[i])
    ordered = [texts[i] for i in order]
    pairs = []
    for short, text in enumerate(texts):
        for index in range(bisect_left(ordered, text), len(ordered)):
            if not ordered[index].startswith(text):
                break
            if order[index] != short:
                pairs.append((short, order[index]))
    return tuple(sorted(pairs))


def _bare(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(plain.casefold().split())
