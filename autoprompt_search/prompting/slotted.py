"""A whole prompt with places for its fields: what other tools are given of it."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from autoprompt_search.core.prompts import Prompt, Rendered
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
    return (SlottedTurn("", _joined(parts)),)


def said_in_turns(shown: Rendered) -> tuple[tuple[str, str], ...]:
    """What a rendered prompt says up to its answer, as `slotted` gives it with places: role and text of each turn."""
    if shown.conversation is not None:
        turns = [(turn.role, turn.text) for turn in shown.conversation.turns]
        return (*turns, *([("assistant", shown.conversation.prefix)] if shown.conversation.prefix else []))
    return (("", shown.text + (BLANK + shown.rest if shown.rest else "")),)


def _parsed(template: str) -> tuple[Piece, ...]:
    """The pieces of a text for `str.format`."""
    pieces = []
    for text, name, _, _ in Formatter().parse(template):
        pieces += [Piece(text)] if text else []
        pieces += [Piece(name, is_field=True)] if name is not None else []
    return _joined(pieces)


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Literal texts that stand beside each other are one: no language may find a mark of its own between them."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and not piece.is_field and not joined[-1].is_field:
            joined[-1] = Piece(joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return tuple(joined)
