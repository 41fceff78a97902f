"""Inputs of an exported prompt: what is wrong with them, row by row, and the examples they are made into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example

Row = str | Mapping[str, str]
"""One input: field name -> text, or the text alone where the prompt has one field."""

_NAMED = 10
"""Mistakes named one by one before the rest is only counted."""


def sound_rows(texts: Iterable[Row], fields: Sequence[str]) -> list[Mapping[str, str]]:
    """Every input with all its fields, and no others; `ConfigError` names rows (from 1) and fields that are wrong."""
    rows: list[Mapping[str, str]] = []
    problems: list[str] = []
    for number, given in enumerate(texts, start=1):
        found = _row_problems(given, fields)
        problems += [f"row {number}: {problem}" for problem in found]
        if not found:
            rows.append(dict.fromkeys(fields, given) if isinstance(given, str) else {f: given[f] for f in fields})
    if problems:
        raise ConfigError(counted(problems))
    return rows


def check_targets(items: Sequence[Example], labels: Sequence[str]) -> None:
    """`ConfigError` unless there are examples, all with a label of the prompt's where it has labels."""
    if not items:
        raise ConfigError("there are no examples to evaluate on")
    if not labels:
        return
    known = ", ".join(map(repr, labels))
    problems = [
        f"row {number}: the label {e.target!r} is none of this prompt's: {known}"
        for number, e in enumerate(items, start=1)
        if e.target not in labels
    ]
    if problems:
        raise ConfigError(counted(problems))


def examples_of(rows: Sequence[Mapping[str, str]], items: Sequence[Example], taken: set[str]) -> list[Example]:
    """Rows as examples, with ids that are made up and not `taken`: none is mistaken for a demonstration.

    What is right on them, and what may be answered, is what `items` say, one per row; nothing where there are none.
    """
    head = next(h for h in _heads() if not any(i.startswith(h) for i in taken))
    known = items or [Example("", {}, "")] * len(rows)
    return [
        replace(item, id=f"{head}{number}", inputs=row)
        for number, (row, item) in enumerate(zip(rows, known, strict=True))
    ]


def counted(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], f"and {more} more"] if more > 0 else list(lines)


def _row_problems(given: object, fields: Sequence[str]) -> list[str]:
    if isinstance(given, str) and len(fields) == 1:
        return [] if _is_text(given) else [f"is not a text (got {given!r:.60})"]
    if isinstance(given, str):
        named = ", ".join(map(repr, fields))
        return [f"is one text, and the prompt reads {len(fields)} fields: {named}"]
    if not isinstance(given, Mapping):
        return [f"is neither a text nor a mapping of fields (got {given!r:.60})"]
    missing = [f"the field {name!r} is missing" for name in fields if name not in given]
    wrong = [
        f"the field {name!r} is not a text (got {given[name]!r:.60})"
        for name in fields
        if name in given and not _is_text(given[name])
    ]
    return missing + wrong


def _is_text(value: object) -> bool:
    """Whether a tokenizer can read it: half of a surrogate pair, which JSON can hold, it cannot."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _heads() -> Iterator[str]:
    """Beginnings of made-up ids; the first that no real id has is used."""
    head = "input-"
    while True:
        yield head
        head = f"_{head}"
