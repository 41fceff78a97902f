"""A text in sentences and phrases, and the pieces as a text again. Rules of a few lines; no parser."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
_BREAK = re.compile(
    r"(?<=[,;:])\s+|\s+(?=(?:and|or|but|if|whether|then|when|while|where|which|who|that|because|so|to|of|in|on|at|by|for|"
    r"from|with|without|as|about|into|is|are|was|were)\b)",
    re.IGNORECASE,
)
STOPS = (".", "!", "?", ":")
_FEWEST = 2
"""Words of a phrase that may end: a shorter one takes the next along."""


def sentences(text: str) -> tuple[str, ...]:
    """The sentences in order, without the blanks between them; () for an empty text."""
    return tuple(s.strip() for s in _SENTENCE.split(text) if s.strip())


def phrases(text: str) -> tuple[str, ...]:
    """Cut at commas and in front of function words, so that most pieces are a noun or verb phrase, in order.

    GrIPS cuts by a constituency parser; this keeps to what a search can do anywhere.
    """
    phrases: list[str] = []
    for sentence in sentences(text):
        held: list[str] = []
        for piece in (p for p in _BREAK.split(sentence) if p):
            if held and sum(len(p.split()) for p in held) >= _FEWEST:
                phrases.append(" ".join(held))
                held = []
            held.append(piece)
        phrases += [" ".join(held)] if held else []
    return tuple(phrases)


def missing(pieces: Iterable[str], there: Iterable[str]) -> list[str]:
    """Those that do not stand among `there`, whatever their capitals and stops; none twice."""
    known = {_bare(piece) for piece in there}
    lacking: dict[str, str] = {}
    for piece in pieces:
        if _bare(piece) not in known:
            lacking.setdefault(_bare(piece), piece)
    return list(lacking.values())


def joined(pieces: Iterable[str], like: str) -> str:
    """Pieces as one text that begins and ends as `like` does: with a capital, with its stop.

    A piece that stood at the border of a sentence and does so no more loses its stop or its capital, and one that
    has come to stand there gets a capital.
    """
    text = ""
    for piece in (p.strip() for p in pieces if p.strip()):
        if not text:
            text = piece
        elif text[-1] in STOPS and piece[0].islower():
            text = f"{text[:-1]} {piece}"
        else:
            text = f"{text} {piece if text[-1] in STOPS else _within(piece)}"
    text = text.strip(" ,;")
    if not text:
        return ""
    if like[:1].isupper():
        text = text[0].upper() + text[1:]
    stop = like[-1] if like[-1:] in STOPS else ""
    return text if not stop or text[-1] in STOPS else text + stop


def _bare(piece: str) -> str:
    return piece.strip(" .,;:!?").lower()


def _within(piece: str) -> str:
    """The piece as it reads within a sentence: `Read` loses its capital, `NASA` and `I` do not."""
    first = piece.split(maxsplit=1)[0]
    return piece[0].lower() + piece[1:] if len(first) > 1 and first[1:].islower() else piece
