"""Questions with answers in words or numbers, with or without a context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.tasks.dataset import columns_of, fields_of
from autoprompt_search.tasks.examples import BadRowError, Gold, texts_of
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task
from autoprompt_search.tasks.tables import Row

_METRICS = {"1.1": "squad_f1", "2.0": "squad2_f1"}


def question_answering(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] | None = None,
    target: str | list[str] = "answers",
    *,
    version: Literal["1.1", "2.0"] = "1.1",
    no_answer: str = "unanswerable",
    metric: WrittenMetric | None = None,
    **options: Unpack[TableOptions],
) -> Task:
    """Questions with right answers, in three disjoint parts.

    A question of arithmetic is `text: question`, `target: [rationale, answer]` and `metric: numeric_equality`.

    Args:
        data: A .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder with files named after splits or
            written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; `[context, question]` by default.
        target: Column of the answers: a text, a list of texts, or SQuAD's `{"text": [...]}`; or several columns.
            Demonstrations show the first answer, and any of them is right.
        version: Of SQuAD's rules. In 2.0 a question may have no answer: its list is empty.
        no_answer: What a model has to say in 2.0 where there is no answer; demonstrations show it.
        metric: The metric that trials are ranked by: its name, or `{type: ..., option: ...}`. SQuAD's F1 of this
            version by default.
        options: See `TableOptions`.
    """
    first, further = columns_of(target)
    reading = Reading(
        fields_of(["context", "question"] if text is None else text),
        first,
        task="question-answering",
        further=further,
        settings={"no_answer": no_answer.strip()} if version == "2.0" else {},
    )
    blank = [] if no_answer.strip() else [f"no_answer: is blank, and a blank answer cannot be told (got {no_answer!r})"]
    return table_task(data, reading, rows, AnswerForm("text"), metric or _METRICS[version], options, blank)


def rows(reading: Reading) -> RowFormat:
    """Questions beside their answers; `no_answer` among the settings says what is right where there is none."""
    columns = (reading.label, *reading.further)
    no_answer = reading.settings.get("no_answer")
    return RowFormat(
        reading,
        texts=lambda row: texts_of(row, reading.columns),
        gold=lambda row: _gold(row, columns, None if no_answer is None else str(no_answer)),
    )


def _gold(row: Row, columns: Sequence[str], no_answer: str | None) -> Gold:
    try:
        return gold_of(row, columns, no_answer)
    except BadRowError as exc:
        if exc.reason != "missing":
            raise
        kind = f"no answer in {columns[0]!r}"
        hint = '`version: "2.0"` allows questions without one, `leave_out: [missing]` leaves them out'
        raise BadRowError(f"{kind}; {hint}", kind, exc.reason) from exc
