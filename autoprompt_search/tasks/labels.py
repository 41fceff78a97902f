"""Raw label values to label names: what a file calls 1, true or "pos " is one name here."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.tables import Table, value_of

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

    @property
    def known(self) -> tuple[str, ...]:
        """The values that a table may hold, as they are spelled."""
        return tuple(name for name in self._names if name is not None)

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
    names: dict[str | int | float | bool, str] = {name: name for name in labels}
    names.update(raw)
    return names


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
        text = unicodedata.normalize("NFC", " ".join(value.split()))
        if re.fullmatch(r"-?\d+\.0+", text):
            return text.partition(".")[0]
        return text.lower() if text.lower() in ("true", "false") else text
    return None


def parts_of(value: object) -> list[object]:
    """The labels in a cell that may hold several: a list, or a text with `,`, `;` or `|` between them."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        return [part for part in re.split(r"[,;|]", value) if part.strip()]
    return [] if is_missing(value) else [value]


def several_names(column: str, tables: Iterable[Table]) -> list[str]:
    """All labels that occur in cells that may hold several, numbers by size and words by alphabet."""
    cells = _values(tables, column)
    return sorted({name for cell in cells for part in parts_of(cell) if (name := spelling(part))}, key=_rank)


def mistakes(option: LabelNames) -> list[str]:
    """What is wrong with the option itself, whatever the data."""
    if option is None:
        return []
    names = list(option.values()) if isinstance(option, Mapping) else list(option)
    problems = [f"labels: {name!r} is blank" for name in names if not name.strip()]
    if len(set(names)) < 2:
        problems.append(f"labels: a classification needs two labels or more (got {names})")
    if isinstance(option, Mapping):
        raw = [spelling(value) for value in option]
        problems += [f"labels: the value {value!r} stands there twice" for value in _twice(raw)]
    else:
        problems += [f"labels: {name!r} stands there twice" for name in _twice(names)]
    return problems


def _twice(values: Sequence[str | None]) -> list[str | None]:
    return [value for value in dict.fromkeys(values) if values.count(value) > 1]


def _found(column: str, tables: Sequence[Table]) -> tuple[str, ...]:
    """Names of the data set's classes, or all values that occur, numbers by size and words by alphabet."""
    known = next((table.classes[column] for table in tables if column in table.classes), None)
    if known:
        return known
    values = list(_values(tables, column))
    spellings = {spelling(value) for value in values if not is_missing(value)} - {None}
    names = sorted((name for name in spellings if name is not None), key=_rank)
    if len(names) > _MOST:
        raise ConfigError(f"label: column {column!r} holds {len(names)} different values; is it the label?")
    if len(names) < 2:
        only = f"only the label {names[0]!r}" if names else "no label"
        origins = ", ".join(table.origin for table in tables)
        raise ConfigError(f"{origins}: column {column!r} holds {only}; a classification needs two or more")
    return tuple(names)


def doubts(column: str, tables: Sequence[Table]) -> list[str]:
    """What is odd about the labels that the data hold, one sentence each: a search goes on all the same."""
    raw = {value for value in _values(tables, column) if isinstance(value, str) and value.strip()}
    spellings = sorted({name for value in raw if (name := spelling(value)) is not None})
    bare = {" ".join(value.split()) for value in raw}
    forms = len({unicodedata.normalize("NFC", value) for value in bare}) < len(bare)
    notes = [f"some labels in {column!r} differ in their Unicode form only: they are read as one"] if forms else []
    folded: dict[str, list[str]] = {}
    for name in spellings:
        folded.setdefault(name.casefold(), []).append(name)
    notes += [
        f"the labels {' and '.join(map(repr, alike))} differ in case only and are searched as two; to make them one "
        f"write `labels: {{{', '.join(f'{name}: {alike[0]}' for name in alike)}, ...}}`"
        for alike in folded.values()
        if len(alike) > 1
    ]
    notes += [
        f"{name!r} is searched as a label; if it says that there is none, name the labels (`labels: [...]`) and write "
        "`leave_out: [unknown]`"
        for name in spellings
        if name.casefold() in _NOTHING
    ]
    return notes


_NOTHING = {"nan", "null", "none", "n/a", "na", "<na>", "#n/a", "nil"}
"""Words by which spreadsheets and programs say that nothing is there."""


def _values(tables: Iterable[Table], column: str) -> Iterator[object]:
    for table in tables:
        for row in table.rows:
            try:
                yield value_of(row.values, column)
            except KeyError:
                yield None


def _rank(name: str) -> tuple[int, float, str]:
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    return (0, number, name) if math.isfinite(number) else (1, 0.0, name)
