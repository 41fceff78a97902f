"""Conversations whose answer is the next response, or a text about them such as a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Unpack

from pydantic import Field

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.tasks.dataset import fields_of
from autoprompt_search.tasks.examples import BadRowError, Gold, Texts, raw_value, text_of
from autoprompt_search.tasks.generation import METRIC
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task
from autoprompt_search.tasks.tables import Row
from autoprompt_search.tasks.turns import Turn, rendered, turns_of

FIELD = "dialogue"
SPEAKER = "speaker"
_PARTNERS = {"User": "Assistant", "A": "B"}
"""Who answers a speaker that nobody has answered yet."""


def dialogue(
    data: str | dict[str, str],
    turns: str = "turns",
    target: str | list[str] | None = None,
    *,
    text: str | list[str] | dict[str, str] | None = None,
    metric: WrittenMetric = METRIC,
    max_turns: Annotated[int, Field(ge=1)] | None = None,
    **options: Unpack[TableOptions],
) -> Task:
    """Conversations in three disjoint parts; templates show them as the field `dialogue`, one line per turn.

    Where the answer is the next response, the field `speaker` names who gives it.

    Args:
        data: A .jsonl, .json or .parquet file (others hold no lists, only conversations as one text); split -> file;
            a folder with files named after splits or written by `save_to_disk`; a hub name or `name:config`.
        turns: Column of the turns: a list of `{role, content}` or of texts; a text as it is where `target` is given.
        target: Column of the answer, a summary or a response, or several columns; None takes the last turn as the
            response to those before it.
        text: Further columns, or field -> column, that templates may show.
        metric: The metric that trials are ranked by: its name, or `{type: bleu, tokenize: zh}` for one with options.
        max_turns: Latest turns that are shown; None shows all.
        options: See `TableOptions`; `max_chars` goes with a `target` only.
    """
    further = fields_of(text or [])
    answers = [target] if isinstance(target, str) else list(target or [])
    is_next = target is None
    problems = [f"text: the field {name!r} is made of the turns" for name in further if name in (FIELD, SPEAKER)]
    problems += [f"target: {turns!r} holds the turns"] if turns in answers else []
    max_chars = options.get("max_chars")
    if is_next and max_chars is not None:
        problems.append(
            f"max_chars: would cut the latest turns, which a response answers; use max_turns (got {max_chars})"
        )

    reading = Reading(
        {FIELD: turns, **({SPEAKER: turns} if is_next else {}), **further},
        answers[0] if answers else "" if not is_next else turns,
        task="dialogue",
        further=tuple(answers[1:]),
        settings={} if max_turns is None else {"max_turns": max_turns},
    )
    return table_task(data, reading, rows, AnswerForm("text"), metric, options, problems)


def rows(reading: Reading) -> RowFormat:
    """Conversations beside their answers, or with a last turn that is the answer: its column is that of the turns."""
    turns, most = reading.columns[FIELD], reading.settings.get("max_turns")
    further = {name: column for name, column in reading.columns.items() if name not in (FIELD, SPEAKER)}
    conversations = _conversations(turns, further, None if most is None else int(most))
    if reading.label != turns:
        answers = (reading.label, *reading.further)
        return RowFormat(reading, texts=conversations, gold=lambda row: gold_of(row, answers))
    return RowFormat(
        reading,
        texts=_responses(turns, further, None if most is None else int(most)),
        gold=lambda row: Gold(_turns(row, turns)[-1].text),
        queries=_unanswered(turns, conversations),
        is_shared=True,
    )


def _responses(turns: str, further: Mapping[str, str], most: int | None) -> Texts:
    """What was said before the last turn, and who says that one."""

    def texts(row: Row) -> dict[str, str]:
        *before, response = _turns(row, turns)
        own = {name: text_of(row, column) for name, column in further.items()}
        return {FIELD: rendered(_latest(before, most)), SPEAKER: response.speaker, **own}

    return texts


def _conversations(turns: str, further: Mapping[str, str], most: int | None) -> Texts:
    """All that was said; a conversation that is one text as it is."""

    def texts(row: Row) -> dict[str, str]:
        own = {name: text_of(row, column) for name, column in further.items()}
        value = raw_value(row, turns)
        shown = value.strip() if isinstance(value, str) else rendered(_latest(turns_of(value, turns), most))
        if not shown:
            raise BadRowError(f"empty text in {turns!r}", "empty text")
        return {FIELD: shown, **own}

    return texts


def _unanswered(turns: str, conversations: Texts) -> Texts:
    """All that was said, and who speaks next: whom the column `speaker` names, else the last other speaker."""

    def texts(row: Row) -> dict[str, str]:
        named = text_of(row, SPEAKER).strip() if SPEAKER in row.values else ""
        value = raw_value(row, turns)
        said = [] if isinstance(value, str) else [turn.speaker for turn in turns_of(value, turns)]
        others = [speaker for speaker in said if speaker != said[-1]]
        named = named or (others[-1] if others else _PARTNERS.get(said[0], "") if said else "")
        if not named:
            what = f"{turns!r} does not tell who speaks next"
            raise BadRowError(f"{what}: say it in a column {SPEAKER!r}", what)
        return {**conversations(row), SPEAKER: named}

    return texts


def _turns(row: Row, column: str) -> tuple[Turn, ...]:
    """Two turns or more: what was said, and the response to it."""
    value = raw_value(row, column)
    if isinstance(value, str):
        kind = f"{column!r} is one text"
        raise BadRowError(f"{kind}, where a list of turns is needed; name the column of the answer: `target`", kind)
    turns = turns_of(value, column)
    if len(turns) < 2:
        kind = f"fewer than two turns in {column!r}"
        raise BadRowError(f"{kind}: nothing that a response could answer", kind, "missing")
    return turns


def _latest(turns: Sequence[Turn], number: int | None) -> Sequence[Turn]:
    return turns if number is None else turns[-number:]
