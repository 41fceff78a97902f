"""Rows of a labelled file as examples for an exported prompt, as its search read them."""

from __future__ import annotations

from autoprompt_search.exported import ExportedPrompt
from autoprompt_search.tasks.examples import (
    Columns,
    Pool,
    read_examples,
    read_rows,
    texts_of,
)
from autoprompt_search.tasks.labels import Labels, names_of
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.tables import Table


def labelled(prompt: ExportedPrompt, table: Table, columns: Columns, problems: Problems) -> Pool:
    """The rows with what is right on them: a label, or, where answers are text, one reference or a list of them."""
    known = prompt.reading
    if prompt.labels:
        labels = Labels(names_of(prompt.labels, known.labels), columns.label)
        return read_examples(table, columns, labels, problems, known.leave_out)
    return read_rows(
        table,
        lambda row: texts_of(row, columns.fields),
        lambda row: gold_of(row, [columns.label]),
        problems,
        leave_out=known.leave_out,
    )
