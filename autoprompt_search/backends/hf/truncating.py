"""Cutting one field of a query so that its prompt fits: the template and the answer's place are never touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoprompt_search.backends.hf.tokenizer import PromptTokenizer
from autoprompt_search.core.prompts import Rendered, Segment

_TRIES = 8


def shortened(prompt: Rendered, field: str, tokenizer: PromptTokenizer, excess: Callable[[Rendered], int]) -> Rendered:
    """The prompt with the query's `field` cut from its end until nothing is too much, or nothing of it is left.

    Args:
        prompt: What may be too long.
        field: Name of the field that may be cut.
        tokenizer: The tokenizer.
        excess: Tokens by which a prompt is beyond the context; at most 0 when it fits.
    """
    over = excess(prompt)
    for _ in range(_TRIES):
        text = next((s.text for s in reversed(prompt.segments) if s.origin == f"field:{field}"), "")
        if over <= 0 or not text:
            return prompt
        prompt = _with(prompt, field, text, tokenizer.cut(text, over))
        over = excess(prompt)
    return prompt


def _with(prompt: Rendered, field: str, old: str, new: str) -> Rendered:
    return replace(prompt, segments=_last(prompt.segments, field, old, new), query=_last(prompt.query, field, old, new))


def _last(segments: tuple[Segment, ...], field: str, old: str, new: str) -> tuple[Segment, ...]:
    """The last such segment is the query's: demonstrations stand before it."""
    wanted = Segment(old, f"field:{field}")
    places = [i for i, segment in enumerate(segments) if segment == wanted]
    if not places:
        return segments
    at = places[-1]
    return (*segments[:at], replace(wanted, text=new), *segments[at + 1 :])
