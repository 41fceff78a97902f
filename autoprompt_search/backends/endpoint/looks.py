"""Short looks at an endpoint before anything is asked of it: whether it is there, and how it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autoprompt_search.backends.endpoint.certificate import SAMPLED, Api, Certificate
from autoprompt_search.backends.endpoint.client import Client, RefusedError, usage_of
from autoprompt_search.backends.endpoint.journal import Usage
from autoprompt_search.backends.endpoint.probe import told
from autoprompt_search.backends.endpoint.requests import ROUTES, Fixed, body_of
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import EndpointError
from autoprompt_search.core.prompts import Rendered

OPENAI = "https://api.openai.com/v1"
_THINKING = 64
"""New tokens that are allowed to a model which thinks first."""


def unreachable(client: Client, model: str) -> list[str]:
    """Why the server cannot be asked, one sentence; [] where it can. Costs nothing."""
    address = client.address
    if address.url == OPENAI and address.key is None:
        return [f"key_from: the environment variable {address.key_from} holds no key"]
    try:
        listed = [str(one.get("id")) for one in client.models()]
    except RefusedError:
        return []
    except EndpointError as exc:
        return [f"base_url: {str(exc).partition('. What was')[0]}"]
    if listed and model not in listed:
        return [f"model: the server has no {model!r}; it has {', '.join(sorted(listed)[:8])}"]
    return []


def unfit(prompts: Sequence[Rendered], answers: Sequence[str]) -> list[str]:
    """What no endpoint can do with these prompts and answers."""
    bare = [answer.strip() for answer in answers]
    problems = [f"the answer {answers[i]!r} has no tokens" for i, text in enumerate(bare) if not text]
    problems += [
        f"the answers {answers[bare.index(text)]!r} and {answers[i]!r} have the same tokens"
        for i, text in enumerate(bare)
        if text and bare.index(text) < i
    ]
    if any(prompt.conversation is not None and prompt.conversation.prefix for prompt in prompts):
        problems.append("an endpoint begins its answers itself: leave layout.answer_prefix at none")
    return problems


def counted_by(client: Client, fixed: Fixed, apis: Sequence[Api], texts: Sequence[str]) -> Certificate:
    """What two requests for one token, of one text and of all, say of how a server counts; else a guess."""
    whole = "\n\n".join(texts)
    for api in apis:
        certificate = Certificate(client.address.shown, fixed.model, apis=(api,), ways=("exact",), chat_ways=("exact",))
        one, all_ = (_count(client, fixed, certificate, text) for text in (texts[0], whole))
        if one and all_ and len(whole) > len(texts[0]):
            rate = max(0.01, (all_ - one) / (len(whole) - len(texts[0])))
            return replace(certificate, tokens_per_character=rate, overhead=max(0, round(one - rate * len(texts[0]))))
        if one:
            return replace(certificate, tokens_per_character=one / max(1, len(texts[0])), overhead=0)
    return Certificate(client.address.shown, fixed.model, ways=("exact",))


def _count(client: Client, fixed: Fixed, found: Certificate, text: str) -> int | None:
    api = found.apis[0]
    body = body_of(told(text, api), Limits(1), replace(found, dropped=SAMPLED), fixed)
    for cap, tokens in (("max_tokens", 1), ("max_completion_tokens", _THINKING)):
        asked = {**{name: value for name, value in body.items() if name != "max_tokens"}, cap: tokens}
        try:
            usage = usage_of(client.ask(ROUTES[api], asked, Usage(len(text), 0, tokens)).body)
        except RefusedError:
            continue
        return usage.prompt if usage else None
    return None
