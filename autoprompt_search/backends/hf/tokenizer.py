"""Prompts and answers to token ids, as the model's own tokenizer joins them. Knows no model and no torch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autoprompt_search.backends.hf.marks import Marks, is_marked
from autoprompt_search.core.prompts import Rendered

Ids = list[int]
Encoded = tuple[Ids, list[tuple[int, int]]]
"""Ids, and the characters that each stands for."""

_MANY, _LONG = 4, 200
"""Texts, and characters that they share, from which it pays to tokenise the rests alone."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One prompt with each of the answers."""

    prompt: Ids
    """The prompt alone, with what the tokenizer puts in front (BOS)."""
    whole: tuple[Ids, ...]
    """Per answer the ids of prompt + answer, tokenised as one text."""
    starts: tuple[int, ...]
    """Per answer the first place where `whole` leaves `prompt`: what is scored begins there."""

    @property
    def longest(self) -> int:
        """Tokens of the longest `whole`, or of the prompt when there are no answers."""
        return max([len(self.prompt), *map(len, self.whole)])


@dataclass(frozen=True, slots=True)
class _Cut:
    """A prompt split at a token that begins a word; the tail alone has the ids it has in the prompt."""

    keep: int
    """Tokens of the prompt before the tail."""
    tail: str
    ids: tuple[int, ...]


class PromptTokenizer:
    """Text to ids. Special tokens written in a text are read as plain text.

    What the tokenizer puts before a text (BOS) is kept; what it puts after it (EOS) is not, because
    the answer goes on where the prompt ends.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.raw = tokenizer
        self._has_spans = bool(getattr(tokenizer, "is_fast", True))
        self.before, self.after = self._frame()
        self._marks = Marks(tokenizer)
        self._last: tuple[tuple[str, ...], list[Ids]] = ((), [])
        """Texts and ids of the latest call: counting tokens and scoring ask for the same ones in turn."""

    def text_of(self, prompt: Rendered) -> str:
        """The prompt up to the answer, as the other methods take it: with marks where a chat template wrote tokens."""
        if all(segment.origin != "chat" for segment in prompt.segments):
            return prompt.text
        return self._marks.marked(prompt.segments)

    def encode_prompts(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text, BOS included; those of the call before are remembered."""
        if self._last[0] != tuple(texts):
            self._prompts(texts)
        return [list(ids) for ids in self._last[1]]

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text's own tokens, without BOS."""
        return [ids for ids, _ in self._encode(texts, special=False)]

    def in_frame(self, rows: Sequence[Ids]) -> list[Ids]:
        """Each text's own ids with what the tokenizer puts around a text."""
        return [self.before + row + self.after for row in rows]

    def cut(self, text: str, tokens: int) -> str:
        """The text without its last `tokens` tokens, at least: the longest beginning that has so many fewer."""
        ((ids, spans),) = self._encode([text], special=False)
        if tokens >= len(ids):
            return ""
        if self._has_spans:
            return text[: spans[len(ids) - tokens][0]]
        kept = range(len(text) + 1)
        return text[: bisect_right(kept, len(ids) - tokens, key=lambda n: len(self.encode([text[:n]])[0])) - 1]

    def word(self, token: int, gap: str) -> str | None:
        """The word that this one token is behind `gap`; None for parts of words, signs and special tokens."""
        text = self.raw.decode([token]).strip()
        if not text.isalpha() or len(text) < 2 or token in self.raw.all_special_ids:
            return None
        return text if self.encode([gap + text])[0] == [token] else None

    def join(self, texts: Sequence[str], answers: Sequence[str]) -> list[Joined]:
        """Every prompt with every answer, exactly as the joined text is tokenised.

        An answer can only change the last word of a prompt, so the joined ids are those of the prompt up to
        its last words plus those of (last words + answer), and few different last words are tokenised per
        call. That is exact for BPE as long as the first token of the tail stays as it is: no merge then
        crosses the end of that token, and what stands on its left never sees the answer. Where this
        cannot be shown, prompt and answer are tokenised whole.
        """
        encoded = self._prompts(texts)
        cuts = self._cuts(texts, encoded)
        tails = sorted({cut.tail for cut in cuts if cut is not None})
        pairs = [(tail, answer) for tail in tails for answer in answers]
        joined_tails = dict(zip(pairs, self.encode([t + a for t, a in pairs]), strict=True))
        wholes: list[list[Ids | None]] = []
        for (ids, _), cut in zip(encoded, cuts, strict=True):
            row: list[Ids | None] = []
            for answer in answers:
                tail = joined_tails[cut.tail, answer] if cut is not None else []
                kept = cut is not None and tail[:1] == list(cut.ids[:1])
                row.append(ids[: cut.keep] + tail if kept and cut is not None else None)
            wholes.append(row)
        self._fill(texts, answers, wholes)
        return [_joined(ids, [w for w in row if w is not None]) for (ids, _), row in zip(encoded, wholes, strict=True)]

    def _prompts(self, texts: Sequence[str]) -> list[Encoded]:
        """Ids and character spans, BOS included."""
        key = tuple(texts)
        encoded = self._behind_shared(key) or self._encode(key, special=True)
        self._last = key, [ids for ids, _ in encoded]
        return encoded

    def _behind_shared(self, texts: Sequence[str]) -> list[Encoded] | None:
        """The same as tokenising each text whole, with what all begin with tokenised once.

        The texts are cut before a word that all share, and of each only the rest is tokenised. As in `join`, that is
        exact for BPE where every rest begins with the very token that the whole first text has there. The first
        and the last text are tokenised whole and compared. None where nothing is gained or anything differs.
        """
        if len(texts) < _MANY:
            return None
        shared = common_run(min(texts), max(texts))
        if shared < _LONG:
            return None
        first, last = self._encode([texts[0], texts[-1]], special=True)
        for keep, at in _cut_options(texts[0], [span for span in first[1] if span[1] < shared]):
            rests = self._encode([text[at:] for text in texts], special=False)
            begins = all(ids[:1] == first[0][keep : keep + 1] for ids, _ in rests)
            joined = [(first[0][:keep] + ids, first[1][: keep + 1] + _moved(spans[1:], at)) for ids, spans in rests]
            if begins and joined[0][0] == first[0] and joined[-1][0] == last[0]:
                return joined
        return None

    def _fill(self, texts: Sequence[str], answers: Sequence[str], wholes: list[list[Ids | None]]) -> None:
        """Tokenise whole what is still missing."""
        gaps = [(i, j) for i, row in enumerate(wholes) for j, ids in enumerate(row) if ids is None]
        if not gaps:
            return
        for (i, j), ids in zip(gaps, self.encode_prompts([texts[i] + answers[j] for i, j in gaps]), strict=True):
            wholes[i][j] = ids

    def _cuts(self, texts: Sequence[str], encoded: Sequence[Encoded]) -> list[_Cut | None]:
        options = [_cut_options(text, spans) for text, (_, spans) in zip(texts, encoded, strict=True)]
        tails = sorted({text[at:] for text, row in zip(texts, options, strict=True) for _, at in row})
        known = dict(zip(tails, self.encode(tails), strict=True))
        cuts: list[_Cut | None] = []
        for text, (ids, _), row in zip(texts, encoded, options, strict=True):
            fitting = (_Cut(k, text[at:], tuple(ids[k:])) for k, at in row if known[text[at:]] == ids[k:])
            cuts.append(next(fitting, None))
        return cuts

    def _encode(self, texts: Sequence[str], *, special: bool) -> list[Encoded]:
        """Ids and character spans; empty spans where the tokenizer cannot say them, as those in Python alone."""
        if not texts:
            return []
        if any(map(is_marked, texts)):
            return [self._marks.encode(t) if is_marked(t) else self._encode([t], special=special)[0] for t in texts]
        out = self.raw(
            list(texts),
            split_special_tokens=True,
            add_special_tokens=special,
            return_offsets_mapping=self._has_spans,
            return_attention_mask=False,
            verbose=False,
        )
        drop = len(self.after) if special else 0
        spans = out["offset_mapping"] if self._has_spans else [[(0, 0)] * len(ids) for ids in out["input_ids"]]
        rows = zip(out["input_ids"], spans, strict=True)
        return [(list(ids[: len(ids) - drop]), list(spans[: len(ids) - drop])) for ids, spans in rows]

    @cached_property
    def between(self) -> tuple[Ids, bool]:
        """What the tokenizer puts between two texts, and whether it tells them apart by token types."""
        probe = "a"
        bare = self._bare(probe)
        both = self.raw(probe, probe)
        ids = list(both["input_ids"])[len(self.before) + len(bare) :]
        ids = ids[: len(ids) - len(bare) - len(self.after)]
        return ids, any(both.get("token_type_ids", ()))

    def _frame(self) -> tuple[Ids, Ids]:
        """What the tokenizer puts before and after a text."""
        probe = "a"
        bare = self._bare(probe)
        full = list(self.raw(probe)["input_ids"])
        start = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
        return full[:start], full[start + len(bare) :]

    def _bare(self, text: str) -> Ids:
        return list(self.raw(text, add_special_tokens=False)["input_ids"])


