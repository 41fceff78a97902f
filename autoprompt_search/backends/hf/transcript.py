"""One answer while it is generated: its tokens, its text, and whether it has ended. Knows a tokenizer, no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.core.answers import Completion, Limits

Decode = Callable[[Ids], str]
"""Token ids to text, without special tokens."""

_ANCHOR = 8
"""Tokens of the prompt that are decoded with the answer."""
_UNFINISHED = "\ufffd"
"""What decoders give for the first bytes of a character."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How ids become text."""

    whole: Decode
    """The tokenizer's own decoding, with nothing tidied."""
    part: Decode
    """The same for a few ids at a time, quick; what it says is no answer's text."""


def decoding_of(tokenizer: Any) -> Decoding:
    """Both ways of one tokenizer of transformers."""

    def whole(ids: Ids) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    inside = getattr(tokenizer, "backend_tokenizer", None)
    return Decoding(whole, inside.decode if inside is not None else whole)


class Transcript:
    """The answer to one prompt.

    The text is what decoding prompt and answer together adds to the prompt's own text: decoders of the sentencepiece
    kind drop the space in front of an answer that is decoded alone. Stop strings are looked for after
    every token, in the text that is new and as much of what stands before it as a stop string could reach; so their
    tokens do not matter. What is found so is cut out of the text of all tokens, decoded at once.

    Args:
        prompt: Ids before the answer; negative ones are soft tokens and have no text.
        limits: How the answer ends.
        ends: Tokens with which the model ends its text.
        decoding: Ids to text.
    """

    def __init__(self, prompt: Sequence[int], limits: Limits, ends: frozenset[int], decoding: Decoding) -> None:
        self.tokens: Ids = []
        """What was generated so far."""
        self.finish = ""
        """How it ended; empty while it goes on."""
        self._limits, self._ends, self._decoding = limits, ends, decoding
        self._anchor = [token for token in prompt[-2 * _ANCHOR :] if token >= 0][-_ANCHOR:]
        self._reach = max(map(len, limits.stop), default=0) - 1
        self._text, self._from, self._known = "", 0, len(self._anchor)
        """Characters that are sure; the ids that are decoded for new ones begin at the first number, and those before
        the second have given theirs."""

    def add(self, token: int) -> None:
        """Take one more token."""
        self.tokens.append(token)
        if token in self._ends:
            self.finish = "end"
        elif self._limits.stop and self._may_stop() and self._cut(self._all()) is not None:
            self.finish = "stop"
        elif len(self.tokens) >= self._limits.tokens:
            self.finish = "length"

    def completion(self) -> Completion:
        """The answer as it is now."""
        text = self._all()
        cut = self._cut(text)
        if cut is None:
            return Completion(text, self.finish, len(self.tokens))
        at, stop = cut
        return Completion(text[:at], "stop", len(self.tokens), stop)

    def _may_stop(self) -> bool:
        """Whether the newest token completes a stop string, as far as the last few tokens tell."""
        ids = [*self._anchor, *self.tokens]
        part = self._decoding.part
        new = part(ids[self._from :])[len(part(ids[self._from : self._known])) :]
        seen = self._text[max(0, len(self._text) - self._reach) :] + new
        if new and not new.endswith(_UNFINISHED):
            self._text, self._from, self._known = self._text + new, self._known, len(ids)
        return self._cut(seen) is not None

    def _all(self) -> str:
        """The text of all tokens but an end token."""
        tokens = self.tokens[:-1] if self.tokens and self.tokens[-1] in self._ends else self.tokens
        decode = self._decoding.whole
        before, whole = decode(self._anchor), decode([*self._anchor, *tokens])
        return whole[len(before) :] if whole.startswith(before) else decode(tokens)

    def _cut(self, text: str) -> tuple[int, str] | None:
        """Where the first stop string begins, and which it is; None where there is none."""
        matches = [(at, stop) for stop in self._limits.stop if (at := text.find(stop)) >= 0]
        return min(matches, key=lambda one: one[0], default=None)
