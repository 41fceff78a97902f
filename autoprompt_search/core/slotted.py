"""A prompt with places for its fields, in a form that no template language has to parse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEMONSTRATIONS = "demonstrations"
"""The field of a prompt that gets demonstrations of its own for every query."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or the name of a field."""

    text: str
    is_field: bool = False


@dataclass(frozen=True, slots=True)
class SlottedTurn:
    """A message with places for fields; of a prompt that is no conversation, the whole text with the role `""`."""

    role: str
    pieces: tuple[Piece, ...]

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with values for the fields."""
        return "".join(values[p.text] if p.is_field else p.text for p in self.pieces)


def fields_of(turns: tuple[SlottedTurn, ...]) -> tuple[str, ...]:
    """Fields that occur, in order."""
    return tuple(dict.fromkeys(p.text for turn in turns for p in turn.pieces if p.is_field))
