"""Rows of the user's files as an exported prompt reads them: as its search did, from columns of their own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoprompt_search.cli.rows import InputRow, own_column
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.reading import Reading
from autoprompt_search.exported import ExportedPrompt
from autoprompt_search.exported.rows import Row as Input
from autoprompt_search.tasks.examples import BadRowError, Columns, Pool, read_examples, texts_of
from autoprompt_search.tasks.labels import Labels, names_of
from autoprompt_search.tasks.options import FIELD as OPTIONS
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.rereading import rows_of
from autoprompt_search.tasks.sources import suggest
from autoprompt_search.tasks.tables import Row, Table, has_column


def named_fields(prompt: ExportedPrompt) -> tuple[str, ...]:
    """The fields for which a column may be named."""
    return tuple(dict.fromkeys((*prompt.fields, *([OPTIONS] if prompt.has_options else []))))


def labelled(
    prompt: ExportedPrompt, table: Table, columns: Mapping[str, str], label: str | None, problems: Problems
) -> Pool:
    """The rows with what is right on them.

    Args:
        prompt: The exported prompt.
        table: The rows.
        columns: Field -> column that the prompt reads.
        label: Column of the right answer where it is not that of the search.
        problems: Where mistakes go.
    """
    known = prompt.reading
    if prompt.labels:
        column = label or own_column(known.label, "label", table.columns)
        names = Labels(names_of(prompt.labels, known.labels), column)
        return read_examples(table, Columns(columns, column), names, problems, known.leave_out)
    unread = {field: column for field, column in known.columns.items() if has_column(table, column)}
    reading = _reading(known, {**unread, **columns})
    if label is not None:
        if not has_column(table, label):
            raise ConfigError(f"--label: no column {label!r}{suggest(label, table.columns)}")
        reading = replace(reading, label=label, further=())
    return rows_of(replace(reading, max_chars=None)).pool(table, problems)


def input_of(prompt: ExportedPrompt, row: InputRow, columns: Mapping[str, str]) -> Input:
    """The fields of one row, with its options where it has some; `ConfigError` names the row and what it lacks."""
    if isinstance(row.values, str):
        if len(columns) != 1:
            raise ConfigError(f"{row.where}: is one text, and the prompt has the fields {', '.join(columns)}")
        return row.values
    record = Row(0, row.where, row.values)
    try:
        if not prompt.reading.task:
            return texts_of(record, columns)
        rows = rows_of(_reading(prompt.reading, columns))
        texts = (rows.queries or rows.texts)(record)
        return {**texts, OPTIONS: rows.options(record)} if rows.options else texts
    except BadRowError as exc:
        raise ConfigError(f"{row.where}: {exc}") from exc


def _reading(known: Reading, columns: Mapping[str, str]) -> Reading:
    """The reading of a file whose columns have these names; fields that share a column of the search share the new."""
    moved = {known.columns[field]: column for field, column in columns.items() if field in known.columns}
    further = {f: moved[c] for f, c in known.columns.items() if c in moved and known.task == "dialogue"}
    options = known.options
    if OPTIONS in columns and options and columns[OPTIONS] != options[0]:
        options = (columns[OPTIONS],)
    label = moved.get(known.label, known.label) if known.task == "dialogue" else known.label
    return replace(known, columns={**further, **columns}, label=label, options=options)
