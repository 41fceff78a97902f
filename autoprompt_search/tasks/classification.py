"""Text classification from the user's files, a data set or the built-in reviews; knows no prompt and no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.registry import unknown
from autoprompt_search.core.types import SPLITS, Splits
from autoprompt_search.prompting.slots import SlotError, data_fields
from autoprompt_search.tasks.decoding import mistake_in
from autoprompt_search.tasks.examples import REASONS, Columns, check_columns, is_unlabelled, read_examples
from autoprompt_search.tasks.labels import Labels, doubts, mistakes, raw_values
from autoprompt_search.tasks.parts import make_splits
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import Format
from autoprompt_search.tasks.sources import BUILTIN, REVIEWS, REVIEWS_LABELS, read_tables, review_tables
from autoprompt_search.tasks.tables import Table


class ClassificationTask:
    """Labelled texts in three disjoint parts.

    Args:
        data: `builtin:reviews`; a .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder
            with files named after splits or written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; the fields of templates.
        label: Column of the gold label.
        labels: Names in order, or raw value -> name; None takes what the data hold.
        metric: Name of the metric that trials are ranked by.
        splits: Wanted number per split. Without: all of a split that the data give; of what is split
            here, a quarter each for train and dev and half for test.
        max_chars: Longest text of a field; longer ones are cut where a word ends.
        leave_out: Rows that are left out and counted instead of refused: `missing`, without a label; `unknown`, with
            one that is not among `labels`.
        encoding: Of text files, such as `windows-1252`; None guesses and says what.
        delimiter: Between the columns of .csv and .tsv files; None guesses and says what.
    """

    def __init__(
        self,
        data: str | dict[str, str],
        text: str | list[str] | dict[str, str] = "text",
        label: str = "label",
        *,
        labels: list[str] | dict[str | int | float | bool, str] | None = None,
        metric: str = "accuracy",
        splits: dict[str, int] | None = None,
        max_chars: int | None = None,
        leave_out: list[str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> None:
        self._data = data
        self._columns = Columns(_fields(text), label, max_chars)
        self._option = labels
        self._metric = metric
        self._sizes = dict(splits or {})
        self._leave_out = tuple(leave_out or ())
        self._format = Format(encoding, delimiter)
        self._tables: dict[str, Table] = {}
        problems = [
            *_option_mistakes(data, self._columns, self._sizes),
            *mistakes(labels),
            *_format_mistakes(self._format),
        ]
        problems += [
            f"leave_out: {unknown('reason', reason, REASONS)}" for reason in self._leave_out if reason not in REASONS
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def labels(self) -> tuple[str, ...]:
        """All label names; reads the data where `labels` was not given."""
        if self._option is None and self._data == REVIEWS:
            return REVIEWS_LABELS
        return self._labels({} if self._option else self._read(seed=0)).names

    @property
    def answers(self) -> AnswerForm:
        """One of `labels`."""
        return AnswerForm("label", self.labels)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names given by `text`."""
        return tuple(self._columns.fields)

    @property
    def metric(self) -> str:
        """As given."""
        return self._metric

    @property
    def reading(self) -> Reading:
        """As the options say."""
        columns = self._columns
        return Reading(
            dict(columns.fields), columns.label, raw_values(self._option), columns.max_chars, self._leave_out
        )

    def load(self, seed: int) -> Splits:
        """Read, check, split and order the data; all mistakes found in a step come as one `ConfigError`."""
        tables = self._read(seed)
        labels = self._labels(tables)
        hidden = [name for name, table in tables.items() if is_unlabelled(table, self._columns.label)]
        notes = [note for table in tables.values() for note in table.notes]
        notes += doubts(self._columns.label, list(tables.values())) if self._option is None else []
        notes += [f"{tables[name].origin} hides its labels and was left out" for name in hidden if name != "train"]
        problems = Problems()
        pools = {
            name: read_examples(table, self._columns, labels, problems, self._leave_out)
            for name, table in tables.items()
            if name == "train" or name not in hidden
        }
        problems.check()
        notes += [
            f"{pool.cut} texts of {pool.origin} were cut to {self._columns.max_chars} characters"
            for pool in pools.values()
            if pool.cut
        ]
        notes += [
            f"{number} {'row' if number == 1 else 'rows'} of {pool.origin} left out: {_LEFT_OUT[reason]}"
            for pool in pools.values()
            for reason, number in sorted(pool.left_out.items())
        ]
        splits = make_splits(pools, labels.names, self._sizes, seed)
        return replace(splits, notes=(*notes, *splits.notes))

    def _read(self, seed: int) -> Mapping[str, Table]:
        """The tables, with all columns. Files are read once; reviews are drawn for each seed."""
        if self._tables:
            return self._tables
        problems = Problems()
        columns = [*self._columns.fields.values(), self._columns.label]
        is_drawn = self._data == REVIEWS
        tables = (
            review_tables(seed, self._sizes) if is_drawn else read_tables(self._data, columns, problems, self._format)
        )
        for table in tables.values():
            check_columns(table, self._columns, problems)
        problems.check()
        self._tables = {} if is_drawn else tables
        return tables

    def _labels(self, tables: Mapping[str, Table]) -> Labels:
        return Labels(self._option, self._columns.label, tables.values())


_LEFT_OUT = {"missing": "without a label", "unknown": "with a label that is not among `labels`"}


def _format_mistakes(wanted: Format) -> list[str]:
    found = [mistake_in(wanted.encoding)] if wanted.encoding is not None else []
    if wanted.delimiter is not None and (len(wanted.delimiter) != 1 or wanted.delimiter in '\r\n"'):
        found.append(f"delimiter: must be one character, such as ';' or a tab (got {wanted.delimiter!r})")
    return [problem for problem in found if problem]


def _fields(text: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Field -> column."""
    if isinstance(text, str):
        return {text: text}
    return dict(text) if isinstance(text, Mapping) else {name: name for name in text}


def _option_mistakes(data: str | Mapping[str, str], columns: Columns, sizes: Mapping[str, int]) -> list[str]:
    found = [f"splits.{name}: {unknown('split', name, SPLITS)}" for name in sizes if name not in SPLITS]
    found += [f"splits.{name}: must be 1 or more (got {size})" for name, size in sizes.items() if size < 1]
    if not columns.fields:
        found.append("text: names no column")
    found += [f"text: {column!r} is the label" for column in columns.fields.values() if column == columns.label]
    found += [problem for field in columns.fields for problem in _field_mistakes(field)]
    if columns.max_chars is not None and columns.max_chars < 1:
        found.append(f"max_chars: must be 1 or more (got {columns.max_chars})")
    if isinstance(data, str):
        if data.startswith(BUILTIN) and data != REVIEWS:
            found.append(f"data: {unknown('data set', data, [REVIEWS])}")
        if not data.strip():
            found.append("data: is blank")
        return found
    found += [f"data.{name}: {unknown('split', name, SPLITS)}" for name in data if name not in SPLITS]
    return found if "train" in data else [*found, "data.train: is required"]


def _field_mistakes(field: str) -> list[str]:
    """A field must be a slot that a template can name."""
    try:
        if data_fields("{" + field + "}") == (field,):
            return []
    except SlotError:
        pass
    return [f"text: no template could name the field {field!r}; map a plain name to it: {{body: {field!r}}}"]
