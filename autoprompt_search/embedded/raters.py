"""What a review means, and five raters who read it with more and more care.

The most careful rater is right by definition: its answer is the label of the data set. The
others fail where a hurried reader fails: on negation first, then on contrast, then on concession.
"""

from dataclasses import dataclass
from enum import Enum


class Negator(Enum):
    """How an opinion is turned into its opposite."""

    PLAIN = "not"
    SUBTLE = "hardly, barely, never, far from"


class Link(Enum):
    """How a second opinion of the other polarity stands to the first."""

    BUT = "A, but B: the second counts"
    CONCESSION = "although A, B: the second counts"
    ASIDE = "A, although B: the first counts"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One judgement: the polarity of its word, and what negates it."""

    word: bool
    """True for a positive word."""
    negator: Negator | None = None

    @property
    def positive(self) -> bool:
        """What the opinion says, negation included."""
        return self.word == (self.negator is None)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The first opinion of a review and, where one disagrees with it, the second."""

    first: Opinion
    second: Opinion | None = None
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Rater:
    """A reader who understands these negators and follows these links, and no others."""

    name: str
    negators: frozenset[Negator] = frozenset()
    links: frozenset[Link] = frozenset()

    def finds_positive(self, meaning: Meaning) -> bool:
        """The rater's verdict on a review."""
        follows = meaning.link in self.links and meaning.second is not None
        opinion = meaning.second if follows and meaning.second is not None else meaning.first
        negated = opinion.negator in self.negators
        return opinion.word != negated


_NEGATION = frozenset(Negator)

SHALLOW = Rater("shallow")
"""Takes the first opinion word as it stands."""
HASTY = Rater("hasty", frozenset({Negator.PLAIN}))
"""Sees a plain "not" before it."""
MEDIUM = Rater("medium", _NEGATION)
"""Understands every negation, and judges by the first opinion."""
THOROUGH = Rater("thorough", _NEGATION, frozenset({Link.BUT}))
"""Also follows "but" and "however" to the second opinion."""
CAREFUL = Rater("careful", _NEGATION, frozenset({Link.BUT, Link.CONCESSION}))
"""Also follows concessions: the truth."""

RATERS = (SHALLOW, HASTY, MEDIUM, THOROUGH, CAREFUL)
"""All raters, from the least to the most careful."""
