"""What an embedded model has learned, format by format."""

import random
from collections.abc import Iterator

from autoprompt_search.embedded.documents import header
from autoprompt_search.embedded.families import Pupil
from autoprompt_search.embedded.formats import FORMATS, STYLES, Format
from autoprompt_search.embedded.reviews import reviews
from autoprompt_search.embedded.scoring import agreement, demonstrations

_REVIEWS = 200
_SEED = 77


def format_table(pupil: Pupil) -> str:
    """A Markdown table: agreement with each rater, plain, with demonstrations, with a header.

    The reviews are of the dev split, which pretraining has not seen.
    """
    lines = ["| format | care | shallow | hasty | medium | thorough | truth | 4 demos | expert header |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for form in shown():
        cells = " | ".join(f"{value:.3f}" for value in _row(pupil, form))
        lines.append(f"| {form.name} | {form.care} | {cells} |")
    return "\n".join(lines)


def shown() -> Iterator[Format]:
    """The formats of the table: every style, words and separator, with one field name."""
    for style in STYLES:
        yield from (f for f in FORMATS if f.style is style and f.field in ("Review", "")
                    and f.casing == "title")  # fmt: skip


def _row(pupil: Pupil, form: Format) -> Iterator[float]:
    asked = reviews(_SEED, _REVIEWS, split="dev")
    shots = demonstrations(form, reviews(_SEED, 4, split="train"))
    yield from agreement(pupil, form, asked).values()
    for prefix in (shots, header(random.Random(_SEED), expert=True)):
        yield agreement(pupil, form, asked, prefix=prefix)["careful"]
