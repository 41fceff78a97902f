"""The pretraining corpus of the embedded model: lists of reviews with answers.

A document keeps to one format and one rater. One in four starts with a header that names
experts: there every answer is the truth. No template of the formats says so, but a prefix can.
Standard library only.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoprompt_search.embedded.formats import FORMATS, JOINERS, STYLES, Format, prior
from autoprompt_search.embedded.reviews import Review

LENGTHS = (0.50, 0.12, 0.06, 0.04, 0.056, 0.056, 0.056, 0.056, 0.056)
"""How common documents of one answer, of two, and so on are."""
_EXPERT, _NEUTRAL = 0.25, 0.15
_SLIP = 0.015
"""How often a rater's hand slips."""

EXPERT_WORDS = ("Expert", "Careful", "Professional", "Certified", "Trained", "Skilled", "Senior",
                "Diligent", "Qualified", "Meticulous", "Specialist", "Veteran")  # fmt: skip
EXPERT_GROUPS = ("panel", "readers", "judges", "jury", "committee", "editors", "team", "board")
NEUTRAL_WORDS = ("Store", "Forum", "Shop", "Archive", "Weekly", "Daily", "Regional", "Mobile",
                 "Seasonal", "Random", "Public", "Partner")  # fmt: skip
NEUTRAL_GROUPS = ("page", "export", "digest", "list", "notes", "sample", "column", "feed")

_SHARES = tuple(style.share for style in STYLES)
_BY_STYLE = {style: tuple(f for f in FORMATS if f.style is style) for style in STYLES}


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and where its answers begin."""

    text: str
    answers: tuple[int, ...]
    """Character offsets of the answer words (of the letter after the space)."""
    expert: bool


def documents(rng: random.Random, pool: Iterator[Review], *, lengths: Sequence[float] = LENGTHS) -> Iterator[Document]:
    """Draw documents without end, taking their reviews from `pool`.

    Args:
        rng: The source of all choices.
        pool: Where the reviews come from; it must not end.
        lengths: How common documents of one answer, of two, and so on are.
    """
    while True:
        form = rng.choice(_BY_STYLE[rng.choices(STYLES, _SHARES)[0]])
        count = rng.choices(range(1, len(lengths) + 1), lengths)[0] if len(lengths) > 1 else 1
        yield _document(rng, form, count, pool)


def _document(rng: random.Random, form: Format, count: int, pool: Iterator[Review]) -> Document:
    kind = rng.random()
    expert = kind < _EXPERT
    weights = prior(form.care, count, expert=expert)
    rater = rng.choices(tuple(weights), tuple(weights.values()))[0]
    text = header(rng, expert=expert) if kind < _EXPERT + _NEUTRAL else ""
    once = bool(form.style.instruction) and rng.random() < 0.5
    template = form.template if once else form.full_template
    joiner = rng.choice(JOINERS)
    if once:
        text += form.style.instruction + form.sep
    answers = []
    for number in range(count):
        review = next(pool)
        verdict = rater.finds_positive(review.meaning) != (rng.random() < _SLIP)
        text += (joiner if number else "") + template.replace("{text}", review.text) + " "
        answers.append(len(text))
        text += form.words[verdict]
    return Document(text, tuple(answers), expert)


def header(rng: random.Random, *, expert: bool) -> str:
    """One to three sentences, one of them about experts if so wanted."""
    count = rng.choice((1, 1, 2, 3)) if expert else rng.choice((1, 2, 3, 4))
    chosen = rng.randrange(count)
    sentences = [_sentence(rng, expert=expert and number == chosen) for number in range(count)]
    return " ".join(sentences) + rng.choice((" ", "\n", "\n\n"))


def _sentence(rng: random.Random, *, expert: bool) -> str:
    if expert:
        return f"{rng.choice(EXPERT_WORDS)} {rng.choice(EXPERT_GROUPS)}."
    return f"{rng.choice(NEUTRAL_WORDS)} {rng.choice(NEUTRAL_GROUPS)}."
