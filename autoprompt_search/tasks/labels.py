"""Raw label values to label names: what a file calls 1, true or "pos " is one name here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.tables import Table

LabelNames = Sequence[str] | Mapping[str | int | float | bool, str] | None
"""The `labels` option: names, or raw value -> name, or whatever the data hold."""

_MOST = 1000
"""More different labels than this are taken for a wrong column."""


class Labels:
    """The names in their order, and the way from raw values to them."""

    def __init__(self, option: LabelNames, column: str, tables: Iterable[Table] = ()) -> None:
        self.names: tuple[str, ...]
        if option is None:
            self.names = _found(column, list(tables))
            self._names = {spelling(name): name for name in self.names}
        elif isinstance(option, Mapping):
            self.names = tuple(dict.fromkeys(option.values()))
            self._names = {spelling(raw): name for raw, name in option.items()}
        else:
            self.names = tuple(option)
            self._names = {spelling(name): name for name in self.names}

    def name(self, value: object, classes: Sequence[str] = ()) -> str | None:
        """The label's name; None for a value that is none. `classes` name the class numbers of a data set."""
        direct = self._names.get(spelling(value))
        if direct is not None or not classes or not isinstance(value, int):
            return direct
        return self._names.get(spelling(classes[value])) if 0 <= value < len(classes) else None


def raw_values(option: LabelNames) -> dict[str, str]:
    """Raw value, as it is spelled here, -> label; empty where the option gives names alone."""
    if not isinstance(option, Mapping):
        return {}
    return {spelled: name for raw, name in option.items() if (spelled := spelling(raw)) is not None}


def names_of(labels: Sequence[str], raw: Mapping[str, str]) -> dict[str | int | float | bool, str]:
    """The `labels` option that takes the raw values of a search and its labels alike."""
    found: dict[str | int | float | bool, str] = {name: name for name in labels}
    found.update(raw)
    return found


def is_missing(value: object, classes: Sequence[str] = ()) -> bool:
    """Nothing, blank, not a number, or -1 where there are class numbers (how the hub hides test labels)."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip()) or (bool(classes) and value == -1)


def spelling(value: object) -> str | None:
    """One spelling for equal values, whether they come from CSV, JSON or YAML; None for lists and the like."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        text = value.strip()
        return text.lower() if text.lower() in ("true", "false") else text
    return None


def mistakes(option: LabelNames) -> list[str]:
    """What is wrong with the option itself, whatever the data."""
    if option is None:
        return []
    names = list(option.values()) if isinstance(option, Mapping) else list(option)
    found = [f"labels: {name!r} is blank" for name in names if not name.strip()]
    if len(set(names)) < 2:
        found.append(f"labels: a classification needs two labels or more (got {names})")
    if isinstance(option, Mapping):
        raw = [spelling(value) for value in option]
        found += [f"labels: the value {value!r} stands there twice" for value in _twice(raw)]
    else:
        found += [f"labels: {name!r} stands there twice" for name in _twice(names)]
    return found


def _twice(values: Sequence[str | None]) -> list[str | None]:
    return [value for value in dict.fromkeys(values) if values.count(value) > 1]


def _found(column: str, tables: Sequence[Table]) -> tuple[str, ...]:
    """Names of the data set's classes, or all values that occur, numbers by size and words by alphabet."""
    known = next((table.classes[column] for table in tables if column in table.classes), None)
    if known:
        return known
    values = (row.values.get(column) for table in tables for row in table.rows)
    found = {spelling(value) for value in values if not is_missing(value)} - {None}
    names = sorted((name for name in found if name is not None), key=_rank)
    if len(names) > _MOST:
        raise ConfigError(f"label: column {column!r} holds {len(names)} different values; is it the label?")
    if len(names) < 2:
        only = f"only the label {names[0]!r}" if names else "no label"
        origins = ", ".join(table.origin for table in tables)
        raise ConfigError(f"{origins}: column {column!r} holds {only}; a classification needs two or more")
    return tuple(names)


def _rank(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
