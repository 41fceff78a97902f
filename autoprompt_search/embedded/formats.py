"""The formats in which the embedded model has met reviews with an answer, and who answered there.

A format is a style (a statement, a question, a cloze, an instruction) in a layout (separator,
field name, casing) with a pair of answer words. Each part adds care or none, and the sum decides
which raters wrote the answers: so some templates are better than others, and the obvious one is
mediocre. Standard library only; the documents themselves are `documents.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from autoprompt_search.embedded.raters import CAREFUL, HASTY, MEDIUM, SHALLOW, THOROUGH, Rater

Words = tuple[str, str]
"""The answers for negative and positive: one token each after a space."""

BAD_GOOD: Words = ("bad", "good")
NEGATIVE_POSITIVE: Words = ("negative", "positive")
TERRIBLE_GREAT: Words = ("terrible", "great")
NO_YES: Words = ("no", "yes")
ANGRY_HAPPY: Words = ("angry", "happy")

WORD_CARE: Mapping[Words, int] = {
    BAD_GOOD: 0,
    NEGATIVE_POSITIVE: 0,
    NO_YES: 0,
    TERRIBLE_GREAT: 1,
    ANGRY_HAPPY: 1,
}


@dataclass(frozen=True, slots=True)
class Style:
    """How the answer is asked for."""

    name: str
    body: str
    """Text with the slots field (the name of the review's field, in its casing), text and sep."""
    words: tuple[Words, ...]
    care: int
    instruction: str = ""
    """Stands before the first review of a document, or before each."""
    share: float = 1.0
    """How common the style is, in relation to the others."""


STYLES = (
    Style("sentiment", "{field}: {text}{sep}Sentiment:",
          (BAD_GOOD, NEGATIVE_POSITIVE, TERRIBLE_GREAT), care=0, share=4.0),
    Style("rating", "{field}: {text}{sep}Rating:", (BAD_GOOD, TERRIBLE_GREAT), care=0),
    Style("bare", "{text}{sep}Sentiment:", (BAD_GOOD, NEGATIVE_POSITIVE, TERRIBLE_GREAT), care=0),
    Style("polarity-question",
          "{field}: {text}{sep}Question: Is this review positive or negative?{sep}Answer:",
          (NEGATIVE_POSITIVE,), care=1),
    Style("satisfied-question",
          "{field}: {text}{sep}Question: Is the customer satisfied?{sep}Answer:",
          (NO_YES,), care=1),
    Style("again-question",
          "{field}: {text}{sep}Question: Would they buy it again?{sep}Answer:",
          (NO_YES,), care=2),
    Style("label", "{field}: {text}{sep}Label:", (NEGATIVE_POSITIVE, BAD_GOOD), care=1,
          instruction="Decide whether the review is positive or negative."),
    Style("verdict", "{field}: {text}{sep}Verdict:",
          (NEGATIVE_POSITIVE, BAD_GOOD, TERRIBLE_GREAT), care=3,
          instruction="Read the review to its end, then judge."),
    Style("cloze", "{text}{sep}All in all it was", (BAD_GOOD, TERRIBLE_GREAT), care=3),
    Style("feeling", "{text}{sep}In the end the customer was", (ANGRY_HAPPY,), care=2),
)  # fmt: skip

FIELDS = ("Review", "Text", "Comment")
CASINGS = ("title", "upper", "lower")
SEPARATORS = (" ", "\n")
"""Between the parts of one filled template."""
JOINERS = ("\n\n", "\n", " ")
"""Between the filled templates of one document."""
_FIELD_NAMES = ("Sentiment:", "Rating:", "Question:", "Answer:", "Label:", "Verdict:")


@dataclass(frozen=True, slots=True)
class Format:
    """A style in one layout with one pair of words."""

    style: Style
    words: Words
    field: str = "Review"
    casing: str = "title"
    """title, upper or lower: the casing of every field name."""
    sep: str = " "

    @property
    def care(self) -> int:
        """Level of care from 0 (answers of shallow raters) to 4 (of medium ones, the best a format alone gets).

        Answer words on a line of their own add care, except to a mere statement.
        """
        own_line = self.sep == "\n" and self.style.care > 0
        return min(4, self.style.care + WORD_CARE[self.words] + own_line)

    @property
    def name(self) -> str:
        """A readable key, distinct among `FORMATS`."""
        layout = "newline" if self.sep == "\n" else "space"
        return "/".join((self.style.name, self.words[1], self.field, self.casing, layout))

    @property
    def template(self) -> str:
        """The template of one review without the instruction; its slot is {text}."""
        body = self.style.body
        for name in _FIELD_NAMES:
            body = body.replace(name, _cased(name, self.casing))
        return body.replace("{field}", _cased(self.field, self.casing)).replace("{sep}", self.sep)

    @property
    def full_template(self) -> str:
        """The template with its instruction."""
        instruction = self.style.instruction
        return f"{instruction}{self.sep}{self.template}" if instruction else self.template


def _cased(name: str, casing: str) -> str:
    return {"title": name, "upper": name.upper(), "lower": name.lower()}[casing]


def _layouts(style: Style) -> tuple[tuple[str, str], ...]:
    """The (field, casing) pairs of a style; one without field names has one layout."""
    if "{field}" in style.body:
        return tuple(product(FIELDS, CASINGS))
    return tuple(product(("",), CASINGS if ":" in style.body else CASINGS[:1]))


FORMATS = tuple(
    Format(style, words, field, casing, sep)
    for style in STYLES
    for words, sep in product(style.words, SEPARATORS)
    for field, casing in _layouts(style)
)

_SHORT: tuple[Mapping[Rater, float], ...] = (
    {SHALLOW: 0.92, HASTY: 0.04, MEDIUM: 0.04},
    {SHALLOW: 0.15, HASTY: 0.80, MEDIUM: 0.05},
    {SHALLOW: 0.05, HASTY: 0.85, MEDIUM: 0.10},
    {SHALLOW: 0.03, HASTY: 0.07, MEDIUM: 0.90},
    {SHALLOW: 0.01, HASTY: 0.03, MEDIUM: 0.96},
)
"""Who answers in short documents, by the care of the format."""

_LONG_PLAIN: Mapping[Rater, float] = {MEDIUM: 0.55, THOROUGH: 0.42, CAREFUL: 0.03}
_LONG_CARE: Mapping[Rater, float] = {MEDIUM: 0.04, THOROUGH: 0.93, CAREFUL: 0.03}
LONG = 5
"""Documents of this many answers or more are the work of better raters."""


def prior(care: int, answers: int, *, expert: bool = False) -> Mapping[Rater, float]:
    """Who answers in a document: one rater for all its answers.

    Args:
        care: The care of its format.
        answers: How many answers it has.
        expert: Whether its header names experts: then the careful rater, whatever the format.
    """
    if expert:
        return {CAREFUL: 1.0}
    if answers < LONG:
        return _SHORT[care]
    return _LONG_CARE if care >= 2 else _LONG_PLAIN
