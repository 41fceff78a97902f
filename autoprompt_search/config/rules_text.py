"""Rules of templates, instructions and verbalizers: slots that exist, and one set of words per label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.registry import unknown
from autoprompt_search.prompting import AUTO, MARKS, SlotError, data_fields, parse

NONE = "none"
"""The value that means "without": no instruction, no demonstrations, no calibration, no soft prompt."""

_TAKEN = {"instructions": (NONE, "no instruction"), "verbalizers": (AUTO, "words that the model proposes")}
"""Names with a meaning of their own, which no text may have."""


def text_rules(draft: Draft, fields: Sequence[str] | None, labels: Sequence[str] | None) -> Iterator[Problem]:
    """Broken rules of the text sections. What is None could not be found out, and is not checked."""
    config = draft.config
    if draft.is_sound("templates"):
        for name, template in config.templates.items():
            path = ("templates", name)
            yield from _slots(path, template.text, fields)
            yield from _marks(path, template.text, config.backend.type if draft.is_sound("backend") else None)
            if template.words:
                yield from _words((*path, "words"), template.words, labels)
    for section, (name, meaning) in _TAKEN.items():
        if draft.is_sound(section) and name in getattr(config, section):
            text = f"{section}.{name}: this name is taken: it means {meaning}; choose another name"
            yield Problem((section, name), text)
    if draft.is_sound("verbalizers"):
        for name, words in config.verbalizers.items():
            yield from _words(("verbalizers", name), words, labels)
        yield from _undecided(draft)


def _slots(place: tuple[str, ...], text: str, fields: Sequence[str] | None) -> Iterator[Problem]:
    where = ".".join((*place, "text"))
    try:
        slots = data_fields(text)
    except SlotError as exc:
        yield Problem((*place, "text"), f"{where}: {exc}")
        return
    if not slots:
        known = " or ".join(f"{{{f}}}" for f in fields or ()) or "{field}"
        yield Problem(
            (*place, "text"), f"{where}: shows the model nothing of the example: put {known} into it (got {text!r})"
        )
    for slot in slots:
        if fields is not None and slot not in fields:
            yield Problem((*place, "text"), f"{where}: {unknown('field', slot, fields)} (got {text!r})")


def _marks(place: tuple[str, ...], text: str, backend: str | None) -> Iterator[Problem]:
    """Problems with `{@answer}` and `{@pair}`: each may stand once, and only for backends that support it."""
    where = (*place, "text")
    try:
        kinds = [part.kind for part in parse(text) if part.kind != "text" or part.value.strip()]
    except SlotError:
        return
    for mark in MARKS:
        if kinds.count(mark) > 1:
            wrong = f"has {{@{mark}}} {kinds.count(mark)} times, where once is right (got {text!r})"
            yield Problem(where, f"{'.'.join(where)}: {wrong}")
    after = kinds[kinds.index("answer") + 1 :] if "answer" in kinds else []
    gaps = [name for name, family in FAMILIES.items() if family.fills_gaps]
    pairs = [name for name, family in FAMILIES.items() if family.takes_pairs]
    for is_used, use, able in (
        (bool({*after} - {"sep"}), "has text after {@answer}", gaps),
        ("pair" in kinds, "has {@pair}", pairs),
    ):
        if is_used and backend is not None and backend not in able:
            wrong = f"{use}, which backend {backend!r} cannot read; backends that can: {', '.join(able)} (got {text!r})"
            yield Problem(where, f"{'.'.join(where)}: {wrong}")


def _words(
    place: tuple[str, ...], words: Mapping[str, Sequence[str]], labels: Sequence[str] | None
) -> Iterator[Problem]:
    where = ".".join(place)
    if labels is not None:
        for label in (n for n in words if n not in labels):
            yield Problem((*place, label), f"{where}.{label}: {unknown('label', label, labels)}")
        for label in (n for n in labels if n not in words):
            yield Problem(
                place, f"{where}: has no word for label {label!r} (got words for {', '.join(words) or 'none'})"
            )
    owners: dict[str, str] = {}
    for label, alternatives in words.items():
        if not alternatives:
            yield Problem((*place, label), f"{where}.{label}: needs at least one word (got [])")
        for word in alternatives:
            wrong = _wrong_with(word, label, owners)
            if wrong:
                yield Problem((*place, label), f"{where}.{label}: {wrong}")
            owners.setdefault(word, label)


def _wrong_with(word: str, label: str, owners: Mapping[str, str]) -> str:
    """Why this word cannot stand for this label; empty when it can."""
    if not word.strip():
        return f"a word must not be empty (got {word!r})"
    if word not in owners:
        return ""
    if owners[word] == label:
        return f"the word {word!r} stands there twice"
    return f"{word!r} is already a word of label {owners[word]!r}; a word means one label"


def _undecided(draft: Draft) -> Iterator[Problem]:
    """Several verbalizers, and a template that could take any of them, but nothing that chooses."""
    config = draft.config
    if len(config.verbalizers) < 2 or not draft.is_sound("space", "space.verbalizer", "templates"):
        return
    bare = [name for name, template in config.templates.items() if not template.words]
    if bare and "verbalizer" not in config.space.root:
        names = list(config.verbalizers)
        yield Problem(
            ("verbalizers",),
            f"verbalizers: nothing chooses among {names} for template {bare[0]!r}: "
            f"add `verbalizer: {{kind: choice, values: [{', '.join(names)}]}}` to the space, or words to the template",
        )
