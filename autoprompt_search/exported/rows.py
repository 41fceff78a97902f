"""Inputs of an exported prompt: what is wrong with them, row by row, and the examples they are made into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example
from autoprompt_search.tasks.options import FIELD as OPTIONS
from autoprompt_search.tasks.options import listed

Row = str | Mapping[str, str | Sequence[str]]
"""One input: field name -> text, or the text alone where the prompt has one field. Where every example has options of
its own, `options` holds a list of them."""

_NAMED = 10
"""Mistakes named one by one before the rest is only counted."""


def sound_rows(texts: Iterable[Row], fields: Sequence[str], *, are_options_asked: bool = False) -> list[Example]:
    """Every input with all its fields, and no others; `ConfigError` names rows (from 1) and fields that are wrong.

    Args:
        texts: The inputs.
        fields: Names of the fields.
        are_options_asked: Whether each input needs a list of options, of which the field `options` is made.
    """
    rows: list[Example] = []
    problems: list[str] = []
    for number, row in enumerate(texts, start=1):
        wrong = _option_problems(row) if are_options_asked else []
        given, options = _with_options(row) if are_options_asked and not wrong else (row, ())
        wrong += _row_problems(given, fields)
        problems += [f"row {number}: {problem}" for problem in wrong]
        if not wrong:
            inputs = dict.fromkeys(fields, given) if isinstance(given, str) else {f: str(given[f]) for f in fields}
            rows.append(Example("", inputs, "", options=options))
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


def examples_of(rows: Sequence[Example], taken: set[str]) -> list[Example]:
    """Rows with ids that are made up and not `taken`: none is mistaken for a demonstration."""
    head = next(h for h in _heads() if not any(i.startswith(h) for i in taken))
    return [replace(row, id=f"{head}{number}") for number, row in enumerate(rows)]


def counted(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], f"and {more} more"] if more > 0 else list(lines)


def _with_options(row: Row) -> tuple[Row, tuple[str, ...]]:
    """The input with its options as one text, and the options."""
    if isinstance(row, str):
        return row, ()
    options = tuple(row[OPTIONS])
    return {**row, OPTIONS: listed(options)}, options


def _option_problems(given: object) -> list[str]:
    options = given.get(OPTIONS) if isinstance(given, Mapping) else None
    if options is None:
        return [f"{OPTIONS!r} is missing: a list of what may be answered"]
    if (
        isinstance(options, str)
        or not isinstance(options, Sequence)
        or not all(_is_text(o) and o.strip() for o in options)
    ):
        return [f"{OPTIONS!r} is no list of texts (got {options!r:.60})"]
    if len(set(options)) < max(2, len(options)):
        return [f"{OPTIONS!r} must be two different texts or more (got {options!r:.60})"]
    return []


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
