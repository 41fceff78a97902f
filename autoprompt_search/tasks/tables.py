"""Rows as they come from any file, before columns and labels have a meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a file, and where it stands there."""

    number: int
    """Line of a text file, else the row counted from 1; unique in its table."""
    where: str
    """For people: `reviews.csv:12`."""
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of one file or of one split of a data set."""

    name: str
    """First part of its examples' ids."""
    origin: str
    """What the user calls it: a path, or data set and split."""
    rows: Sequence[Row] = field(repr=False)
    columns: tuple[str, ...]
    """Every column that occurs in some row."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column of class numbers -> names of the classes, where the data set knows them."""
    is_editable: bool = True
    """False for published data sets, which a user cannot mend."""
    notes: tuple[str, ...] = ()
    """What was guessed in reading it."""


def value_of(values: Mapping[str, object], column: str) -> object:
    """What stands in a column, or at a path such as `meta.title` in one; `KeyError` where there is nothing."""
    if column in values or "." not in column:
        return values[column]
    for end in (match.start() for match in re.finditer(r"\.", column)):
        inner = values.get(column[:end])
        if isinstance(inner, Mapping):
            return value_of(inner, column[end + 1 :])
    raise KeyError(column)


def has_column(table: Table, column: str) -> bool:
    """Whether some row has this column, or something at this path."""
    return column in table.columns or any(_is_at(row.values, column) for row in table.rows[:100])


def _is_at(values: Mapping[str, object], column: str) -> bool:
    try:
        value_of(values, column)
    except KeyError:
        return False
    return True


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Every column of some row, in order of first use."""
    return tuple(dict.fromkeys(name for row in rows for name in row.values))
