"""Mutations of a template's form: field names, what stands between its parts, how the answer is asked for.

What `layout.*` parameters vary (one separator for all places, one casing, one name per field) is a small part of the
grammar of formats (FormatSpread, Sclar et al. 2024, arXiv 2310.11324); this walks through the rest of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from autoprompt_search.core.protocols.prompts import Parent, Proposal
from autoprompt_search.prompting import MARKS, SlotError, field_names, parse
from autoprompt_search.proposers.picking import distinct, pick

SEPARATORS = ("{@sep}", " ", "\n", "\n\n", " | ", " - ")
COLONS = (":", " -", " =", " >", ":\n")
"""Punctuation that may follow a field name."""
INPUTS = ("Review", "Text", "Input", "Comment", "Sentence", "Passage", "Document")
ASKED = ("Answer", "Label", "Sentiment", "Verdict", "Rating", "Category", "Output", "Class")
"""Names of fields, of data and of the answer."""
QUOTES = ("{}", '"{}"', "<{}>", "[{}]")

_NAME = r"\{@(?P<name>[^\W\d][\w -]*)\}"
_DATA = r"(?<!\{)\{[^\W\d@][\w -]*\}"
_BETWEEN = re.compile(r"\{@sep\}|\n+|(?<=\})(?: \| | - | )(?=\{)")
_BEHIND_NAME = re.compile(rf"{_NAME}(?P<colon>:\n|:| -| =| >)")
_QUOTED = re.compile(rf'["<\[]?(?P<data>{_DATA})["\]>]?')
_ENDS = (
    re.compile(r"\{@Question\}: What is the (?P<noun>\w+)\?.*?\{@Answer\}:$", re.DOTALL),
    re.compile(r"Give the (?P<noun>\w+)\..*?\{@Answer\}:$", re.DOTALL),
    re.compile(r"The (?P<noun>\w+) is$"),
    re.compile(r"\{@(?P<noun>\w+)\}:$"),
)
_FORMS = {
    "question": "{@Question}: What is the %s?{@sep}{@Answer}:",
    "instruction": "Give the %s.{@sep}{@Answer}:",
    "statement": "The %s is",
    "field": "{@%s}:",
}
_ANSWER = "{@answer}"

Change = tuple[str, str]
"""A template, and what was done to it."""


class Formats:
    """Changes one thing about a template; data and marks stay, each as often and in the same order."""

    of = ("template",)

    def problems(self, texts: Sequence[str]) -> list[str]:
        """See `Proposer.problems`: any template can put its data in quotes."""
        return [] if texts else ["needs a template to change, and there is none"]

    def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
        """See `Proposer.propose`."""
        changes: list[Callable[[str, random.Random], Change | None]] = [_separate, _punctuate, _rename, _quote, _ask]

        def make() -> Proposal | None:
            chosen = pick(rng, parents)
            text = parents[chosen].text
            change = rng.choice(changes)(text, rng)
            return Proposal(change[0], (chosen,), change[1]) if change and _kept(change[0]) == _kept(text) else None

        return distinct(make, parents, count)


def _kept(text: str) -> list[tuple[str, str]] | None:
    """What no change may touch: data and marks, in order; None for what is no template."""
    try:
        return [(part.kind, part.value) for part in parse(text) if part.kind == "field" or part.kind in MARKS]
    except SlotError:
        return None


def _separate(text: str, rng: random.Random) -> Change | None:
    """Another separator at one place between two parts."""
    places = list(_BETWEEN.finditer(text))
    if not places:
        return None
    match, new = rng.choice(places), rng.choice(SEPARATORS)
    return text[: match.start()] + new + text[match.end() :], f"put {new!r} for {match.group()!r}"


def _punctuate(text: str, rng: random.Random) -> Change | None:
    """Replace the punctuation behind one field name."""
    places = list(_BEHIND_NAME.finditer(text))
    if not places:
        return None
    match, new = rng.choice(places), rng.choice(COLONS)
    changed = text[: match.start("colon")] + new + text[match.end() :]
    return changed.rstrip("\n"), f"put {new!r} behind {match.group('name')!r}"


def _rename(text: str, rng: random.Random) -> Change | None:
    """Another name for one field; where the data at the beginning have none, one is put before them."""
    names = [n for n in field_names(text) if n in INPUTS or n in ASKED]
    first = re.match(_DATA, text)
    if first is not None and (not names or rng.random() < 1 / 2):
        name = rng.choice(INPUTS)
        return f"{{@{name}}}: {text}", f"name the data {name!r}"
    if not names:
        return None
    old = rng.choice(names)
    new = rng.choice([n for n in (INPUTS if old in INPUTS else ASKED) if n not in field_names(text)])
    return text.replace(f"{{@{old}}}", f"{{@{new}}}"), f"call {old!r} {new!r}"


def _quote(text: str, rng: random.Random) -> Change | None:
    """Quotes around one piece of data, or none."""
    places = list(_QUOTED.finditer(text))
    if not places:
        return None
    match, quotes = rng.choice(places), rng.choice(QUOTES)
    quoted = quotes.replace("{}", match.group("data"))
    return text[: match.start()] + quoted + text[match.end() :], f"write {match.group('data')} as {quoted}"


def _ask(text: str, rng: random.Random) -> Change | None:
    """The answer asked for as a question, an instruction, a statement to complete, or by a field name."""
    body, mark = (text[: -len(_ANSWER)].rstrip(), f" {_ANSWER}") if text.endswith(_ANSWER) else (text, "")
    end = next((m for pattern in _ENDS if (m := pattern.search(body)) is not None), None)
    if end is None or (noun := end.group("noun").lower()) == "answer":  # of a question in other words, which stays
        return None
    form = rng.choice(list(_FORMS))
    new = _FORMS[form] % (noun.capitalize() if form == "field" else noun)
    return body[: end.start()] + new + mark, f"ask by {form}"
