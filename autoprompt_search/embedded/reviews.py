"""`builtin:reviews`: short product reviews from a seeded grammar. Standard library only.

A review is an opinion about an aspect, often negated, sometimes set against a second opinion,
wrapped in small talk. It knows its meaning, so that any rater can be asked about it. The module
knows nothing of prompts or models.
"""

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, islice

from autoprompt_search.embedded import wording
from autoprompt_search.embedded.raters import Link, Meaning, Negator, Opinion

LABELS = ("negative", "positive")
SPLITS = {"pretrain": range(4), "train": range(4, 6), "dev": range(6, 8), "test": range(8, 10)}
"""The tenths of all (aspect, opinion word) pairs that may open a review of each split."""

_LINKS = (None, Link.BUT, Link.CONCESSION, Link.ASIDE)
_LINK_WEIGHTS = (0.735, 0.1, 0.1, 0.065)
_NEGATED = 0.225
_SUBTLE = 0.5
_EXTRA = 0.3
_SHORT = 6
"""Opinions of fewer words always come with some small talk."""
_OPENER, _CHATTER, _LOWER, _NO_STOP, _TYPO = 0.2, 0.45, 0.1, 0.15, 0.2


@dataclass(frozen=True, slots=True)
class Review:
    """One labelled review."""

    id: str
    text: str
    label: str
    """One of `LABELS`: the verdict of the careful rater."""
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Aspect and opinion word of a first clause: what decides the split of a review."""

    aspect: str
    words: tuple[str, ...]
    """An adjective, or the base and past form of a verb."""


def reviews(seed: int, number: int, *, split: str) -> list[Review]:
    """Draw reviews: distinct texts, labels balanced in every pair, the same for the same seed.

    A smaller draw is the beginning of a larger one. No text occurs in two splits, whatever their
    seeds, because splits differ in the pairs of aspect and opinion word that open a review.

    Args:
        seed: Any integer.
        number: How many reviews.
        split: A key of `SPLITS`.

    Raises:
        ValueError: The split is unknown or the number negative.
    """
    if number < 0:
        raise ValueError(f"number={number} is negative")
    return list(islice(stream(seed, split=split), number))


def stream(seed: int, *, split: str, plain: bool = False) -> Iterator[Review]:
    """The same reviews without end; if plain, one clause each, as it stands: a first lesson."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: one of {', '.join(SPLITS)}")
    return _stream(seed, split, plain)


def _stream(seed: int, split: str, plain: bool) -> Iterator[Review]:
    rng = random.Random(f"reviews/{split}/{seed}")
    seen: set[str] = set()
    for start in count(0, 2):
        for number, positive in enumerate(rng.sample((False, True), 2), start):
            draw = _plain if plain else _review
            text, meaning = draw(rng, split, positive)
            while text in seen:
                text, meaning = draw(rng, split, positive)
            seen.add(text)
            yield Review(f"{split}-{seed}-{number}", text, LABELS[positive], meaning)


def _review(rng: random.Random, split: str, positive: bool) -> tuple[str, Meaning]:
    meaning = _meaning(rng, positive)
    anchor = rng.choice(_anchors(split, meaning.first.word))
    return _noisy(rng, _body(rng, meaning, anchor)), meaning


def _plain(rng: random.Random, split: str, positive: bool) -> tuple[str, Meaning]:
    clause = _clause(rng, Opinion(positive), rng.choice(_anchors(split, positive)))
    return clause[0].upper() + clause[1:], Meaning(Opinion(positive))


def _meaning(rng: random.Random, positive: bool) -> Meaning:
    link = rng.choices(_LINKS, _LINK_WEIGHTS)[0]
    if link is None:
        return Meaning(_opinion(rng, positive))
    first = positive == (link is Link.ASIDE)
    return Meaning(_opinion(rng, first), _opinion(rng, not first), link)


def _opinion(rng: random.Random, positive: bool) -> Opinion:
    if rng.random() >= _NEGATED:
        return Opinion(positive)
    return Opinion(not positive, Negator.SUBTLE if rng.random() < _SUBTLE else Negator.PLAIN)


@cache
def _anchors(split: str, positive: bool) -> tuple[_Anchor, ...]:
    words = [(word,) for word in wording.ADJECTIVES[positive]] + list(wording.VERBS[positive])
    tenths = SPLITS[split]
    return tuple(
        _Anchor(aspect, word)
        for aspect in wording.ASPECTS
        for word in words
        if zlib.crc32(f"{aspect} {word[0]}".encode()) % 10 in tenths
    )


