"""Conversations in a model's own chat template. Knows a tokenizer and its template, no model and no prompt.

A template is foreign code. It is run by transformers, in its sandbox, once for every sequence of roles, on sentinels
in the place of the messages. What it writes around them is then put around the real messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from autoprompt_search.core.chat import Conversation, Segment, Turn
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Rendered

CLOCK = (
    "{%- macro strftime_now(format) -%}"
    "{{ format | replace('%d', '26') | replace('%-d', '26') | replace('%b', 'Jul') | replace('%B', 'July')"
    " | replace('%m', '07') | replace('%-m', '7') | replace('%Y', '2024') | replace('%y', '24')"
    " | replace('%A', 'Friday') | replace('%a', 'Fri') | replace('%H', '12') | replace('%M', '00')"
    " | replace('%S', '00') | replace('%F', '2024-07-26') }}"
    "{%- endmacro %}"
)
"""Stands before templates that ask for today's date: a prompt must not change overnight. Llama's own fixed date."""
_PADDING = "\n \n"
_CHANGED = (
    "the model's chat template changes the texts of messages, so that what it writes cannot be told from them; "
    "leave layout.chat at none"
)


class ChatTemplate:
    """The chat template of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._frames: dict[tuple[str, ...], _Frame] = {}

    def set(self, prompts: Sequence[Rendered]) -> list[Rendered]:
        """The prompts, those in turns as the texts that the model reads, with what the template writes as `chat`.

        Raises:
            ConfigError: There is no template, or it cannot hold such a conversation.
        """
        return [prompt if prompt.conversation is None else self._set(prompt, prompt.conversation) for prompt in prompts]

    def text(self, said: Conversation) -> str:
        """What transformers itself makes of the conversation, with the beginning of the answer behind it."""
        return self._written(said.messages) + said.prefix

    @cached_property
    def source(self) -> str:
        """The template, its clock stopped."""
        try:
            source = str(self._tokenizer.get_chat_template())
        except ValueError as exc:
            raise ConfigError(
                "the model has no chat template: its tokenizer names none; leave layout.chat at none, or use a model "
                "that was trained on conversations"
            ) from exc
        return CLOCK + source if "strftime_now" in source else source

    @property
    def options(self) -> dict[str, Any]:
        """What the template is told beside the messages: to write no thoughts, where it knows about them."""
        return {"enable_thinking": False} if "enable_thinking" in self.source else {}

    @property
    def settings(self) -> dict[str, Any]:
        """What others need to run the template the same way."""
        return {"clock": CLOCK if self.source.startswith(CLOCK) else "", "options": self.options}

    def _set(self, prompt: Rendered, said: Conversation) -> Rendered:
        asked = _without_demonstrations(said) if prompt.query else None
        query = self._segments(asked) if asked else ()
        return replace(prompt, segments=self._segments(said), query=query, conversation=None)

    def _segments(self, said: Conversation) -> tuple[Segment, ...]:
        roles = tuple(turn.role for turn in said.turns)
        is_new = roles not in self._frames
        frame = self._frames[roles] if not is_new else self._frame(roles)
        segments = frame.around(said.turns)
        if is_new:
            self._check(said, "".join(segment.text for segment in segments))
            self._frames[roles] = frame
        return (*segments, Segment(said.prefix)) if said.prefix else segments

    def _frame(self, roles: tuple[str, ...]) -> _Frame:
        sentinels = [f"Sentinel{number:03}Text" for number in range(len(roles))]
        pieces = _split(self._written(_messages(roles, sentinels)), sentinels)
        padded = [f"{_PADDING}{sentinel}{_PADDING}" for sentinel in sentinels]
        looser = _split(self._written(_messages(roles, padded)), sentinels)
        kept = [_kept(piece, loose) for piece, loose in zip(pieces, looser, strict=True)]
        return _Frame(pieces, tuple(left for _, left in kept[:-1]), tuple(right for right, _ in kept[1:]))

    def _check(self, said: Conversation, made: str) -> None:
        """What was put together must be what transformers itself makes of the real messages."""
        if made != self._written(said.messages) and not self._has_markers(said):
            raise ConfigError(_CHANGED)

    def _has_markers(self, said: Conversation) -> bool:
        """Whether a message holds tokens written out: templates may take them for their own."""
        names = [token.content for token in self._tokenizer.added_tokens_decoder.values() if token.content.strip()]
        return any(name in turn.text for turn in said.turns for name in names)

    def _written(self, messages: list[dict[str, str]]) -> str:
        options = {"chat_template": self.source, "tokenize": False, "add_generation_prompt": True, **self.options}
        try:
            return str(self._tokenizer.apply_chat_template(messages, **options))
        except Exception as exc:  # a template is a program of its author, and may raise anything
            reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
            roles = ", ".join(message["role"] for message in messages)
            hint = "; leave layout.system at none" if messages[0]["role"] == "system" else ""
            kind = f" ({type(exc).__name__})" if "Syntax" in type(exc).__name__ else ""
            number = getattr(exc, "lineno", None)
            line = f", line {number}" if number else ""
            message = f"the model's chat template{line} cannot be used{kind}: {reason} (messages of {roles}){hint}"
            raise ConfigError(message) from exc


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a template writes around the messages of one sequence of roles."""

    pieces: tuple[str, ...]
    """Before the first message, between each two, and behind the last one: one more than there are messages."""
    keeps_left: tuple[bool, ...]
    """Per message, whether blanks at its beginning stay."""
    keeps_right: tuple[bool, ...]

    def around(self, turns: Sequence[Turn]) -> tuple[Segment, ...]:
        """The turns with everything around them."""
        segments = [Segment(self.pieces[0], "chat")]
        for turn, piece, left, right in zip(turns, self.pieces[1:], self.keeps_left, self.keeps_right, strict=True):
            segments += _stripped(turn.segments, left=not left, right=not right)
            segments.append(Segment(piece, "chat"))
        return tuple(segment for segment in segments if segment.text)


def _without_demonstrations(said: Conversation) -> Conversation:
    first = [turn for turn in said.turns[:1] if turn.role == "system"]
    return replace(said, turns=(*first, said.turns[-1]))


def _messages(roles: Sequence[str], texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]


def _split(text: str, sentinels: Sequence[str]) -> tuple[str, ...]:
    """What stands around the sentinels; `ConfigError` where one is not there once, or stands elsewhere."""
    pieces: list[str] = []
    for sentinel in sentinels:
        if text.count(sentinel) != 1:
            raise ConfigError(
                "the model's chat template leaves a message out, repeats it or puts it elsewhere: it cannot hold a "
                "prompt with these messages; try layout.chat_demos: message and layout.system: none"
            )
        piece, text = text.split(sentinel)
        pieces.append(piece)
    return (*pieces, text)


def _kept(piece: str, loose: str) -> tuple[bool, bool]:
    """Whether the blanks of padded messages before and behind this piece stayed."""
    for right in (True, False):
        for left in (True, False):
            if loose == right * _PADDING + piece + left * _PADDING:
                return right, left
    raise ConfigError(_CHANGED)


def _stripped(segments: Sequence[Segment], *, left: bool, right: bool) -> list[Segment]:
    """The segments without blanks at the ends of their whole text."""
    stripped = list(segments)
    for is_asked, end in ((left, 0), (right, -1)):
        while is_asked and stripped:
            text = stripped[end].text.lstrip() if end == 0 else stripped[end].text.rstrip()
            if text:
                stripped[end] = replace(stripped[end], text=text)
                break
            stripped.pop(end)
    return stripped
