"""Prompts as text: slots, layout, rendering. Pure functions; knows no model, no tokenizer and no search."""

from autoprompt_search.prompting.book import (
    AUTO,
    CHAT_PARAMS,
    CHAT_VALUES,
    INSTRUCTION,
    LAYOUT,
    LAYOUT_PARAMS,
    LIKE,
    NAME,
    SLOT,
    TEXT,
    PromptBook,
)
from autoprompt_search.prompting.chat import transcript
from autoprompt_search.prompting.render import (
    answer_gap,
    answer_word,
    answer_words,
    own_words,
    prefix_and_query,
    render,
    render_text,
    render_with,
    shot,
)
from autoprompt_search.prompting.slots import CASINGS, MARKS, SlotError, data_fields, field_names, parse

__all__ = [
    "AUTO",
    "CASINGS",
    "CHAT_PARAMS",
    "CHAT_VALUES",
    "INSTRUCTION",
    "LAYOUT",
    "LAYOUT_PARAMS",
    "LIKE",
    "MARKS",
    "NAME",
    "SLOT",
    "TEXT",
    "PromptBook",
    "SlotError",
    "answer_gap",
    "answer_word",
    "answer_words",
    "data_fields",
    "field_names",
    "own_words",
    "parse",
    "prefix_and_query",
    "render",
    "render_text",
    "render_with",
    "shot",
    "transcript",
]
