"""Rows to examples: columns become fields, raw labels become names, and every bad row is named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_search.core.answers import joined
from autoprompt_search.core.programs import Tests
from autoprompt_search.core.registry import unknown
from autoprompt_search.core.types import Example
from autoprompt_search.tasks.labels import Labels, is_missing, parts_of, spelling
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.sources import suggest
from autoprompt_search.tasks.tables import Row, Table, has_column, value_of


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row keeps what an example needs."""

    fields: Mapping[str, str]
    """Field -> column."""
    label: str
    max_chars: int | None = None
    """Longest text of a field; None for any length."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a row says about the right answer."""

    target: str
    alternatives: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    tests: Tests | None = None


Texts = Callable[[Row], Mapping[str, str]]
"""Field -> text of a row; `BadRowError` says what is wrong with it."""
ReadGold = Callable[[Row], Gold]
"""The right answer of a row; `BadRowError` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The examples of one table."""

    origin: str
    """What the user calls the table."""
    examples: Sequence[Example] = field(repr=False)
    places: Mapping[str, str] = field(repr=False)
    """Example id -> `file:line`."""
    is_editable: bool
    """Whether the user can mend the data."""
    rows: int = 0
    """How many examples were read, whatever has been left out since."""
    cut: int = 0
    """How many of them had a text longer than `max_chars`."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason in `REASONS` -> rows left out for it."""


REASONS = ("missing", "unknown")
"""For which a row may be left out: it has no label, or one that is none of those wanted."""


class BadRowError(Exception):
    """This row is no example: what is wrong, the kind of mistake, and the reason for which it may be left out."""

    def __init__(self, what: str, kind: str = "", reason: str = "") -> None:
        super().__init__(what)
        self.kind, self.reason = kind, reason


def check_columns(table: Table, columns: Sequence[str], problems: Problems) -> bool:
    """Whether the table has all columns; each missing one is a problem that names the nearest."""
    missing = [name for name in columns if not has_column(table, name)]
    for name in dict.fromkeys(missing):
        problems.add(
            table.rows[0].where if table.rows else table.origin, f"no column {name!r}{suggest(name, table.columns)}"
        )
    return not missing


def read_examples(
    table: Table,
    columns: Columns,
    labels: Labels,
    problems: Problems,
    leave_out: Sequence[str] = (),
    *,
    are_several: bool = False,
) -> Pool:
    """Every good row as a labelled example; every bad one as a problem, unless it is left out for such a reason.

    Where a row may have several labels, its target is all of them as one text.
    """
    classes = table.classes.get(columns.label, ())
    read = _several if are_several else _label
    return read_rows(
        table,
        lambda row: texts_of(row, columns.fields),
        lambda row: Gold(read(row, columns.label, labels, classes)),
        problems,
        leave_out=leave_out,
        max_chars=columns.max_chars,
    )


def read_rows(
    table: Table,
    texts_in: Texts,
    gold_in: ReadGold,
    problems: Problems,
    *,
    leave_out: Sequence[str] = (),
    max_chars: int | None = None,
    whole: Sequence[str] = (),
) -> Pool:
    """Every good row as an example; every bad one as a problem, unless it is left out for one of these reasons.

    Args:
        table: The rows.
        texts_in: The texts of a row.
        gold_in: The right answer of a row.
        problems: Where mistakes go.
        leave_out: Some of `REASONS`.
        max_chars: Longest text of a field.
        whole: Fields that are never cut.
    """
    left: Counter[str] = Counter()
    examples: list[Example] = []
    places: dict[str, str] = {}
    cut = 0
    for row in table.rows:
        try:
            texts = texts_in(row)
            gold = gold_in(row)
        except BadRowError as exc:
            if exc.reason in leave_out:
                left[exc.reason] += 1
                continue
            problems.add(row.where, str(exc), kind=exc.kind)
            continue
        inputs = {name: text if name in whole else shorten(text, max_chars) for name, text in texts.items()}
        cut += inputs != texts
        identity = f"{table.name}:{row.number}"
        examples.append(Example(identity, inputs, gold.target, gold.alternatives, gold.options, gold.tests))
        places[examples[-1].id] = row.where
    return Pool(table.origin, examples, places, table.is_editable, len(examples), cut, left)


def is_unlabelled(table: Table, label: str) -> bool:
    """Whether a published split hides all its labels, as the test splits of benchmarks do."""
    classes = table.classes.get(label, ())
    return not table.is_editable and all(is_missing(row.values.get(label), classes) for row in table.rows)


def shorten(text: str, limit: int | None) -> str:
    """At most `limit` characters, cut where a word ends if the first word allows it."""
    if limit is None or len(text) <= limit:
        return text
    head = text[:limit]
    if not text[limit].isspace() and len(words := head.rsplit(maxsplit=1)) > 1 and not head[-1].isspace():
        head = words[0]
    return head.rstrip()


def texts_of(row: Row, fields: Mapping[str, str]) -> dict[str, str]:
    """Field -> text of one row; `BadRowError` says what is wrong with it."""
    texts = {name: text_of(row, column) for name, column in fields.items()}
    if not any(text.strip() for text in texts.values()):
        raise BadRowError(f"empty text in {', '.join(map(repr, fields.values()))}", "empty text")
    return texts


def raw_value(row: Row, column: str) -> object:
    """What a row holds in a column; `BadRowError` where it has none."""
    try:
        return value_of(row.values, column)
    except KeyError:
        kind = f"no column {column!r}"
        raise BadRowError(f"{kind}{suggest(column, list(row.values))}", kind) from None


def text_of(row: Row, column: str) -> str:
    """The text in a column, empty where nothing is written; `BadRowError` says what is no text."""
    return as_text(raw_value(row, column), column)


def as_text(value: object, column: str) -> str:
    """A value of a column as text; `BadRowError` says what is no text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if is_image(value):
        kind = f"{column!r} is an image"
        raise BadRowError(f"{kind}, and images as input come later: name a column of text", kind)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        kind = f"{column!r} is no text"
        raise BadRowError(f"{kind} but a {type(value).__name__}", kind)
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        kind = f"{column!r} holds half a character"
        raise BadRowError(f"{kind} (a lone surrogate at {exc.start})", kind) from exc
    return text


def _several(row: Row, column: str, labels: Labels, classes: tuple[str, ...]) -> str:
    names = {_named(part, column, labels, classes) for part in parts_of(raw_value(row, column))}
    return joined(name for name in labels.names if name in names)


def is_image(value: object) -> bool:
    """Whether a cell holds an image: one of Pillow, or bytes and path as data sets keep them."""
    if isinstance(value, Mapping):
        return set(value) == {"bytes", "path"}
    return type(value).__module__.startswith("PIL.")


def _label(row: Row, column: str, labels: Labels, classes: tuple[str, ...]) -> str:
    value = raw_value(row, column)
    if is_missing(value, classes):
        what = f"no label in {column!r}"
        raise BadRowError(f"{what}; `leave_out: [missing]` leaves such rows out", what, "missing")
    return _named(value, column, labels, classes)


def _named(value: object, column: str, labels: Labels, classes: tuple[str, ...]) -> str:
    name = labels.name(value, classes)
    if name is not None:
        return name
    if spelling(value) is None:
        kind = f"label {column!r} is neither word nor number"
        raise BadRowError(f"{kind} but a {type(value).__name__}", kind)
    what = unknown("label", str(value).strip(), labels.known)
    hint = "; name the values: `labels: {0: ..., 1: ...}`" if isinstance(value, int) and not classes else ""
    raise BadRowError(what + hint, "unknown label", "unknown")
