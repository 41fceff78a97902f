"""Free text from the user's files or a data set: translation, summaries, and whatever has a text for an answer."""

from __future__ import annotations

from typing import Unpack

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.tasks.dataset import columns_of, fields_of
from autoprompt_search.tasks.examples import texts_of
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task

METRIC = "chrf"
"""The default: it needs no tokenizer, so it holds for any language, is above 0 for partly right short texts, where
BLEU is 0 and prompts look alike, and is one score of a whole corpus with sums to race by."""


def generation(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] = "text",
    target: str | list[str] = "target",
    *,
    metric: WrittenMetric = METRIC,
    **options: Unpack[TableOptions],
) -> Task:
    """Texts with reference texts, in three disjoint parts.

    Args:
        data: A .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder with files named after splits or
            written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; the fields of templates.
        target: Column of the reference, which may hold a list of them; or several columns. Demonstrations show the
            first reference, and an answer may match any of them.
        metric: The metric that trials are ranked by: its name, or `{type: bleu, tokenize: zh}` for one with options.
        options: See `TableOptions`.
    """
    first, further = columns_of(target)
    reading = Reading(fields_of(text), first, task="generation", further=further)
    return table_task(data, reading, rows, AnswerForm("text"), metric, options)


def rows(reading: Reading) -> RowFormat:
    """Texts beside their references."""
    columns = (reading.label, *reading.further)
    return RowFormat(reading, texts=lambda row: texts_of(row, reading.columns), gold=lambda row: gold_of(row, columns))
