"""The options by which every task finds its data and names its fields; knows no answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from autoprompt_search.core.registry import unknown
from autoprompt_search.core.types import SPLITS
from autoprompt_search.prompting.slots import SlotError, data_fields
from autoprompt_search.tasks.decoding import mistake_in
from autoprompt_search.tasks.examples import Pool, check_columns
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import GUESSED, Format
from autoprompt_search.tasks.sources import BUILTIN, REVIEWS, read_tables, review_tables
from autoprompt_search.tasks.tables import Table


class Dataset:
    """The tables of a task.

    Args:
        data: The option `data`.
        sizes: The option `splits`: wanted number per split.
        wanted: What the user says of the files.
    """

    def __init__(self, data: str | Mapping[str, str], sizes: Mapping[str, int], wanted: Format = GUESSED) -> None:
        self._data, self._sizes, self._format = data, sizes, wanted
        self._tables: dict[str, Table] = {}

    @property
    def is_drawn(self) -> bool:
        """Whether the rows are drawn anew for every seed."""
        return self._data == REVIEWS

    def mistakes(self) -> list[str]:
        """What is wrong with the options, whatever the data hold."""
        return [*_data_mistakes(self._data), *_size_mistakes(self._sizes), *format_mistakes(self._format)]

    def tables(self, seed: int, columns: Sequence[str]) -> Mapping[str, Table]:
        """Split -> table with these columns at least. Files are read once; reviews are drawn for each seed."""
        if self._tables:
            return self._tables
        problems = Problems()
        tables = (
            review_tables(seed, self._sizes)
            if self.is_drawn
            else read_tables(self._data, columns, problems, self._format)
        )
        for table in tables.values():
            check_columns(table, columns, problems)
        problems.check()
        self._tables = {} if self.is_drawn else tables
        return tables


def fields_of(text: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Field -> column, of the option `text`."""
    if isinstance(text, str):
        return {text: text}
    return dict(text) if isinstance(text, Mapping) else {name: name for name in text}


def columns_of(target: str | Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The first column of right answers and the further ones, of the option `target`; the first is "" if none is."""
    first, *further = [target] if isinstance(target, str) else (list(target) or [""])
    return first, tuple(further)


def field_mistakes(fields: Mapping[str, str]) -> list[str]:
    """What is wrong with the option `text`: a field must be a slot that a template can name."""
    if not fields:
        return ["text: names no column"]
    return [
        f"text: no template could name the field {field!r}; map a plain name to it: {{body: {field!r}}}"
        for field in fields
        if not _is_slot(field)
    ]


def length_mistakes(max_chars: int | None) -> list[str]:
    """What is wrong with the option `max_chars`."""
    return [] if max_chars is None or max_chars >= 1 else [f"max_chars: must be 1 or more (got {max_chars})"]


def reason_mistakes(leave_out: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """What is wrong with the option `leave_out`."""
    return [f"leave_out: {unknown('reason', reason, reasons)}" for reason in leave_out if reason not in reasons]


def reading_notes(pools: Iterable[Pool], max_chars: int | None, left_out: Mapping[str, str]) -> list[str]:
    """What a reader of the report must know about how rows were read.

    Args:
        pools: The examples.
        max_chars: Longest text of a field.
        left_out: Reason -> which rows are left out for it, in words.
    """
    pools = list(pools)
    notes = [f"{pool.cut} texts of {pool.origin} were cut to {max_chars} characters" for pool in pools if pool.cut]
    return notes + [
        f"{number} {'row' if number == 1 else 'rows'} of {pool.origin} left out: {left_out[reason]}"
        for pool in pools
        for reason, number in sorted(pool.left_out.items())
    ]


def _is_slot(field: str) -> bool:
    try:
        return data_fields("{" + field + "}") == (field,)
    except SlotError:
        return False


def _size_mistakes(sizes: Mapping[str, int]) -> list[str]:
    mistakes = [f"splits.{name}: {unknown('split', name, SPLITS)}" for name in sizes if name not in SPLITS]
    return mistakes + [f"splits.{name}: must be 1 or more (got {size})" for name, size in sizes.items() if size < 1]


def _data_mistakes(data: str | Mapping[str, str]) -> list[str]:
    if isinstance(data, str):
        mistakes = (
            [f"data: {unknown('data set', data, [REVIEWS])}"] if data.startswith(BUILTIN) and data != REVIEWS else []
        )
        return mistakes if data.strip() else [*mistakes, "data: is blank"]
    mistakes = [f"data.{name}: {unknown('split', name, SPLITS)}" for name in data if name not in SPLITS]
    return mistakes if "train" in data else [*mistakes, "data.train: is required"]


def format_mistakes(wanted: Format) -> list[str]:
    """What is wrong with the options `encoding` and `delimiter`."""
    mistakes = [mistake_in(wanted.encoding)] if wanted.encoding is not None else []
    if wanted.delimiter is not None and (len(wanted.delimiter) != 1 or wanted.delimiter in '\r\n"'):
        mistakes.append(f"delimiter: must be one character, such as ';' or a tab (got {wanted.delimiter!r})")
    return [problem for problem in mistakes if problem]