def _cut_options(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(token, character) of the last word start with two tokens from there on; with and without its space."""
    for k in range(len(spans) - 2, 0, -1):
        at = spans[k][0]
        if spans[k][1] > at and at < len(text):
            if text[at].isspace():
                return [(k, at), (k, at + 1)]
            if at > 0 and text[at - 1].isspace():
                return [(k, at), (k, at - 1)]
    return []


def _moved(spans: Sequence[tuple[int, int]], by: int) -> list[tuple[int, int]]:
    return [(start + by, stop + by) for start, stop in spans]


def _joined(prompt: Ids, whole: Sequence[Ids]) -> Joined:
    return Joined(prompt, tuple(whole), tuple(common_run(prompt, ids) for ids in whole))


def common_run(a: Sequence[object], b: Sequence[object]) -> int:
    """Length of the longest common beginning."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    return next(i for i in range(limit) if a[i] != b[i])


def too_long(lengths: Sequence[int], *, soft: int, context: int | None) -> str | None:
    """That prompts are beyond the context, with both lengths; None when all fit.

    Args:
        lengths: Tokens of each prompt with its longest answer, soft tokens included.
        soft: How many of them are soft.
        context: Positions of the model; None for no limit.
    """
    longest = max(lengths, default=0)
    if context is None or longest <= context:
        return None
    count = sum(length > context for length in lengths)
    parts = f"{soft} soft tokens and the longest answer included" if soft else "the longest answer included"
    return f"{count} of {len(lengths)} prompts are too long: {longest} tokens ({parts}), and the context is {context}"
