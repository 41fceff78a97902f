"""A backend without a model: scores come from the prompt's text, so that searches take milliseconds in tests."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Compared, Generated, Scored
from autoprompt_search.core.rng import derive_seed

_WIDTH = 64
_MOST_DEMOS = 5
"""Demonstrations beyond this many add nothing."""
_BEST = 0.98


class ScriptedBackend:
    """Answers by a written rule; implements `Backend`, `Scores`, `Compares`, `Generates`, `Embeds` and
    `ProposesWords`.

    The query is what the data fields hold after the last demonstration. The right answers are those
    whose word (or whose cue, see `cues`) is a word of the query; where there is none, answers are noise. The
    rule gives the right answer on a share of queries that is `skill`, plus `bonus_per_demo` for each
    demonstration up to five, plus a part between -0.05 and 0.05 that the template's own words decide. Which
    queries are hard depends on (query, seed) alone, so that prompts differ on the same examples, as real
    ones do.

    The backend sees answers, not labels: where a label has several words, a wrong answer may be another word
    of the right label.

    A demonstration is recognised by its answer: a template segment that is exactly one of the answers.
    Tokens are words. Log-likelihoods of one prompt's answers sum to one in exp.

    Args:
        skill: Share of right answers without demonstrations, from chance to 1.
        seconds: Sleep per `score` call.
        fail_on: A prompt that contains this text raises `TrialError`; empty for never.
        seed: Other seeds find other queries hard.
        bonus_per_demo: What one demonstration adds to the share.
        cues: Answer word -> word of the query that makes it the right one.
        context: Longest prompt with answer, in words.
        replies: Word of the query -> the text that is the right reply to it; the same share of replies is right. None:
            the answers of `cues`. A query without such a word gets a reply of the others.
        tail: What is written behind every reply, again and again; empty: the text ends there.
    """

    def __init__(
        self,
        *,
        skill: Annotated[float, Field(ge=0, le=1)] = 0.6,
        seconds: Annotated[float, Field(ge=0)] = 0.0,
        fail_on: str = "",
        seed: int = 0,
        bonus_per_demo: float = 0.05,
        cues: Mapping[str, str] | None = None,
        context: Annotated[int, Field(ge=1)] = 4096,
        replies: Mapping[str, str] | None = None,
        tail: str = "",
    ) -> None:
        self.skill = skill
        self.seconds = seconds
        self.fail_on = fail_on
        self.seed = seed
        self.bonus_per_demo = bonus_per_demo
        self.cues = dict(cues or {})
        self.context = context
        self.replies = dict(replies) if replies is not None else {cue: answer for answer, cue in self.cues.items()}
        self.tail = tail
        self.scored = 0
        """Prompts scored by this instance so far."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the rule; `seconds` and `fail_on` change no score."""
        parts = ("scripted", self.skill, self.seed, self.bonus_per_demo, self.cues, self.context)
        return fingerprint((*parts, self.replies, self.tail) if self.replies or self.tail else parts)

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """See `Backend.problems`."""
        words = [answer.split() for answer in answers]
        problems = [f"the answer {a!r} has no tokens" for a, w in zip(answers, words, strict=True) if not w]
        problems += [
            f"the answers {answers[words.index(w)]!r} and {answers[i]!r} have the same tokens"
            for i, w in enumerate(words)
            if w and words.index(w) < i
        ]
        longest = self._longest(prompts, answers) + (soft if prompts else 0)
        return problems + ([self._too_long(longest)] if longest > self.context else [])

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`."""
        tokens = self._asked(prompts, max((len(a.split()) for a in answers), default=0), soft)
        rows = [self._logliks(prompt, answers) for prompt in prompts]
        return Scored(np.array(rows, dtype=np.float32).reshape(len(prompts), len(answers)), tokens)

    def generate(self, prompts: Sequence[Rendered], limits: Limits, soft: SoftPrompt | None = None) -> Generated:
        """See `Generates.generate`."""
        tokens = self._asked(prompts, limits.tokens, soft)
        return Generated(tuple(self._written(prompt, limits) for prompt in prompts), tokens)

    def compare(
        self, prompts: Sequence[Rendered], options: Sequence[Sequence[str]], soft: SoftPrompt | None = None
    ) -> Compared:
        """See `Compares.compare`."""
        tokens = tuple(tuple(len(option.split()) for option in own) for own in options)
        for own, counts in zip(options, tokens, strict=True):
            if not counts or not all(counts):
                raise TrialError(f"there are no options, or one has no tokens (got {list(own)!r})")
        counted = self._asked(prompts, max((n for counts in tokens for n in counts), default=0), soft)
        rows = [tuple(self._logliks(prompt, own)) for prompt, own in zip(prompts, options, strict=True)]
        return Compared(tuple(rows), tokens, counted)

    def no_room(self, prompts: Sequence[Rendered], limits: Limits, soft: int = 0) -> str | None:
        """See `Generates.no_room`."""
        longest = self._longest(prompts, ()) + limits.tokens + soft
        return self._too_long(longest) if prompts and longest > self.context else None

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `Embeds.embed`. Hashed words: texts that share words are near each other."""
        out = np.zeros((len(texts), _WIDTH), dtype=np.float32)
        for i, text in enumerate(texts):
            for word in _words(text) or [""]:
                out[i, derive_seed("scripted", word) % _WIDTH] += 1
        norms: Floats = np.linalg.norm(out, axis=1, keepdims=True)
        return out / norms

    def count_tokens(self, prompts: Sequence[Rendered]) -> list[int]:
        """Number of words of each prompt."""
        return [len(prompt.text.split()) for prompt in prompts]

    def answer_tokens(self, _prompt: Rendered, answers: Sequence[str]) -> tuple[int, ...]:
        """Number of words of each answer."""
        return tuple(len(answer.split()) for answer in answers)

    def propose_words(
        self,
        prompts: Sequence[Rendered],
        targets: Sequence[int],
        labels: int,
        count: int,
        gap: str,  # noqa: ARG002
    ) -> list[tuple[str, ...]]:
        """See `ProposesWords.propose_words`: the words of the data that are the most frequent in one label's prompts
        and the rarest in the others'."""
        shares: dict[str, list[float]] = {}
        sizes = Counter(targets)
        for prompt, target in zip(prompts, targets, strict=True):
            for word in set(_words(" ".join(s.text for s in prompt.segments if s.origin.startswith("field:")))):
                shares.setdefault(word, [0.0] * labels)[target] += 1 / sizes[target]
        chosen: list[list[str]] = [[] for _ in range(labels)]
        for _ in range(count):
            for label, words in enumerate(chosen):
                best = min(shares, key=lambda w: (sum(shares[w]) - 2 * shares[w][label], w), default=None)
                if best is not None:
                    words.append(best)
                    del shares[best]
        return [tuple(words) for words in chosen]

    def _asked(self, prompts: Sequence[Rendered], words: int, soft: SoftPrompt | None) -> tuple[int, ...]:
        """Tokens of each prompt; sleeps and fails as the options say. An answer has so many words at most."""
        if soft is not None and soft.base_model != self.fingerprint:
            raise ConfigError(f"the soft prompt was trained on model {soft.base_model}, not on {self.fingerprint}")
        time.sleep(self.seconds)
        counts = tuple(count + (soft.tokens if soft else 0) for count in self.count_tokens(prompts))
        longest = max(counts, default=0) + words
        if prompts and longest > self.context:
            raise TrialError(self._too_long(longest))
        if self.fail_on and any(self.fail_on in prompt.text for prompt in prompts):
            raise TrialError(f"scripted failure: the prompt contains {self.fail_on!r}")
        self.scored += len(prompts)
        return counts

    def _written(self, prompt: Rendered, limits: Limits) -> Completion:
        own = prompt.query or prompt.segments
        query = " ".join(s.text for s in own if s.origin != "template")
        frame = "".join(s.text for s in own if s.origin == "template").strip()
        drawn = f"{limits.seed} {limits.temperature} {limits.top_p}" if limits.temperature else ""
        replies = list(dict.fromkeys(self.replies.values())) or ["nothing"]
        cues = [{cue for cue, text in self.replies.items() if text == reply} for reply in replies]
        reply = replies[self._choice(query + drawn, frame, len(prompt.shots), replies, cues)]
        text = f" {reply}" + self.tail * (limits.tokens if self.tail.strip() else 0)
        words = re.findall(r"\s*\S+", text)[: limits.tokens]
        cut = "".join(words)
        finish = "length" if len(words) == limits.tokens else "end"
        stops = [(at, stop) for stop in limits.stop if (at := cut.find(stop)) >= 0]
        if not stops:
            return Completion(cut, finish, len(words))
        at, stop = min(stops, key=lambda one: one[0])
        return Completion(cut[:at], "stop", len(words), stop)

    def _logliks(self, prompt: Rendered, answers: Sequence[str]) -> list[float]:
        """The chosen answer gets between 0.6 and 0.95 of the probability, the others share the rest."""
        if len(answers) < 2:
            return [0.0] * len(answers)
        demo_ends = [i for i, s in enumerate(prompt.segments) if s.origin == "template" and s.text in answers]
        own = prompt.segments[demo_ends[-1] + 1 if demo_ends else 0 :]
        query = " ".join(s.text for s in own if s.origin != "template")
        frame = "".join(s.text for s in own if s.origin == "template").strip()
        cues = [{self.cues.get(answer.strip(), answer.strip()).lower()} for answer in answers]
        chosen = self._choice(query, frame, len(demo_ends), answers, cues)
        sure = 0.6 + 0.35 * self._draw("sure", query, frame)
        rest = np.log((1 - sure) / (len(answers) - 1))
        return [float(np.log(sure) if i == chosen else rest) for i in range(len(answers))]

    def _choice(self, query: str, frame: str, demos: int, answers: Sequence[str], cues: Sequence[set[str]]) -> int:
        words = set(_words(query))
        order = sorted(range(len(answers)), key=lambda i: self._draw("answer", query, answers[i]))
        right = [i for i in order if cues[i] & words]
        if not right:
            return order[0]
        share = self.skill + self.bonus_per_demo * min(demos, _MOST_DEMOS) + 0.1 * (self._draw("frame", frame) - 0.5)
        if self._draw("hard", query) < min(share, _BEST):
            return right[0]
        return next((i for i in order if i not in right), order[0])

    def _draw(self, *parts: str) -> float:
        """A number between 0 and 1, decided by seed and parts."""
        return derive_seed(self.seed, *parts) / 2**32

    def _longest(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> int:
        answer = max((len(a.split()) for a in answers), default=0)
        return max(self.count_tokens(prompts), default=0) + answer

    def _too_long(self, longest: int) -> str:
        return f"a prompt is too long: {longest} words (the longest answer included), and the context is {self.context}"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
