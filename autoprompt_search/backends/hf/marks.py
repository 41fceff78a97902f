"""Texts in which some special tokens are tokens and others are plain text. Knows a tokenizer, no model, no template.

A special token that a chat template wrote stands in a marked text as one character of a private use area; the same
characters written out are data, and stay text. A marked text begins with a mark of its own: nothing is put before it,
because a template writes the first token itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from transformers.utils.chat_template_utils import encode_marked_chat, mark_control_tokens

from autoprompt_search.core.chat import Segment

Spans = list[tuple[int, int]]
_FIRST, _LAST = 0x10F000, 0x10FFFD
_BEGIN = chr(_FIRST)
_ANY = re.compile(f"[{_BEGIN}-{chr(_LAST)}]")
_UNKNOWN = "\ufffd"


class Marks:
    """The special tokens of one tokenizer as marks."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def marked(self, segments: Sequence[Segment]) -> str:
        """The segments as one marked text."""
        return _BEGIN + "".join(self._one(segment) for segment in segments)

    def bare(self, text: str) -> str:
        """The text that a marked one stands for."""
        return _ANY.sub(lambda mark: self._names.get(mark.group(), ""), text)

    def encode(self, text: str) -> tuple[list[int], Spans]:
        """Ids of a marked text, and the characters of it that each stands for; nothing is put around it.

        Where data hold a special token written out, the spans say nothing: the text is then encoded in pieces, as
        transformers does it for `sanitize_control_tokens`.
        """
        if self._special.search(text):
            ids = encode_marked_chat(self._tokenizer, self.bare(mark_control_tokens(text, self._special)))
            return list(ids), [(0, 0)] * len(ids)
        out = self._tokenizer(
            self.bare(text), add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False,
            verbose=False,
        )  # fmt: skip
        return list(out["input_ids"]), _back(out["offset_mapping"], text, self._names)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Mark -> the special token it stands for, longest first."""
        added = [token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        names = sorted({*added, *self._tokenizer.all_special_tokens}, key=lambda name: (-len(name), name))
        return {chr(_FIRST + 1 + number): name for number, name in enumerate(names[: _LAST - _FIRST])}

    @cached_property
    def _special(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._names.values())) or "(?!)")

    def _one(self, segment: Segment) -> str:
        text = _ANY.sub(_UNKNOWN, segment.text)
        if segment.origin != "chat":
            return text
        marks = {name: mark for mark, name in self._names.items()}
        return self._special.sub(lambda match: marks[match.group()], text)


def is_marked(text: str) -> bool:
    """Whether a text, or a part of one, holds marks."""
    return _ANY.search(text) is not None


def _back(spans: Sequence[tuple[int, int]], text: str, names: dict[str, str]) -> Spans:
    """Places in the text that a marked one stands for, as places in the marked one."""
    marks = list(_ANY.finditer(text))
    longer = [len(names.get(mark.group(), "")) - 1 for mark in marks]
    shifts = [0, *accumulate(longer)]
    ends = [mark.end() + shift for mark, shift in zip(marks, shifts[1:], strict=True)]
    return [(a - shifts[bisect_right(ends, a)], b - shifts[bisect_right(ends, b)]) for a, b in spans]
