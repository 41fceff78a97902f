"""The row formats of tasks again, of the reading that an exported prompt holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoprompt_search.core.reading import Reading
from autoprompt_search.tasks import code, dialogue, generation, multiple_choice, question_answering
from autoprompt_search.tasks.table_task import RowFormat

_ROWS: Mapping[str, Callable[[Reading], RowFormat]] = {
    "generation": generation.rows,
    "question-answering": question_answering.rows,
    "multiple-choice": multiple_choice.rows,
    "dialogue": dialogue.rows,
    "code": code.rows,
}


def rows_of(reading: Reading) -> RowFormat:
    """How rows were read; texts beside their references where the task is none of ours."""
    return _ROWS.get(reading.task, generation.rows)(reading)
