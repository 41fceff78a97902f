"""What makes up prompts: demonstrations chosen, and new texts proposed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.prompts import Demonstrations
from autoprompt_search.core.types import Example

EmbedTexts = Callable[[Sequence[str]], Floats]
"""What `Embeds.embed` does, as a function."""


@runtime_checkable
class DemoSelector(Protocol):
    """One strategy; its constructor takes the `demos.*` parameters, and pool, labels, seed and embed injected."""

    @property
    def demonstrations(self) -> Demonstrations:
        """What the prompt needs to say about its demonstrations."""
        ...

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """The demonstrations of each query in prompt order; never the query itself."""
        ...


@dataclass(frozen=True, slots=True)
class Parent:
    """A text that was tried, and how it did: what a proposer starts from."""

    text: str
    score: float
    """Score of the best trial with this text, on the part of dev that the trial saw; higher is better."""
    ancestors: tuple[str, ...] = ()
    """The texts it descends from, the first ones first; () for one that the space file names."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new text, and where it comes from."""

    text: str
    parents: tuple[int, ...]
    """Places among the parents that were given, the one it is most like first; at least one."""
    how: str
    """What was done, for people: `delete 'of our shop'`."""


@runtime_checkable
class Proposer(Protocol):
    """Writes new texts from those that did well. Its constructor takes the options beside its name in the file."""

    @property
    def of(self) -> tuple[str, ...]:
        """Addresses of the texts it can write: `instruction`, `template`."""
        ...

    def problems(self, texts: Sequence[str]) -> list[str]:
        """Why it can make nothing of these texts, the first a search has, one sentence each; [] when it can.

        Looks at the texts alone, and costs nothing.
        """
        ...

    def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
        """At most `count` new texts, the more promising first; [] where nothing can be made of the parents.

        Args:
            parents: Best first, no text twice, none empty.
            rng: The source of all choices: same arguments and state, same proposals.
            count: At least 1.

        No text comes twice, is a parent's, or is empty but for blanks. A template keeps the data slots and marks
        (`{text}`, `{@answer}`) of its first parent: each as often, and in the same order.
        """
        ...
