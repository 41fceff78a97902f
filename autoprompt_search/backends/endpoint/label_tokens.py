"""Labels among the most likely tokens: which token stands for which label, and what a missing label is at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_LEAST = -60.0
"""Of what no list leaves any probability."""


def from_tops(tops: Mapping[str, float], answers: Sequence[str]) -> tuple[list[float], list[bool]]:
    """Log-probability of each answer's beginning, and whether it is only a bound: the answer is censored.

    A token stands for the one answer that it begins, blanks in front left out, so that ` good` and `good` add up. A
    token that could begin two answers says nothing of either. An answer without a token has at most what the list
    leaves over, and at most what the last token of the list has; it is never impossible.
    """
    bare = [answer.strip() for answer in answers]
    logliks: list[list[float]] = [[] for _ in answers]
    for token, value in tops.items():
        said = token.strip()
        begun = [i for i, answer in enumerate(bare) if said and answer.startswith(said)]
        exact = [i for i in begun if bare[i] == said]
        if len(exact or begun) == 1:
            logliks[(exact or begun)[0]].append(value)
    bound = _left_over(tops)
    values = [_total(logprobs) if logprobs else bound for logprobs in logliks]
    return values, [not logprobs for logprobs in logliks]


def _left_over(tops: Mapping[str, float]) -> float:
    if not tops:
        return 0.0
    left = 1.0 - math.fsum(math.exp(value) for value in tops.values())
    return max(_LEAST, min(*tops.values(), math.log(left) if left > 0 else _LEAST))


def _total(logprobs: Sequence[float]) -> float:
    highest = max(logprobs)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in logprobs))


def named(text: str, answers: Sequence[str]) -> int | None:
    """The answer that a text begins with, else the first that stands in it as a whole word; None where none does."""
    bare = [answer.strip().casefold() for answer in answers]
    said = text.strip().strip("\"'`*.:").casefold()
    order = sorted(range(len(bare)), key=lambda i: -len(bare[i]))
    for i in order:
        if bare[i] and (said == bare[i] or (said.startswith(bare[i]) and not said[len(bare[i])].isalnum())):
            return i
    places = [(at, i) for i in order if (at := _word_at(said, bare[i])) >= 0]
    return min(places)[1] if places else None


def _word_at(text: str, word: str) -> int:
    at = text.find(word) if word else -1
    while at >= 0:
        end = at + len(word)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (before.isalnum() or after.isalnum()):
            return at
        at = text.find(word, at + 1)
    return -1
