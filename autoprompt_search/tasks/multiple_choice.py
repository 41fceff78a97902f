"""Questions whose examples bring their own options, one of them right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example
from autoprompt_search.tasks.dataset import fields_of
from autoprompt_search.tasks.examples import texts_of
from autoprompt_search.tasks.options import FIELD, gold_reader, kind_of_gold, listed, options_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task
from autoprompt_search.tasks.tables import Row, Table

_AUTO = "auto"


def multiple_choice(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] = "question",
    options: str | list[str] = "options",
    target: str = "answer",
    *,
    gold: Literal["auto", "index", "number", "letter", "text"] = "auto",
    metric: WrittenMetric = "accuracy",
    **further: Unpack[TableOptions],
) -> Task:
    """Questions with options, in three disjoint parts. Templates may show all options as the field `options`.

    Args:
        data: A .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder with files named after splits or
            written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; the fields of templates beside `options`.
        options: Column of a list, or of `{"text": [...], "label": [...]}`; or one column per option.
        target: Column of the right option.
        gold: How the column names it: `index` counts from 0, `number` from 1, `letter` is A, B, ... or the option's
            own label, `text` is the option itself. `auto` takes what fits every row, and asks where several do.
        metric: The metric that trials are ranked by: its name, or `{type: bleu, tokenize: zh}` for one with options.
        further: See `TableOptions`.
    """
    fields, columns = fields_of(text), [options] if isinstance(options, str) else list(options)
    problems = [f"text: the field {FIELD!r} holds the options; give the column another name"] if FIELD in fields else []
    problems += [] if columns else ["options: names no column"]
    problems += [f"options: {target!r} holds the right answer"] if target in columns else []

    reading = Reading(
        {**fields, FIELD: columns[0]} if columns else fields,
        target,
        task="multiple-choice",
        options=tuple(columns),
        settings={"gold": gold},
    )
    return table_task(data, reading, rows, AnswerForm("option"), metric, further, problems)


def rows(reading: Reading) -> RowFormat:
    """Questions with options; `gold` among the settings is how the column of the answer names the right one."""
    fields = {name: column for name, column in reading.columns.items() if name != FIELD}
    columns, kind = reading.options, str(reading.settings.get("gold", _AUTO))

    def texts(row: Row) -> dict[str, str]:
        return {**texts_of(row, fields), FIELD: listed(options_of(row, columns).texts)}

    def settled(tables: Sequence[Table]) -> RowFormat:
        kind_found = kind_of_gold(tables, columns, reading.label)
        return rows(replace(reading, settings={"gold": kind_found}))

    return RowFormat(
        reading,
        texts=texts,
        gold=gold_reader(columns, reading.label, kind),
        options=lambda row: options_of(row, columns).texts,
        settled=settled if kind == _AUTO else None,
        whole=(FIELD,),
        stratum=place_of_gold,
    )


def place_of_gold(example: Example) -> str:
    """The place of the right option: models prefer some places, so every part holds them alike."""
    return str(example.options.index(example.target))
