"""The model behind the scripted endpoint: tokens, next-token probabilities and texts by a written rule.

Nothing is drawn but where a request asks for it, and then from its seed, so that a test knows every number beforehand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from autoprompt_search.core.rng import derive_rng, derive_seed

END = ""
"""The piece that ends a text."""
_PIECE = re.compile(r"\s*[A-Za-z']+|\s*\d|\s*[^\sA-Za-z\d]|\s+")
_BLOCK = re.compile(r"\n\n|<user>|</user>")
_WORDS = [
    "the",
    "river",
    "light",
    "of",
    "a",
    "small",
    "town",
    "and",
    "its",
    "long",
    "road",
    "under",
    "one",
    "sky",
    "where",
    "people",
    "walk",
    "home",
    "with",
    "bread",
    "or",
    "songs",
    "about",
    "rain",
    "because",
    "every",
    "evening",
    "begins",
    "again",
    "so",
    "they",
    "wait",
    "until",
    "night",
]
_LEAST, _MORE = 12, 12
"""Words of a story at least, and how many more it may have."""
_FLOOR = 1e-6
"""Probability of a piece that the rule does not name."""


def pieces(text: str) -> list[str]:
    """The tokens of a text; together they are the text."""
    return _PIECE.findall(text)


def token_id(piece: str) -> int:
    """The number of a token: equal for equal pieces."""
    return derive_seed("token", piece) % 1_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """A text of the model."""

    text: str
    finish: str
    """`stop` or `length`."""
    tokens: int
    """New tokens, one that ends the text included."""
    steps: tuple[Mapping[str, float], ...]
    """Per token, piece -> probability."""
    chosen: tuple[str, ...]
    stop: str = ""
    """The stop string that ended it."""


@dataclass(frozen=True, slots=True)
class EndpointModel:
    """Answers with the reply whose cue is a word of the query, on a share of queries; elsewhere it tells a story.

    The query is what stands behind the last empty line or the last user's turn.
    """

    replies: Mapping[str, str] = field(default_factory=lambda: {"loved": "good", "hated": "bad"})
    """Cue -> reply. A query without a cue is answered with a story."""
    skill: float = 0.85
    """Share of queries that get the right reply."""
    rare: tuple[str, ...] = ()
    """Replies that stand so far behind that no list of the most likely tokens holds them, unless they are chosen."""

    def next(self, prompt: str, written: Sequence[str] = (), *, swaps: bool = False) -> dict[str, float]:
        """Piece -> probability of the next token, most likely first; `swaps` exchanges the first two."""
        cues = [cue for cue in self.replies if cue in _words(_query(prompt))]
        if cues and not written:
            replies = self._replies(prompt, cues[0])
        elif cues:
            replies = self._rest_of_reply(written)
        else:
            replies = self._story(prompt, written)
        ordered = sorted(replies.items(), key=lambda pair: -pair[1])
        if swaps and len(ordered) > 1 and not written:
            (first, p), (second, q) = ordered[:2]
            ordered[:2] = [(second, p), (first, q)]
        return dict(ordered)

    def write(
        self,
        prompt: str,
        cap: int,
        *,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        swaps: bool = False,
    ) -> Written:
        """The text behind a prompt, cut before the first stop string."""
        rng, text = derive_rng("endpoint", seed, prompt), ""
        chosen: list[str] = []
        steps: list[Mapping[str, float]] = []
        for _ in range(cap):
            step = self.next(prompt, chosen, swaps=swaps)
            steps.append(step)
            piece = next(iter(step)) if not temperature else _drawn(step, temperature, top_p, rng.random())
            chosen.append(piece)
            if piece == END:
                return Written(text, "stop", len(chosen), tuple(steps), tuple(chosen))
            text += piece
            places = [(at, s) for at, s in ((text.find(s), s) for s in stop) if at >= 0]
            if places:
                at, stop_text = min(places)
                return Written(text[:at], "stop", len(chosen), tuple(steps), tuple(chosen), stop_text)
        return Written(text, "length", len(chosen), tuple(steps), tuple(chosen))

    def logprobs_of(self, text: str) -> list[float | None]:
        """Per token of a text, its log-probability behind those before it; None for the first."""
        parts = pieces(text)
        logprobs: list[float | None] = [None]
        before = ""
        for last, piece in pairwise(parts):
            before += last
            logprobs.append(math.log(self.next(before).get(piece, _FLOOR)))
        return logprobs[: len(parts)]

    def choose(self, prompt: str, choices: Sequence[str]) -> str:
        """The choice whose first token is the most likely one: how constrained decoding commits itself."""
        step = self.next(prompt)
        return max(choices, key=lambda c: max(step.get(first, 0.0) for first in (c[:1], *_starts(c))))

    def _replies(self, prompt: str, cue: str) -> dict[str, float]:
        words = list(dict.fromkeys(self.replies.values()))
        right, query = self.replies[cue], _query(prompt)
        others = [word for word in words if word != right] or words
        is_right = _draw("hard", query) < self.skill + 0.1 * (_draw("frame", _frame(prompt, query)) - 0.5)
        chosen = right if is_right else others[derive_seed("other", query) % len(others)]
        sure = 0.6 + 0.3 * _draw("sure", prompt)
        rest = [word for word in words if word != chosen]
        chances = {chosen: sure}
        for rank, word in enumerate(rest):
            chances[word] = _FLOOR if word in self.rare else 0.8 * (1 - sure) / 2 ** (rank + 1)
        left = 1 - sum(chances.values())
        chances |= {word: left * 2.0 ** -(n + 1) for n, word in enumerate(_WORDS[:30]) if word not in chances}
        return {_spaced(prompt, word): p for word, p in chances.items()}

    def _rest_of_reply(self, written: Sequence[str]) -> dict[str, float]:
        text = "".join(written).strip()
        open_ = [r for r in self.replies.values() if r.startswith(text) and r != text]
        following = pieces(open_[0].removeprefix(text))[0] if open_ else END
        return {following: 0.9, " indeed": 0.06, " then": 0.04}

    def _story(self, prompt: str, written: Sequence[str]) -> dict[str, float]:
        index = len(written)
        if index >= _LEAST + derive_seed("long", prompt) % _MORE:
            return {END: 0.9, " and": 0.1}
        first = derive_seed("story", prompt, index)
        return {_spaced(prompt + "".join(written), _WORDS[(first + n) % len(_WORDS)]): 0.55 * 0.5**n for n in range(8)}


def _query(prompt: str) -> str:
    parts = [part for part in _BLOCK.split(prompt) if part.strip() and part.strip() != "<assistant>"]
    return parts[-1] if parts else prompt


def _frame(prompt: str, query: str) -> str:
    return prompt.removesuffix(query)[:400]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _spaced(before: str, word: str) -> str:
    return word if not before or before[-1].isspace() or before.endswith(">") else f" {word}"


def _starts(choice: str) -> tuple[str, ...]:
    first = pieces(choice)[:1]
    return (first[0], first[0].strip(), f" {first[0].strip()}") if first else ()


def _draw(*parts: str) -> float:
    return derive_seed(*parts) / 2**32


def _drawn(step: Mapping[str, float], temperature: float, top_p: float, at: float) -> str:
    """The piece at this place between 0 and 1 of the sharpened and cut distribution."""
    powers = {piece: p ** (1 / temperature) for piece, p in step.items()}
    whole, kept, seen = sum(powers.values()), {}, 0.0
    for piece, power in sorted(powers.items(), key=lambda pair: -pair[1]):
        kept[piece] = power
        seen += power / whole
        if seen >= top_p:
            break
    left = at * sum(kept.values())
    for piece, power in kept.items():
        left -= power
        if left <= 0:
            return piece
    return next(iter(kept))
