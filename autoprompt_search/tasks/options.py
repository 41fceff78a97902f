"""The options of a row, and which of them is the right one."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.examples import BadRowError, Gold, ReadGold, raw_value
from autoprompt_search.tasks.labels import is_missing, spelling
from autoprompt_search.tasks.references import texts_in
from autoprompt_search.tasks.tables import Row, Table

FIELD = "options"
"""The field under which templates show all options."""
LETTERS = string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Options:
    """What may be answered to one row."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    """What the data call each of them: A, B, ... where they say nothing."""
    are_named: bool = False
    """Whether the data say it."""


def options_of(row: Row, columns: Sequence[str]) -> Options:
    """The options of a row; `BadRowError` where there are fewer than two, or two are the same."""
    values = [raw_value(row, column) for column in columns]
    if len(columns) == 1:
        texts, labels = texts_in(values[0], columns[0]), _labels(values[0])
    else:
        # Rows may have fewer options than there are columns.
        texts = [text for value, column in zip(values, columns, strict=True) for text in texts_in(value, column)]
        labels = ()
    where = ", ".join(map(repr, columns))
    if len(texts) < 2:
        raise BadRowError(
            f"{where}: {len(texts)} option; a choice needs two or more", f"fewer than two options in {where}"
        )
    if len(texts) > len(LETTERS):
        kind = f"more than {len(LETTERS)} options in {where}"
        raise BadRowError(f"{where}: {len(texts)} options; {len(LETTERS)} are the most", kind)
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise BadRowError(f"{where}: the option {twice!r} stands there twice", f"an option twice in {where}")
    are_named = len(labels) == len(texts)
    return Options(tuple(texts), labels if are_named else tuple(LETTERS[: len(texts)]), are_named)


def listed(texts: Sequence[str]) -> str:
    """All options as a prompt shows them, each behind its letter."""
    return "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=False))


def gold_reader(columns: Sequence[str], target: str, kind: str) -> ReadGold:
    """The reader of right options, named in the way `kind`; as texts where the data have yet to decide."""
    index_of = _PLACES.get(kind, _text)

    def read(row: Row) -> Gold:
        options, value = options_of(row, columns), raw_value(row, target)
        if is_missing(value) or value == -1:
            what = f"no right option in {target!r}"
            raise BadRowError(f"{what}; `leave_out: [missing]` leaves such rows out", what, "missing")
        index = index_of(value, options)
        if index is None:
            shown = "; ".join(f"{label}: {text}" for label, text in zip(options.labels, options.texts, strict=True))
            raise BadRowError(f"{target!r} is none of the options (got {value!r}): {shown}", "no right option")
        return Gold(options.texts[index], (), options.texts)

    return read


def kind_of_gold(tables: Sequence[Table], columns: Sequence[str], target: str) -> str:
    """The way of naming options that fits most rows; `ConfigError` where two fit as many and mean different ones."""
    places: dict[str, list[int | None]] = {kind: [] for kind in _PLACES}
    are_named = True
    for row in (row for table in tables for row in table.rows):
        try:
            options, value = options_of(row, columns), raw_value(row, target)
        except BadRowError:
            continue  # named when rows are read
        if not (is_missing(value) or value == -1):
            are_named = are_named and options.are_named
            for kind, index_of in _PLACES.items():
                places[kind].append(index_of(value, options))
    fits = {kind: sum(index is not None for index in all_) for kind, all_ in places.items()}
    most = max(fits.values())
    best = [kind for kind, number in fits.items() if number == most]
    if are_named and "letter" in best:
        return "letter"
    if most and any(places[kind] != places[best[0]] for kind in best[1:]):
        raise ConfigError(
            f"gold: {target!r} can be read as {' and as '.join(best)}, which are different options: say which one "
            f"(`gold: {best[0]}`)"
        )
    return best[0]


def _index(value: object, options: Options) -> int | None:
    return _counted(value, options, start=0)


def _number(value: object, options: Options) -> int | None:
    return _counted(value, options, start=1)


def _counted(value: object, options: Options, *, start: int) -> int | None:
    spelled = None if isinstance(value, bool) else spelling(value)
    if spelled is None or not (spelled.isascii() and spelled.isdigit()):
        return None
    index = int(spelled) - start
    return index if 0 <= index < len(options.texts) else None


def _letter(value: object, options: Options) -> int | None:
    """The option that a label names; a label need be no letter."""
    spelled = (spelling(value) or "").strip("().: ")
    if not spelled:
        return None
    labels = [label.casefold() for label in options.labels]
    return labels.index(spelled.casefold()) if labels.count(spelled.casefold()) == 1 else None


def _text(value: object, options: Options) -> int | None:
    spelled = spelling(value)
    known = [spelling(text) for text in options.texts]
    return known.index(spelled) if spelled is not None and known.count(spelled) == 1 else None


_PLACES: Mapping[str, Callable[[object, Options], int | None]] = {
    "text": _text,
    "letter": _letter,
    "index": _index,
    "number": _number,
}
"""Way of naming an option -> its place."""


def _labels(value: object) -> tuple[str, ...]:
    """The options' own labels, of `{"text": [...], "label": [...]}`, or of a list of `{"text": ..., "label": ...}`."""
    if isinstance(value, Mapping):
        own = value.get("label")
    elif isinstance(value, (list, tuple)):
        own = [item.get("label") if isinstance(item, Mapping) else None for item in value]
    else:
        return ()
    spelled = [spelling(label) for label in own] if isinstance(own, (list, tuple)) else []
    return tuple(label for label in spelled if label is not None)
