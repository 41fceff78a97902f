"""Texts that are the same, or nearly. Pure functions, standard library only."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.types import Example

SHINGLE = 3
"""Words per shingle."""
NEAR = 0.7
"""Jaccard similarity of shingle sets from which two texts count as near-duplicates."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two near-duplicates in different groups."""

    groups: tuple[str, str]
    ids: tuple[str, str]
    similarity: float


def normalised(example: Example) -> str:
    """The inputs as one key: Unicode form, case and blanks do not count."""
    texts = (unicodedata.normalize("NFKC", text).casefold() for text in example.inputs.values())
    return "\x1f".join(" ".join(text.split()) for text in texts)


def near_duplicates(groups: Mapping[str, Sequence[Example]]) -> Iterator[Pair]:
    """Pairs from different groups with similarity `NEAR` or more, exactly.

    All-pairs search with prefix filter (Bayardo et al. 2007): two sets that similar must share one of
    the few rarest shingles of each, so only texts that do are compared.
    """
    names = [(group, example.id) for group, examples in groups.items() for example in examples]
    sets, common = _ranked([shingles(normalised(e)) for examples in groups.values() for e in examples])
    index: dict[int, list[int]] = defaultdict(list)
    for number in sorted(range(len(sets)), key=lambda i: len(sets[i])):
        own = sets[number]
        rarest = sorted(own)[: len(own) - math.ceil(NEAR * len(own)) + 1]
        shared = [shingle for shingle in rarest if shingle >= common]
        for other in sorted({other for shingle in shared for other in index[shingle]}):
            if names[other][0] != names[number][0] and len(sets[other]) >= NEAR * len(own):
                similarity = _jaccard(own, sets[other])
                if similarity >= NEAR:
                    # By place, so that groups come in the given order.
                    (one, first), (two, second) = names[min(other, number)], names[max(other, number)]
                    yield Pair((one, two), (first, second), similarity)
        for shingle in shared:
            index[shingle].append(number)


def _ranked(found: Sequence[frozenset[str]]) -> tuple[list[frozenset[int]], int]:
    """The sets with shingles as numbers, rarest first, and the first number that stands in two sets or more.

    Which of two equally rare shingles comes first changes who is compared, never what is found.
    """
    rarity = Counter(shingle for one in found for shingle in one)
    ranks = {shingle: rank for rank, (shingle, _) in enumerate(sorted(rarity.items(), key=lambda item: item[1]))}
    common = sum(1 for number in rarity.values() if number == 1)
    return [frozenset(map(ranks.__getitem__, one)) for one in found], common


def shingles(text: str) -> frozenset[str]:
    """All runs of `SHINGLE` words; a shorter text is one run. Scripts without blanks count characters as words."""
    words = _WORD.findall(text)
    runs = range(max(len(words) - SHINGLE + 1, 1))
    return frozenset(" ".join(words[i : i + SHINGLE]) for i in runs) if words else frozenset()


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
