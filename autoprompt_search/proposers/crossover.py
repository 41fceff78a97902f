"""The beginning of one text with the end of another: one-point crossover, as in evolutionary search of prompts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from autoprompt_search.core.protocols.prompts import Parent, Proposal
from autoprompt_search.proposers.picking import distinct, pick
from autoprompt_search.proposers.pieces import joined, missing, phrases, sentences


class Crossover:
    """Takes sentences of two texts, or phrases where one of them is a single sentence.

    EvoPrompt (Guo et al. 2024, arXiv 2309.08532) lets a language model cross prompts; here the cut is by rule.
    """

    of = ("instruction",)

    def problems(self, texts: Sequence[str]) -> list[str]:
        """See `Proposer.problems`."""
        number = len(set(texts))
        return [] if number > 1 else [f"needs two texts to cross, and there {'is one' if number else 'is none'}"]

    def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
        """See `Proposer.propose`."""

        def make() -> Proposal | None:
            one = pick(rng, parents)
            two = pick(rng, parents, but=one)
            cut = _cutter(parents[one].text, parents[two].text)
            ours, theirs = cut(parents[one].text), cut(parents[two].text)
            first, rest = ours[: rng.randint(1, len(ours))], theirs[rng.randrange(len(theirs)) :]
            if len(first) + len(rest) > max(len(ours), len(theirs)) + 1:  # texts would grow with every generation
                return None
            text = joined([*first, *missing(rest, first)], parents[two].text)
            return Proposal(text, (min(one, two), max(one, two)), f"{' '.join(first)!r} with {' '.join(rest)!r}")

        return distinct(make, parents if len(parents) > 1 else (), count)


def _cutter(one: str, two: str) -> Callable[[str], tuple[str, ...]]:
    return sentences if min(len(sentences(one)), len(sentences(two))) > 1 else phrases
