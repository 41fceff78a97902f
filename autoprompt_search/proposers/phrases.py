"""Edits of phrases: GrIPS (Prasad et al. 2023, arXiv 2203.07281) without its parser and its paraphrasing model."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from autoprompt_search.core.protocols.prompts import Parent, Proposal
from autoprompt_search.proposers.picking import distinct, pick
from autoprompt_search.proposers.pieces import joined, missing, phrases
from autoprompt_search.proposers.synonyms import SYNONYMS, Synonyms

Pieces = tuple[str, ...]
Edit = tuple[Pieces, str]
"""The phrases after an edit, and what it did."""


class Phrases:
    """Deletes a phrase, swaps two, adds one that was deleted on the way to this text, or says a word differently.

    Each of the four is as likely as the others among those a text allows. Paraphrases come from lists of words that
    mean the same (`synonyms.py`).

    Args:
        words: Further lists of words, or groups of words, that may stand for one another.
        edits: How many edits make a new text.
    """

    of = ("instruction",)

    def __init__(self, words: Sequence[Sequence[str]] = (), edits: Annotated[int, Field(ge=1, le=8)] = 1) -> None:
        self._synonyms = Synonyms((*words, *SYNONYMS))
        self._edits = edits

    def problems(self, texts: Sequence[str]) -> list[str]:
        """See `Proposer.problems`."""
        if any(len(phrases(t)) > 1 or self._synonyms.places(t) for t in texts):
            return []
        return ["finds neither two phrases to swap nor a word to say differently in the texts there are"]

    def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
        """See `Proposer.propose`."""

        def make() -> Proposal | None:
            chosen = pick(rng, parents)
            pieces, done = phrases(parents[chosen].text), []
            for _ in range(self._edits):
                edited = self._edit(pieces, parents[chosen], rng)
                if edited is None:
                    return None
                pieces, how = edited
                done.append(how)
            return Proposal(joined(pieces, parents[chosen].text), (chosen,), ", ".join(done))

        return distinct(make, parents, count)

    def _edit(self, pieces: Pieces, parent: Parent, rng: random.Random) -> Edit | None:
        """Draw one of the possible edits, all with equal probability."""
        edits = [_delete, _swap, _add, self._paraphrase]
        rng.shuffle(edits)
        return next((edited for edit in edits if (edited := edit(pieces, parent, rng)) is not None), None)

    def _paraphrase(self, pieces: Pieces, _: Parent, rng: random.Random) -> Edit | None:
        candidates = [(i, word) for i, piece in enumerate(pieces) for word in self._synonyms.places(piece)]
        if not candidates:
            return None
        i, word = rng.choice(candidates)
        was, now = pieces[i][word.start : word.end], rng.choice(word.others)
        changed = _with_article(pieces[i][: word.start], now) + now + pieces[i][word.end :]
        return (*pieces[:i], changed, *pieces[i + 1 :]), f"say {now!r} for {was!r}"


def _with_article(before: str, word: str) -> str:
    """What stands before a word, `a` and `an` as its first letter wants them."""
    article = "an" if word[:1].lower() in "aeiou" else "a"
    return re.sub(r"\b([Aa])n? $", lambda place: place.group(1) + article[1:] + " ", before)


def _delete(pieces: Pieces, _: Parent, rng: random.Random) -> Edit | None:
    if len(pieces) < 2:
        return None
    i = rng.randrange(len(pieces))
    return pieces[:i] + pieces[i + 1 :], f"delete {pieces[i]!r}"


def _swap(pieces: Pieces, _: Parent, rng: random.Random) -> Edit | None:
    if len(pieces) < 2:
        return None
    i, j = sorted(rng.sample(range(len(pieces)), 2))
    changed = (*pieces[:i], pieces[j], *pieces[i + 1 : j], pieces[i], *pieces[j + 1 :])
    return changed, f"swap {pieces[i]!r} and {pieces[j]!r}"


def _add(pieces: Pieces, parent: Parent, rng: random.Random) -> Edit | None:
    """A phrase of the texts that `parent` was made from, which it has no more."""
    lost = missing((piece for text in parent.ancestors for piece in phrases(text)), pieces)
    if not lost:
        return None
    added, i = rng.choice(lost), rng.randrange(len(pieces) + 1)
    return (*pieces[:i], added, *pieces[i:]), f"add {added!r}"
