"""Rows as they come from any file, before columns and labels have a meaning."""

from __future__ import annotations

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


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Every column of some row, in order of first use."""
    return tuple(dict.fromkeys(name for row in rows for name in row.values))