def _any_anchor(rng: random.Random, positive: bool, taken: str) -> _Anchor:
    """Draw an anchor of any split, for clauses after the first."""
    aspect = rng.choice(wording.ASPECTS)
    while aspect == taken:
        aspect = rng.choice(wording.ASPECTS)
    if rng.random() < 0.8:
        return _Anchor(aspect, (rng.choice(wording.ADJECTIVES[positive]),))
    return _Anchor(aspect, rng.choice(wording.VERBS[positive]))


def _body(rng: random.Random, meaning: Meaning, anchor: _Anchor) -> str:
    first = _side(rng, meaning.first, anchor)
    if meaning.second is None:
        return first
    second = _side(rng, meaning.second, _any_anchor(rng, meaning.second.word, anchor.aspect))
    if meaning.link is Link.BUT:
        return first + rng.choice((", but ", ", yet ", ". However, ")) + second
    if meaning.link is Link.ASIDE:
        return first + rng.choice((", although ", ", even though ")) + second
    if rng.random() < 0.5:
        return rng.choice(("Although ", "Even though ")) + f"{first}, {second}"
    return first + rng.choice((". Still, ", ". Even so, ", ". Nonetheless, ")) + second


def _side(rng: random.Random, opinion: Opinion, anchor: _Anchor) -> str:
    """One clause, or two that agree."""
    clause = _clause(rng, opinion, anchor)
    if rng.random() >= _EXTRA:
        return clause
    extra = _opinion(rng, opinion.positive)
    joint = rng.choice((" and ", ", and ", " and also "))
    return clause + joint + _clause(rng, extra, _any_anchor(rng, extra.word, anchor.aspect))


def _clause(rng: random.Random, opinion: Opinion, anchor: _Anchor) -> str:
    if len(anchor.words) == 1:
        return _adjective_clause(rng, opinion.negator, anchor.aspect, anchor.words[0])
    base, past = anchor.words
    subject = rng.choice(wording.SUBJECTS)
    if opinion.negator is None:
        verb = past
    elif opinion.negator is Negator.PLAIN:
        verb = rng.choice(("did not ", "didn't ")) + base
    else:
        verb = rng.choice(("hardly ", "never ", "barely ")) + past
    return f"{subject} {verb} the {anchor.aspect}"


def _adjective_clause(rng: random.Random, negator: Negator | None, aspect: str, adjective: str) -> str:
    if negator is None:
        form = rng.random()
        if form < 0.15:
            return f"I found the {aspect} {rng.choice(wording.DEGREES)}{adjective}"
        if form < 0.25:
            return f"{adjective} {aspect}"
        return f"the {aspect} {rng.choice(wording.COPULAS)} {rng.choice(wording.DEGREES)}{adjective}"
    if negator is Negator.PLAIN:
        denial = rng.choice(("was not", "is not", "wasn't", "isn't"))
    else:
        denial = rng.choice(("was hardly", "was never", "is barely", "was far from", "is hardly"))
    return f"the {aspect} {denial} {adjective}"


def _noisy(rng: random.Random, body: str) -> str:
    if rng.random() < _OPENER:
        start = body[:2] if body.startswith("I ") else body[:2].lower()
        text = f"{rng.choice(wording.OPENERS)} {start}{body[2:]}"
    else:
        text = body[0].upper() + body[1:]
    if rng.random() >= _NO_STOP:
        text += rng.choice((".", ".", ".", "!", " ..."))
    if rng.random() < _CHATTER or body.count(" ") < _SHORT - 1:
        chatter = _chatter(rng)
        text = f"{chatter} {text}" if rng.random() < 0.6 else f"{text} {chatter}"
    return text.lower() if rng.random() < _LOWER else text


def _chatter(rng: random.Random) -> str:
    sentence = rng.choice(wording.CHATTER).format(
        product=rng.choice(wording.PRODUCTS),
        person=rng.choice(wording.PEOPLE),
        time=rng.choice(wording.TIMES),
        time_word=rng.choice(wording.TIME_WORDS),
        number=rng.randint(2, 12),
    )
    return _typo(rng, sentence) if rng.random() < _TYPO else sentence


def _typo(rng: random.Random, sentence: str) -> str:
    """Swap two neighbouring letters, or double one. Only in small talk: opinions stay readable."""
    at = rng.randrange(1, len(sentence) - 2)
    pair = sentence[at : at + 2]
    return sentence[:at] + rng.choice((pair[::-1], pair[0] + pair)) + sentence[at + 2 :]
