"""Questions with answers in words or numbers, with or without a context."""

from __future__ import annotations

from typing import Literal

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.tasks.dataset import Dataset, fields_of
from autoprompt_search.tasks.examples import BadRowError, Gold, texts_of
from autoprompt_search.tasks.readers import Format
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_task import RowFormat, TableTask
from autoprompt_search.tasks.tables import Row

_METRICS = {"1.1": "squad_f1", "2.0": "squad2_f1"}


def question_answering(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] | None = None,
    target: str | list[str] = "answers",
    *,
    version: Literal["1.1", "2.0"] = "1.1",
    no_answer: str = "unanswerable",
    metric: str | None = None,
    splits: dict[str, int] | None = None,
    max_chars: int | None = None,
    leave_out: list[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
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
        metric: Name of the metric that trials are ranked by; SQuAD's F1 of this version by default.
        splits: Wanted number per split. Without: all of a split that the data give; of what is split
            here, a quarter each for train and dev and half for test.
        max_chars: Longest text of a field; longer ones are cut where a word ends.
        leave_out: `missing`: rows without an answer are left out and counted instead of refused (1.1).
        encoding: Of text files, such as `windows-1252`; None guesses and says what.
        delimiter: Between the columns of .csv and .tsv files; None guesses and says what.
    """
    fields = fields_of(["context", "question"] if text is None else text)
    columns = [target] if isinstance(target, str) else list(target)
    rows = RowFormat(
        fields,
        texts=lambda row: texts_of(row, fields),
        golds=lambda _: lambda row: _gold(row, columns, no_answer.strip() if version == "2.0" else None),
        answers=columns,
        max_chars=max_chars,
        leave_out=leave_out or (),
    )
    sizes = dict(splits or {})
    dataset = Dataset(data, sizes, Format(encoding, delimiter))
    blank = [] if no_answer.strip() else [f"no_answer: is blank, and a blank answer cannot be told (got {no_answer!r})"]
    return TableTask(dataset, rows, AnswerForm("text"), metric or _METRICS[version], sizes, blank)


def _gold(row: Row, columns: list[str], no_answer: str | None) -> Gold:
    try:
        return gold_of(row, columns, no_answer)
    except BadRowError as exc:
        if exc.reason != "missing":
            raise
        kind = f"no answer in {columns[0]!r}"
        hint = '`version: "2.0"` allows questions without one, `leave_out: [missing]` leaves them out'
        raise BadRowError(f"{kind}; {hint}", kind, exc.reason) from exc
