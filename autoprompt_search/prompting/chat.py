"""A prompt as a conversation: who says which part of it. Pure functions; the model's template is applied later."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_search.core.chat import Chat, Conversation, Segment, Turn

Segments = tuple[Segment, ...]


def conversation(
    chat: Chat, instruction: str, gap: str, shots: Sequence[tuple[Segments, str]], query: Segments
) -> Conversation:
    """The turns of a prompt.

    Args:
        chat: Its settings.
        instruction: Empty where there is none.
        gap: Between parts that stand in one message.
        shots: Demonstrations: what is asked, and the answer as `chat.demos` shows it.
        query: What is asked last.
    """
    is_system = chat.has_system_instruction and bool(instruction)
    system = gap.join(part for part in (chat.system, instruction if is_system else "") if part)
    intro = instruction if instruction and not is_system else ""
    if chat.demos == "message":
        blocks = [*((*_plain(asked), Segment(answer)) for asked, answer in shots), _plain(query)]
        said = [_joined([*([(Segment(intro),)] if intro else []), *blocks], gap)]
        answers: list[str] = []
    else:
        said = [_plain(asked) for asked, _ in shots] + [_plain(query)]
        said[0] = _joined([*([(Segment(intro),)] if intro else []), said[0]], gap)
        answers = [chat.prefix + answer for _, answer in shots]
    turns = [Turn("system", (Segment(system),))] if system else []
    for number, segments in enumerate(said):
        turns.append(Turn("user", segments))
        turns += [Turn("assistant", (Segment(answers[number]),))] if number < len(answers) else []
    return Conversation(tuple(turns), chat.prefix)


def flat(said: Conversation, gap: str) -> Segments:
    """The conversation as one text without any markup, for those who read prompts as texts."""
    blocks = [turn.segments for turn in said.turns]
    return _joined([*blocks, *([(Segment(said.prefix),)] if said.prefix else [])], gap)


def transcript(said: Conversation) -> str:
    """The conversation as a person reads it: every message under the name of its role."""
    lines = [f"[{turn.role}]\n{turn.text}" for turn in said.turns]
    return "\n\n".join([*lines, f"[assistant]\n{said.prefix}"])


def _plain(segments: Segments) -> Segments:
    """The segments without marks: an answer is a turn of its own."""
    return tuple(segment for segment in segments if segment.origin not in ("answer", "pair"))


def _joined(blocks: Sequence[Segments], gap: str) -> Segments:
    joined: list[Segment] = []
    for block in blocks:
        joined += [Segment(gap), *block] if joined else block
    return tuple(segment for segment in joined if segment.text)
