"""What a first space file for a classification says about texts and labels: told by the user, or guessed from names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoprompt_search.config.starter_yaml import Written

_NOUNS = (
    *("abstract", "article", "comment", "conversation", "document", "email", "headline", "message", "paragraph"),
    *("passage", "post", "question", "query", "review", "sentence", "snippet", "statement", "story", "summary"),
    *("ticket", "title", "tweet", "utterance"),
)
"""Columns whose names say what their texts are."""
_NAMELESS = (
    "label",
    "labels",
    "target",
    "class",
    "y",
    "gold",
    "answer",
    "output",
    "category id",
    "label id",
    "class id",
)
"""Columns of labels whose names say nothing about them."""
_ASPECTS: Mapping[frozenset[str], str] = {
    frozenset({"positive", "negative", "neutral", "mixed"}): "sentiment",
    frozenset({"subjective", "objective"}): "style",
    frozenset({"joy", "sadness", "anger", "fear", "surprise", "love", "disgust", "neutral"}): "emotion",
    frozenset({"world", "sports", "business", "sci/tech", "technology", "politics", "science"}): "topic",
}
"""Labels of data sets that many have -> what they are about."""
_PLAIN = {"positive": "great", "negative": "terrible", "neutral": "okay", "mixed": "mixed"}
"""Second words for labels that many data sets share."""
_MANY = 10
"""Labels beyond which a template doesn't list them."""


class Told(NamedTuple):
    """What the user says of texts; what is None is guessed."""

    noun: str | None = None
    """What a text is."""
    ask: str | None = None
    """A question about it."""


NOTHING = Told()


@dataclass(frozen=True, slots=True)
class Relation:
    """Labels that say how a second text stands to a first one."""

    words: Mapping[str, str]
    """Label -> what one answers when asked."""
    question: str
    """With the two fields as slots `{0}` and `{1}`."""
    instruction: str
    names: tuple[str, str]
    """Of the two fields."""


_RELATIONS = (
    Relation(
        {"entailment": "yes", "not entailment": "no", "neutral": "maybe", "contradiction": "no"},
        "Does it follow that {1}",
        "Read the premise and decide whether the hypothesis follows from it.",
        ("Premise", "Hypothesis"),
    ),
    Relation(
        {
            **dict.fromkeys(("equivalent", "duplicate", "paraphrase", "same", "similar"), "yes"),
            **dict.fromkeys(("not equivalent", "not duplicate", "not paraphrase", "different", "not similar"), "no"),
        },
        "Do both say the same?",
        "Read both texts and decide whether they mean the same.",
        ("First", "Second"),
    ),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a template speaks of a text and asks for its label."""

    noun: str
    """What a text is: `review`."""
    question: str
    """With its question mark."""
    aspect: str = ""
    """What the labels are about, as `sentiment`; empty where nothing says so."""
    relation: Relation | None = None

    @property
    def name(self) -> str:
        """The field name in front of the answer."""
        return titled(self.aspect or "label")

    @property
    def prefix(self) -> str:
        """The beginning of a chat model's answer."""
        return f"The {self.aspect or 'answer'} is"


def asking(
    columns: Sequence[str], label: str, labels: Sequence[str], noun: str | None = None, ask: str | None = None
) -> Asking:
    """What the user says, else what the names of columns and labels say.

    Args:
        columns: Of the texts.
        label: Column of the label.
        labels: The labels.
        noun: What the user calls a text.
        ask: The user's question about a text.
    """
    said = {spoken(name).lower() for name in labels}
    is_pair = len(columns) == 2 and ask is None
    relation = next((r for r in _RELATIONS if is_pair and said <= set(r.words)), None)
    own = re.sub(r"[_\s]+", " ", label.lower()).strip()
    known = next((aspect for names, aspect in _ASPECTS.items() if said <= names), "")
    is_name = own not in _NAMELESS and re.fullmatch(r"[a-z]+(?: [a-z]+)*", own) is not None
    aspect = known or (own if is_name else "")
    first = columns[0].lower().rstrip("s").strip()
    noun = noun or (first if len(columns) == 1 and first in _NOUNS else "text" if len(columns) == 1 else "pair")
    question = ask or (f"What is the {aspect} of the {noun}?" if aspect else f"Which label fits the {noun}?")
    question = question if question.rstrip().endswith("?") else f"{question.rstrip()}?"
    return Asking(noun, question, "" if relation else aspect, relation)


def templates(fields: Sequence[str], labels: Sequence[str], words: Asking) -> list[Written]:
    """A statement, a question, an instruction that lists the labels, and a sentence to complete where there is one."""
    choices = _choices([spoken(label) for label in labels]) if len(labels) <= _MANY else ""
    relation = words.relation
    names = relation.names if relation else [titled(field) for field in fields]
    named = "{@sep}".join(f"{{@{name}}}: {{{field}}}" for name, field in zip(names, fields, strict=True))
    slots = [f"{{{field}}}" for field in fields]
    bare = "{@sep}".join(slots)
    if relation:
        asked, told = relation.question.format(*slots), relation.instruction
        before = slots[0] if "{1}" in relation.question else bare
    else:
        asked = escaped(f"{words.question.rstrip('?')}: {choices}?" if choices else words.question)
        told, before = f"Read the {words.noun}. {words.question}", bare
    statement = f"{named}{{@sep}}{{@{words.name}}}:"
    rows = [
        Written("baseline", statement, "statement"),
        Written("question", f"{before}{{@sep}}Question: {asked}{{@sep}}Answer:", "question"),
        Written("instruction", statement, "instruction", told + (f" Answer with {choices}." if choices else "")),
    ]
    if words.aspect and len(fields) == 1:
        about = escaped(f"The {words.aspect} of this {words.noun} is")
        rows.append(Written("cloze", f"{bare}{{@sep}}{about}", "statement"))
    return rows


def verbalizers(labels: Sequence[str], words: Asking) -> dict[str, dict[str, str]]:
    """Verbalizers by name: the labels as words, and other words where we know some."""
    names = {label: spoken(label) for label in labels}
    if len(set(names.values())) < len(labels):
        names = {label: label.strip() for label in labels}
    tables = {"names": names}
    others = {"answers": words.relation.words} if words.relation else {"plain": _PLAIN}
    for name, table in others.items():
        lowered = {label: spoken(label).lower() for label in labels}
        if all(said in table for said in lowered.values()):
            chosen = {label: table[said] for label, said in lowered.items()}
            tables |= {name: chosen} if len(set(chosen.values())) == len(labels) else {}
    return tables


def differ_in_length(words: Mapping[str, str]) -> bool:
    """Whether some labels are of more words than others, so that a whole log-likelihood favours the short ones."""
    return len({len(word.split()) for word in words.values()}) > 1


def spoken(label: str) -> str:
    """A label as one would say it: `Card_Arrival` is `card arrival`; numbers and abbreviations stay."""
    text = re.sub(r"[_\s]+", " ", label).strip() or label
    return text if text.isupper() else text.lower()


def titled(field: str) -> str:
    """A field's name at the beginning of a line: `text_pair` is `Text pair`."""
    text = re.sub(r"[_\s]+", " ", field).strip() or field
    return text[:1].upper() + text[1:]


def escaped(text: str) -> str:
    """The text as a template holds it."""
    return text.replace("{", "{{").replace("}", "}}")


def _choices(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
