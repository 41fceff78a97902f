"""Finds out by answers, not by status codes, how an endpoint may be asked and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autoprompt_search.backends.endpoint.certificate import SAMPLED, Api, Certificate, Way
from autoprompt_search.backends.endpoint.client import Client, RefusedError, usage_of
from autoprompt_search.backends.endpoint.requests import ROUTES, Fixed, body_of, cap_of, choosing, chosen, completion_of
from autoprompt_search.backends.endpoint.scoring import Row, Scoring, tried
from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.chat import Conversation, Segment, Turn
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.purpose import PROBE, purpose

ITEMS = 16
"""Prompts that are asked twice at temperature 0."""
STORY = "Tell a short story about {}."
THINGS = "a lamp;a mill;two brothers;the sea;a lost key;winter;a train;bread;an old map;a dog;the moon;a garden;a bell;"
THINGS += "a letter;a bridge;rain"
_QUESTION = "Is a stone heavier than a feather? Answer with yes or no.{}Answer:"
_WORDS = (" yes", " no")
_CHOICES = (("umbrella", "granite"), ("violet", "harbour"))
_LONG = 6000
"""Tokens of the longest prompt that a probe sends, where nobody says more."""
_ONE, _FEW, _MANY = Limits(1), Limits(24), Limits(1024)
_FIELDS = ("max_tokens", *SAMPLED, "stop", "logprobs")


class Prober:
    """One probe.

    Args:
        client: Of the endpoint.
        fixed: What every request says.
        apis: Routes to look at.
        longest: Tokens of the longest prompt that will be asked; 0 for 6,000.
    """

    def __init__(self, client: Client, fixed: Fixed, apis: Sequence[Api], longest: int = 0) -> None:
        self._client, self._fixed, self._apis, self._longest = client, fixed, tuple(apis), longest or _LONG
        self._found = Certificate(client.address.shown, fixed.model)
        self._limits = _FEW
        self._asked = 0

    def run(self) -> Certificate:
        """The certificate. Raises `ConfigError` for a model that the server does not have."""
        with purpose(PROBE):
            self._meet()
            self._lengths()
            self._system()
            self._labels()
            self._stops()
            self._sampling()
            self._repeats()
        return self._found

    def _meet(self) -> None:
        """Which routes there are, what they refuse, and who answers."""
        listed = {str(one.get("id")): one for one in self._listed()}
        owner = str(listed.get(self._fixed.model, {}).get("owned_by", ""))
        there: list[Api] = []
        for api in self._apis:
            self._found = replace(self._found, apis=(api,))
            try:
                answer = self._agreed(told(STORY.format("a lamp"), api))
            except RefusedError as exc:
                problem = exc
                self._say(f"{api} route", f"refused: {exc}" if exc.status != 404 else "absent")
                if exc.status == 404 and listed and self._fixed.model not in listed:
                    names = ", ".join(sorted(listed)[:8])
                    raise ConfigError(
                        f"backend.model: the server has no {self._fixed.model!r}; it has {names}"
                    ) from None
                continue
            there.append(api)
            usage = answer.get("usage") or {}
            thinks = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
            self._found = replace(self._found, served=str(answer.get("model") or ""), owner=owner, thinks=int(thinks))
        if not there:
            raise ConfigError(f"backend.model: the endpoint does not answer for {self._fixed.model!r}: {problem}")
        ordered = tuple(api for api in ("completions", "chat") if api in there)
        self._found = replace(self._found, apis=ordered)
        if self._found.thinks:
            self._say("thinks before it answers", f"yes, {self._found.thinks} tokens that are paid and not shown")
            self._limits = _FEW
        said = self._found.dropped
        self._say("fields it refuses", f"{', '.join(said)}: left out" if said else "none of ours")

    def _agreed(self, prompt: Rendered) -> Mapping[str, Any]:
        """An answer, after leaving out one by one what the server refuses by name."""
        for _ in _FIELDS:
            try:
                answer = self._answer(prompt, self._limits)
            except RefusedError as exc:
                field = exc.field if exc.field in _FIELDS else next((f for f in _FIELDS if f in str(exc)), None)
                if field is None or field in self._found.dropped or exc.status == 404:
                    raise
                if field == "max_tokens":
                    self._found = replace(self._found, cap_field="max_completion_tokens")
                else:
                    self._found = replace(self._found, dropped=(*self._found.dropped, field))
            else:
                if completion_of(answer, self._limits).text or self._limits is _MANY:
                    return answer
                self._limits = _MANY
        return self._answer(prompt, self._limits)

    def _lengths(self) -> None:
        """Whether `usage` counts every token, so that nothing is cut in silence; and whether beginnings are cached."""
        counts = {n: self._count(_filler(n)) for n in (100, 400)}
        if None in counts.values():
            self._say("counts of tokens", "the server gives none: what a search costs is estimated")
            return
        few, many = (counts[n] or 0 for n in (100, 400))
        per_word = max((many - few) / 300, 0.01)
        overhead = max(0, round(few - 100 * per_word))
        per_character = per_word * 300 / (len(_filler(400)) - len(_filler(100)))
        prose = self._prose(overhead)
        self._found = replace(self._found, tokens_per_character=max(per_character, prose), overhead=overhead)
        words = max(500, int(self._longest / per_word))
        wanted = overhead + per_word * words
        long = self._count(_filler(words))
        if long is None:
            self._found = replace(self._found, context=int(wanted) - 1)
            self._say("long prompts", f"refused at {wanted:,.0f} tokens")
        elif long < 0.95 * wanted:
            self._found = replace(self._found, context=long)
            self._say("long prompts", f"cut in silence at {long:,} tokens: longer ones are not sent")
        else:
            self._say("long prompts", f"read as a whole, up to {long:,} tokens at least")
        self._caching(words if long else 0)

    def _caching(self, words: int) -> None:
        """Whether the second time costs less: of a short prompt, of one that OpenAI's own servers cache, of neither."""
        for count, least, step in ((400, 16, 16), (words, 1024, 128)):
            again = usage_of(self._answer(self._told(_filler(count)), _ONE)) if count else None
            if again and again.cached:
                self._found = replace(self._found, cache_from=least, cache_step=step)
                at_least = "" if count == 400 else " of prompts that are long"
                self._say("cached beginnings", f"yes{at_least}: {again.cached:,} of {again.prompt:,} tokens")
                return
        self._say("cached beginnings", "none reported")

    def _prose(self, overhead: int) -> float:
        text = " ".join(STORY.format(thing) for thing in THINGS.split(";"))
        count = self._count(text)
        return ((count or 0) - overhead) / len(text)

    def _system(self) -> None:
        """Whether a system message is read, and whether one is added where there is none."""
        if "chat" not in self._found.apis:
            return
        user = Turn("user", (Segment("Say hello."),))
        counts = []
        for system in ("", ".", "You speak of nothing but ships, sails, ropes and the weather of the open sea."):
            turns = (Turn("system", (Segment(system),)), user) if system else (user,)
            counts.append(self._count_of(Rendered(user.segments, conversation=Conversation(turns))))
        none, short, long = (count or 0 for count in counts)
        if not long:
            return
        self._say("system message", "dropped: put the instruction into the user's message" if long <= short else "read")
        if none > short:
            self._say("hidden system message", f"yes, about {none - short} tokens where we send none")
        else:
            self._say("hidden system message", "none")

    def _labels(self) -> None:
        """Which ways to score labels hold, for plain prompts and for conversations."""
        ways: dict[Api, tuple[Way, ...]] = {}
        for api in self._found.apis:
            prompt = told(_QUESTION.format("\n" if api == "completions" else " "), api)
            ways[api] = self._ways(prompt, api)
        plain = ways.get("completions") or ways["chat"]
        self._found = replace(self._found, ways=plain, chat_ways=ways.get("chat", ("text",)))

    def _ways(self, prompt: Rendered, api: Api) -> tuple[Way, ...]:
        ways: list[Way] = []
        rows: dict[Way, Row] = {}
        for way in ("exact", "echo", "top-k"):
            row, reason = self._exact(prompt) if way == "exact" else tried(self._scoring(), way, prompt, _WORDS)
            if row is not None and not _is_sound(row):
                row, reason = None, "given, but the numbers are no probabilities"
            if row is not None and "exact" in rows and way == "echo" and not _agree(row, rows["exact"]):
                row, reason = None, "given, but not those of the same tokens asked for by number"
            if row is not None:
                rows[way] = row
                ways.append(way)
            if api == self._found.apis[0] or way != "echo":
                self._say(f"labels by {way} ({api})", "verified" if row else reason)
        structured = self._structured(prompt)
        if structured:
            self._found = replace(self._found, structured=structured)
            ways.append("constrained")
        self._say(f"labels by choice ({api})", f"kept ({structured})" if structured else "not kept")
        return (*ways, "text")

    def _exact(self, prompt: Rendered) -> tuple[Row | None, str]:
        routes = [self._found.route] if self._found.route else ["field", "native"]
        reason = "not given"
        if self._scoring().token_id(_WORDS[0]) is None:
            return None, "the server does not tell the numbers of tokens"
        self._found = replace(self._found, tokenizes=True)
        for route in routes:
            before, self._found = self._found, replace(self._found, route=route)
            row, reason = tried(self._scoring(), "exact", prompt, _WORDS)
            if row is not None:
                return row, ""
            self._found = before
        return None, reason

    def _structured(self, prompt: Rendered) -> str:
        """The field that keeps answers to the choices, shown twice by choices that nobody would answer with."""
        for field in ("response_format", "structured_outputs"):
            if all(self._keeps(prompt, choices, field) for choices in _CHOICES):
                return field
        return ""

    def _keeps(self, prompt: Rendered, choices: Sequence[str], field: str) -> bool:
        limits = Limits(32)
        try:
            answer = self._answer(prompt, limits, choosing(choices, field))
        except RefusedError:
            return False
        return chosen(completion_of(answer, limits).text, choices, field) is not None

    def _stops(self) -> None:
        whole = self._text(STORY.format("a lamp"))
        words = whole.split()
        if "stop" in self._found.dropped or len(words) < 4:
            self._say(
                "stop strings", "refused: texts are cut here" if len(words) >= 4 else "not known: texts too short"
            )
            return
        stop = f" {words[len(words) // 2]}"
        limits = replace(self._limits, stop=(stop,))
        try:
            answer = self._answer(self._told(STORY.format("a lamp")), limits)
        except RefusedError:
            self._found = replace(self._found, dropped=(*self._found.dropped, "stop"))
            self._say("stop strings", "refused: texts are cut here")
            return
        said = completion_of(answer, self._limits).text
        at = whole.find(stop)
        if said == whole[:at]:
            self._say("stop strings", "kept")
        elif said == whole[: at + len(stop)] or stop in said[-len(stop) - 8 :]:
            self._say("stop strings", "kept, and left in the text: cut here")
        else:
            self._say("stop strings", "ignored: texts are cut here, and paid as a whole")

    def _sampling(self) -> None:
        dropped = [name for name in SAMPLED if name in self._found.dropped]
        if "temperature" in dropped:
            self._say("sampling", "refused: temperature cannot be set")
            return
        story = STORY.format("a mill")
        greedy = self._text(story)
        drawn = [self._text(story, temperature=1.5, seed=seed) for seed in (1, 2, 3)]
        again = self._text(story, temperature=1.5, seed=1)
        narrow = self._text(story, temperature=1.5, seed=4, top_p=0.01)
        said = {
            "temperature": len(set(drawn)) > 1,
            "seed": again == drawn[0],
            "top_p": narrow == greedy,
        }
        if not said["temperature"]:
            self._say("sampling", "ignored: three seeds at temperature 1.5 give one text")
            return
        self._say("sampling", "; ".join(f"{n} {'obeyed' if is_so else 'not obeyed'}" for n, is_so in said.items()))

    def _repeats(self) -> None:
        """The A/A comparison: equal prompts at temperature 0, first unknown to the server, then known to it."""
        things = THINGS.split(";")[:ITEMS]
        begin = "Below is a wish. Fulfil it in a few words, without preface.\n\n"
        texts = [begin + STORY.format(thing) for thing in things]
        cold, warm = ([self._text(text) for text in texts] for _ in range(2))
        differ = sum(a != b for a, b in zip(cold, warm, strict=True))
        says = f"{ITEMS - differ} of {ITEMS} texts come again"
        more = "" if not differ else ": scores of one prompt differ by themselves, cold and warm; small gains mean less"
        self._say("temperature 0", says + more)

    def _listed(self) -> list[Mapping[str, Any]]:
        try:
            return self._client.models()
        except RefusedError:
            return []

    def _scoring(self) -> Scoring:
        return Scoring(self._client, self._fixed, self._found, self._scope())

    def _scope(self) -> str:
        """Every question of a probe is really asked."""
        self._asked += 1
        return f"probe {self._asked}"

    def _answer(self, prompt: Rendered, limits: Limits, more: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        body = {**body_of(prompt, limits, self._found, self._fixed), **(more or {})}
        api: Api = "chat" if "messages" in body else "completions"
        scoring = self._scoring()
        return self._client.ask(
            ROUTES[api], body, scoring.most(prompt, cap_of(limits, self._found)), self._scope()
        ).body

    def _told(self, text: str) -> Rendered:
        return told(text, self._found.apis[0])

    def _text(self, text: str, **limits: Any) -> str:
        wanted = replace(self._limits, **limits)
        said: Completion = completion_of(self._answer(self._told(text), wanted), wanted)
        return said.text

    def _count(self, text: str) -> int | None:
        return self._count_of(self._told(text))

    def _count_of(self, prompt: Rendered) -> int | None:
        """Tokens of a prompt as the server counts them; None where it does not, or does not take the prompt."""
        try:
            usage = usage_of(self._answer(prompt, _ONE))
        except RefusedError:
            return None
        return usage.prompt if usage else None

    def _say(self, question: str, answer: str) -> None:
        self._found = replace(self._found, findings={**self._found.findings, question: answer})


def told(text: str, api: Api) -> Rendered:
    """A text as one route takes it."""
    segments = (Segment(text),)
    return Rendered(segments, conversation=Conversation((Turn("user", segments),)) if api == "chat" else None)


def _filler(words: int) -> str:
    return "river " * (words - 1) + "river"


def _is_sound(row: Row) -> bool:
    whole = math.fsum(math.exp(value) for value, bound in zip(row.values, row.censored, strict=True) if not bound)
    return all(math.isfinite(value) and value <= 1e-3 for value in row.values) and whole <= 1.01


def _agree(row: Row, other: Row) -> bool:
    return all(abs(math.exp(a) - math.exp(b)) < 0.05 for a, b in zip(row.values, other.values, strict=True))
