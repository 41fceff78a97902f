"""A whole prompt with places for its fields: what other tools are given of it."""

from __future__ import annotations

from string import Formatter

from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.slotted import DEMONSTRATIONS, Piece, SlottedTurn
from autoprompt_search.prompting.render import messages_with_slots, prefix_and_query

BLANK = "___"
"""Stands for the answer inside a text, where the template does not end with it."""


def slotted(prompt: Prompt) -> tuple[SlottedTurn, ...]:
    """The prompt up to its answer: one turn without a role, or the turns of a conversation.

    Demonstrations that are chosen for every query are the field `demonstrations` of a plain text; a conversation has
    no place for them, and is given without any. Trained vectors are not part of it.
    """
    fixed = () if prompt.demos.per_query else prompt.demos.examples
    if prompt.chat is not None:
        said = messages_with_slots(prompt, fixed)
        turns = [SlottedTurn(one["role"], (Piece(one["content"]),)) for one in said[:-1]]
        turns.append(SlottedTurn(said[-1]["role"], _parsed(said[-1]["content"])))
        prefill = [SlottedTurn("assistant", (Piece(prompt.chat.prefix),))] if prompt.chat.prefix else []
        return (*turns, *prefill)
    prefix, query, rest = prefix_and_query(prompt, fixed)
    parts = [Piece(prefix)] if prefix else []
    parts += [Piece(DEMONSTRATIONS, is_field=True)] if prompt.demos.per_query else []
    parts += _parsed("".join(query))
    parts += [Piece(BLANK), *_parsed("".join(rest))] if "".join(rest) else []
    return (SlottedTurn("", tuple(parts)),)


def _parsed(template: str) -> tuple[Piece, ...]:
    """The pieces of a text for `str.format`."""
    found = []
    for text, name, _, _ in Formatter().parse(template):
        found += [Piece(text)] if text else []
        found += [Piece(name, is_field=True)] if name is not None else []
    return tuple(found)
