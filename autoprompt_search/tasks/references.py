"""Cells that hold one right answer or several: a text, a list of texts, or SQuAD's `{"text": [...]}`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autoprompt_search.tasks.examples import BadRowError, Gold, as_text, raw_value
from autoprompt_search.tasks.tables import Row


def gold_of(row: Row, columns: Sequence[str], no_answer: str | None = None) -> Gold:
    """The references in these columns; the first one is what demonstrations show.

    Args:
        row: The row.
        columns: The first one must hold a reference, the others may be empty.
        no_answer: What the right answer is where the first column holds none; None: such a row is bad.
    """
    first, *others = [texts_in(raw_value(row, column), column) for column in columns]
    if not first:
        if no_answer is None:
            what = f"empty reference in {columns[0]!r}"
            raise BadRowError(f"{what}; `leave_out: [missing]` leaves such rows out", what, "missing")
        first = [no_answer]
    target, *alternatives = dict.fromkeys([*first, *(text for texts in others for text in texts)])
    return Gold(target, tuple(alternatives))


def texts_in(value: object, column: str) -> list[str]:
    """The texts in one cell, without blanks around them; none where nothing is written."""
    if isinstance(value, Mapping):
        value = _inner(value, column)
    if isinstance(value, (list, tuple)):
        texts = [_one(item, column, number) for number, item in enumerate(value, 1)]
        for number, text in enumerate(texts, 1):
            if not text:
                raise BadRowError(f"empty reference in {column!r}: number {number} of {len(texts)}", _empty(column))
        return texts
    text = _one(value, column)
    return [text] if text else []


def _one(value: object, column: str, number: int = 0) -> str:
    where = f"{column!r}, number {number}," if number else repr(column)
    if isinstance(value, Mapping):
        value = _inner(value, column)
    if isinstance(value, float) and value.is_integer() and math.isfinite(value):
        value = int(value)  # a table writes 42.0 for 42 where another row of the column is empty
    if isinstance(value, (Mapping, list, tuple)):
        raise BadRowError(f"{where} is no text but a {type(value).__name__}", f"{column!r} is no text")
    return as_text(value, column).strip()


def _inner(value: Mapping[object, object], column: str) -> object:
    if "text" not in value:
        kind = f"{column!r} is no text"
        raise BadRowError(f"{kind} but an object without `text` ({', '.join(map(str, value)) or 'empty'})", kind)
    return value["text"]


def _empty(column: str) -> str:
    return f"empty reference in {column!r}"
