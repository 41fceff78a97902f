"""A model behind an OpenAI-compatible API. A probe says how it may be asked; a journal keeps every answer."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field

from autoprompt_search.backends.endpoint.certificate import Api, Certificate, Way
from autoprompt_search.backends.endpoint.client import Address, Client, RefusedError, usage_of
from autoprompt_search.backends.endpoint.journal import Journal, Spent, Tariff, Usage, tallied
from autoprompt_search.backends.endpoint.looks import OPENAI, counted_by, unfit, unreachable
from autoprompt_search.backends.endpoint.pricing import cached_part, estimate_of, price_of, probe_estimate
from autoprompt_search.backends.endpoint.probe import Prober
from autoprompt_search.backends.endpoint.requests import ROUTES, Fixed, api_of, body_of, cap_of, completion_of
from autoprompt_search.backends.endpoint.scoring import Row, Scoring, estimated
from autoprompt_search.backends.endpoint.surroundings import Surroundings, cost_of
from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Generated, Scored

T = TypeVar("T")
_COUNTED = 8
"""Prompts that are counted in one request before a probe."""


class OpenAIBackend:
    """Implements `Backend`, `Scores`, `Generates`, `Chooses`, `Prices` and `Meters`.

    The first use probes the endpoint, unless both `api` and `scoring` are named, or the journal holds its certificate.

    Args:
        model: Its name at the server.
        base_url: Of the server, with `/v1`.
        key_from: Environment variable that holds the key. Nothing else may.
        api: `chat` or `completions`; `auto` reads plain prompts on where the server can, and asks in turns elsewhere.
        scoring: How labels are scored: `exact`, `echo`, `top-k`, `constrained` or `text`; `auto` takes the first that
            the probe verifies.
        prices: US dollars per million tokens: `prompt`, `cached` and `completion`, of the tier that is used.
        service_tier: Sent along, e.g. `flex`, where the server offers cheaper slow answers.
        context: Longest prompt with its answer, in tokens; None leaves it to the probe.
        timeout: Seconds until an answer begins.
        patience: Seconds for which one request is tried again while the server is busy or away.
        extra: Further fields of every request, e.g. `{reasoning_effort: none}`.
        certificate: What a probe found, as exported prompts hold it; it is then not probed again.
        surroundings: Injected.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str = OPENAI,
        key_from: str = "OPENAI_API_KEY",
        api: Literal["auto", "chat", "completions"] = "auto",
        scoring: Literal["auto", "exact", "echo", "top-k", "constrained", "text"] = "auto",
        prices: Mapping[Literal["prompt", "cached", "completion"], Annotated[float, Field(ge=0)]] | None = None,
        service_tier: str | None = None,
        context: Annotated[int, Field(ge=1)] | None = None,
        timeout: Annotated[float, Field(gt=0)] = 120.0,
        patience: Annotated[float, Field(ge=0)] = 600.0,
        extra: Mapping[str, Any] | None = None,
        certificate: Mapping[str, Any] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("base_url: must be the http(s) address of a server, such as http://127.0.0.1:8000/v1")
        around = surroundings or Surroundings()
        self.address = Address(base_url.rstrip("/"), key_from, timeout, patience)
        self.tariff = Tariff(**{str(name): price for name, price in prices.items()}) if prices else None
        self.around = around
        self._probing, self._given = Lock(), certificate
        self._counted_first: Certificate | None = None
        self._api, self._wanted, self._context = api, scoring, context
        self._fixed = Fixed(model, {**(extra or {}), **({"service_tier": service_tier} if service_tier else {})})

    @cached_property
    def journal(self) -> Journal:
        """Every answer, and what it cost."""
        return Journal(self.around.journal, tariff=self.tariff, caps=self.around.caps)

    @cached_property
    def client(self) -> Client:
        """The connection."""
        return Client(self.address, self.journal, self.around.concurrency)

    @property
    def fingerprint(self) -> str:
        """Hash of the address without secrets, the model, and how the probe says that it is asked."""
        return fingerprint(["openai", self.certificate.identity, dict(self._fixed.extra)])

    @cached_property
    def certificate(self) -> Certificate:
        """What is known of the endpoint: from the journal, else from the options, else from a probe."""
        with self._probing:
            certificate = self._certificate()
        self.client.served = certificate.served
        return certificate

    def _certificate(self) -> Certificate:
        if self._given:
            return Certificate.from_plain(self._given)
        if kept := self._kept:
            return self._narrowed(kept)
        if self._api != "auto" and self._wanted != "auto":
            ways: tuple[Way, ...] = (self._wanted,)
            return Certificate(self.address.shown, self._fixed.model, apis=(self._api,), ways=ways, chat_ways=ways)
        certificate = self.probe()
        self.journal.remember(self._name, certificate.plain())
        return self._narrowed(certificate)

    @property
    def _name(self) -> str:
        """The name of the certificate in the journal."""
        return fingerprint(["certificate", self.address.shown, self._fixed.model, self._api, dict(self._fixed.extra)])

    def probe(self, longest: int = 0) -> Certificate:
        """Probe it now. `longest`: tokens of the longest prompt that will be asked; 0 for those of the search."""
        apis: tuple[Api, ...] = ("completions", "chat") if self._api == "auto" else (self._api,)
        return Prober(self.client, self._fixed, apis, longest or self.around.longest // 3).run()

    def _narrowed(self, found: Certificate) -> Certificate:
        """The certificate with the wanted way alone, where one is wanted."""
        if self._wanted == "auto":
            return found
        if self._wanted not in (*found.ways, *found.chat_ways):
            known = ", ".join(dict.fromkeys((*found.ways, *found.chat_ways)))
            raise ConfigError(
                f"backend.scoring: the endpoint does not score labels by {self._wanted!r}; it does by {known}"
            )
        keep = {n: tuple(w for w in getattr(found, n) if w == self._wanted) or ("text",) for n in ("ways", "chat_ways")}
        return Certificate.from_plain({**found.plain(), **keep})

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """See `Backend.problems`. Without prompts it looks whether the server answers, which costs nothing."""
        if soft:
            return ["an endpoint takes no soft prompts"]
        if not prompts and not answers:
            return unreachable(self.client, self._fixed.model)
        longest = max((len(answer) for answer in answers), default=0)
        line = self.no_room(prompts, Limits(max(1, longest // 4))) if prompts else None
        return unfit(prompts, answers) + ([line] if line else [])

    @property
    def gives_probabilities(self) -> bool:
        """See `Chooses`."""
        return self.certificate.way in ("exact", "echo", "top-k")

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`. One request per prompt; by echo one per prompt and answer."""
        self._check(prompts, Limits(1), soft)
        scoring = Scoring(self.client, self._fixed, self.certificate)
        with tallied() as tally:
            rows = self._spread(prompts, lambda prompt: self._row(scoring, prompt, answers))
        values = np.array([row.values for row in rows], dtype=np.float32).reshape(len(prompts), len(answers))
        censored = tuple(row.censored for row in rows) if any(any(row.censored) for row in rows) else ()
        tokens = tuple(row.prompt_tokens for row in rows)
        return Scored(
            np.minimum(values, 0), tokens, self._new([row.is_new for row in rows], prompts), self._cost(tally), censored
        )

    def choose(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Generated:
        """See `Chooses.choose`."""
        self._check(prompts, Limits(1), soft)
        scoring = Scoring(self.client, self._fixed, self.certificate)

        def one(prompt: Rendered) -> tuple[Completion, int, bool]:
            way = next(way for way in self._ways(prompt) if way in ("constrained", "text"))
            return self._plainly(prompt, lambda: scoring.choice(way, prompt, answers))

        return self._generated(prompts, one)

    def generate(self, prompts: Sequence[Rendered], limits: Limits, soft: SoftPrompt | None = None) -> Generated:
        """See `Generates.generate`."""
        self._check(prompts, limits, soft)
        return self._generated(prompts, lambda prompt: self._text(prompt, limits))

    def no_room(self, prompts: Sequence[Rendered], limits: Limits, soft: int = 0) -> str | None:  # noqa: ARG002
        """See `Generates.no_room`."""
        context = self._context or self._found_context
        if context is None or not prompts:
            return None
        longest = max(prompts, key=lambda prompt: len(prompt.text))
        if len(longest.text) + limits.tokens < context:  # no tokenizer makes more tokens than characters
            return None
        most = self.count_tokens([longest])[0] + limits.tokens
        if most <= context:
            return None
        return f"a prompt is too long: {most} tokens (the longest answer included), and the context is {context}"

    @property
    def _found_context(self) -> int | None:
        """What the probe found, where there has been one: to look at a prompt starts none."""
        return self.certificate.context if "certificate" in self.__dict__ else None

    def count_tokens(self, prompts: Sequence[Rendered]) -> list[int]:
        """Tokens of each prompt: as the server counts plain ones where it does so for nothing, else by their length."""
        known = self._known
        return [self._counted(prompt, known) for prompt in prompts]

    def _counted(self, prompt: Rendered, known: Certificate) -> int:
        if known.tokenizes and api_of(prompt, known) == "completions":
            body = {"model": self._fixed.model, "prompt": prompt.text, "content": prompt.text}
            reply = self.client.free(f"{self.address.root}/tokenize", body) or {}
            if tokens := reply.get("tokens"):
                return len(tokens)
        return estimated(known, prompt)

    def estimate(self, prompts: Sequence[Rendered], written: int, answers: int) -> Mapping[str, float]:
        """See `Estimates.estimate`. Before the endpoint was probed lengths are guessed."""
        self._count_once(prompts)
        return estimate_of(self.tariff, self._known, self.count_tokens(prompts), prompts, (written, answers))

    def estimate_probe(self, longest: int) -> Mapping[str, float]:
        """See `Estimates.estimate_probe`."""
        is_known = "certificate" in self.__dict__ or bool(self._kept)
        return probe_estimate(self.tariff, self._known, longest, is_known=is_known)

    @property
    def _known(self) -> Certificate:
        """The certificate, or what one question says beforehand of how the server counts."""
        certificate: Certificate | None = self.__dict__.get("certificate")
        return certificate or self._kept or self._counted_first or Certificate(self.address.shown, self._fixed.model)

    @property
    def _kept(self) -> Certificate | None:
        kept = self.journal.fact(self._name)
        return Certificate.from_plain(kept) if kept else None

    def _count_once(self, prompts: Sequence[Rendered]) -> None:
        """Let the server count some prompts at once, where nothing is known of it: two requests for one token."""
        if self._counted_first is None and "certificate" not in self.__dict__ and not self._kept:
            apis: tuple[Api, ...] = ("completions", "chat") if self._api == "auto" else (self._api,)
            self._counted_first = counted_by(self.client, self._fixed, apis, [p.text for p in prompts[:_COUNTED]])

    def price(self, prompts: Sequence[Rendered], completion_tokens: float, answers: int) -> float | None:
        """See `Prices.price`."""
        if self.tariff is None:
            return None
        known = self.certificate
        lengths = [estimated(known, prompt) for prompt in prompts]
        calls = answers if answers and known.way == "echo" else 1
        return calls * price_of(self.tariff, known, lengths, cached_part([p.text for p in prompts]), completion_tokens)

    def _row(self, scoring: Scoring, prompt: Rendered, answers: Sequence[str]) -> Row:
        def ask() -> Row:
            for way in self._ways(prompt):
                if way in ("constrained", "text"):
                    break
                if (row := scoring.row(way, prompt, answers)) is not None:
                    return row
            raise TrialError(
                "the endpoint gives no probabilities of these answers, by none of the ways it was probed for"
            )

        return self._plainly(prompt, ask)

    def _text(self, prompt: Rendered, limits: Limits) -> tuple[Completion, int, bool]:
        def ask() -> tuple[Completion, int, bool]:
            body = body_of(prompt, limits, self.certificate, self._fixed)
            api = api_of(prompt, self.certificate)
            most = Scoring(self.client, self._fixed, self.certificate).most(prompt, cap_of(limits, self.certificate))
            answer = self.client.ask(ROUTES[api], body, most)
            usage = usage_of(answer.body)
            tokens = usage.prompt if usage else estimated(self.certificate, prompt)
            return completion_of(answer.body, limits), tokens, answer.is_new

        return self._plainly(prompt, ask)

    def _ways(self, prompt: Rendered) -> tuple[Way, ...]:
        return self.certificate.ways_of(api_of(prompt, self.certificate))

    def _check(self, prompts: Sequence[Rendered], limits: Limits, soft: SoftPrompt | None) -> None:
        if soft is not None:
            raise ConfigError(
                f"the soft prompt was trained on {soft.base_model}, another model; an endpoint takes none"
            )
        if prompts:
            _ = self.certificate
            if line := self.no_room(prompts, limits):
                raise TrialError(line)

    def _plainly(self, prompt: Rendered, ask: Callable[[], T]) -> T:
        """A refusal is about this prompt: its trial fails, the search goes on."""
        try:
            return ask()
        except RefusedError as exc:
            raise TrialError(f"the endpoint refuses a prompt of {len(prompt.text)} characters: {exc}") from exc

    def _spread(self, prompts: Sequence[Rendered], one: Callable[[Rendered], T]) -> list[T]:
        """`one` of every prompt, equal ones once: the first alone, so that its beginning is cached, then all others.

        Whatever was answered when one fails is in the journal.
        """
        distinct = list(dict.fromkeys(prompts))
        if not distinct:
            return []
        answers = {distinct[0]: one(distinct[0])}
        rest = sorted(distinct[1:], key=lambda prompt: prompt.text)
        if rest:
            with ThreadPoolExecutor(min(len(rest), self.around.concurrency)) as pool:
                begun = [pool.submit(contextvars.copy_context().run, one, prompt) for prompt in rest]
                try:
                    answers |= {prompt: future.result() for prompt, future in zip(rest, begun, strict=True)}
                except BaseException:  # Ctrl-C too: what is not yet asked is not asked any more
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        return [answers[prompt] for prompt in prompts]

    def _generated(
        self, prompts: Sequence[Rendered], one: Callable[[Rendered], tuple[Completion, int, bool]]
    ) -> Generated:
        with tallied() as tally:
            answers = self._spread(prompts, one)
        tokens = tuple(count for _, count, _ in answers)
        new = self._new([new for *_, new in answers], prompts)
        return Generated(tuple(said for said, _, _ in answers), tokens, new, self._cost(tally))

    def _cost(self, usages: Sequence[Usage]) -> Cost:
        return cost_of(Spent.of(usages, self.journal.tariff))

    def metered(self) -> Mapping[str, Cost]:
        """See `Meters.metered`."""
        return {name: cost_of(spent) for name, spent in self.journal.by_purpose().items()}

    def description(self) -> Mapping[str, Any]:
        """See `Meters.description`."""
        return {**self.certificate.plain(), "table": [list(row) for row in self.certificate.rows]}

    def settled(self) -> Mapping[str, Any]:
        """See `Meters.settled`."""
        return {"certificate": self.certificate.plain()}

    def _new(self, is_new: Sequence[bool], prompts: Sequence[Rendered]) -> int:
        """Distinct prompts that were really asked."""
        return len({prompt for prompt, new in zip(prompts, is_new, strict=True) if new})
