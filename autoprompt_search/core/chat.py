"""Texts in pieces with an origin, and conversations made of them. Plain values; knows no chat template."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of prompt text with one origin."""

    text: str
    origin: str = "template"
    """`template` (ours, trusted), `field:<name>` (data: special tokens in it stay plain text), `chat` (written by the
    model's chat template: special tokens in it are tokens), or one of two marks without text: `answer` (where the
    answer stands) and `pair` (where a second text begins)."""


@dataclass(frozen=True, slots=True)
class Chat:
    """How a prompt becomes a conversation in the model's own chat template."""

    system: str = ""
    """The system message; empty: none of ours. A template that writes one by itself still does."""
    has_system_instruction: bool = False
    """The prompt's instruction is the system message, instead of standing before the first user message."""
    demos: str = "turns"
    """Demonstrations are `turns` of the conversation, or stand in one `message` with the query."""
    prefix: str = ""
    """The beginning of every answer: the model goes on from it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The whole message."""
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model is asked in turns, the last of them a user's; and how its answer begins."""

    turns: tuple[Turn, ...]
    prefix: str = ""

    @property
    def messages(self) -> list[dict[str, str]]:
        """The turns as chat templates and servers take them."""
        return [{"role": turn.role, "content": turn.text} for turn in self.turns]
