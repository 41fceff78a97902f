"""Prompts to request bodies, and answers to texts and probabilities. Pure functions; knows no HTTP and no probe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_search.backends.endpoint.certificate import Api, Certificate
from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.prompts import Rendered

ROUTES: Mapping[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
_FINISHES = {"length": "length", "content_filter": "filter"}
_ANSWER = "answer"
_THOUGHTS = 8
"""So many times as long as those of the probe may thoughts be."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What every request of a search says."""

    model: str
    extra: Mapping[str, Any]
    """Further fields, from the file."""


def api_of(prompt: Rendered, certificate: Certificate) -> Api:
    """The route of a prompt: conversations have one, plain texts are read on where the server can."""
    return "chat" if prompt.conversation is not None or "completions" not in certificate.apis else "completions"


def body_of(prompt: Rendered, limits: Limits, certificate: Certificate, fixed: Fixed) -> dict[str, Any]:
    """A request for text. Every sampling field is said: servers have defaults of their own."""
    api = api_of(prompt, certificate)
    cap = certificate.cap_field if api == "chat" else "max_tokens"
    asked: dict[str, Any] = {"messages": messages(prompt)} if api == "chat" else {"prompt": prompt.text}
    said = {
        cap: cap_of(limits, certificate),
        "temperature": limits.temperature,
        "top_p": limits.top_p,
        "seed": limits.seed if limits.temperature else 0,
        **({"stop": list(limits.stop)} if limits.stop else {}),
    }
    kept = {name: value for name, value in said.items() if name not in certificate.dropped}
    return {"model": fixed.model, **asked, **kept, **fixed.extra}


def cap_of(limits: Limits, certificate: Certificate) -> int:
    """Most new tokens: those of the answer, and room for thoughts that nobody sees."""
    return limits.tokens + _THOUGHTS * certificate.thinks


def messages(prompt: Rendered) -> list[dict[str, str]]:
    """The conversation; a plain text is one message of a user."""
    if prompt.conversation is not None:
        return prompt.conversation.messages
    return [{"role": "user", "content": prompt.text}]


def choosing(choices: Sequence[str], field: str) -> dict[str, Any]:
    """Fields that leave a model only these choices."""
    if field == "structured_outputs":
        return {"structured_outputs": {"choice": list(choices)}}
    schema = {
        "type": "object",
        "properties": {_ANSWER: {"type": "string", "enum": list(choices)}},
        "required": [_ANSWER],
        "additionalProperties": False,
    }
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": _ANSWER, "strict": True, "schema": schema}}
    }


def chosen(text: str, choices: Sequence[str], field: str) -> str | None:
    """The choice that an answer names; None where the server did not keep to them."""
    if field == "response_format":
        try:
            content = json.loads(text)
        except ValueError:
            return None
        text = content.get(_ANSWER, "") if isinstance(content, dict) else ""
    return text if text in choices else None


def completion_of(made: Mapping[str, Any], limits: Limits) -> Completion:
    """The text of an answer. It is cut here too where a stop string is left in it."""
    choice = made["choices"][0]
    message = choice.get("message") or {}
    refusal = message.get("refusal")
    text = message.get("content") if "message" in choice else choice.get("text")
    text = str(text or "")
    usage = made.get("usage") or {}
    hidden = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    tokens = max(0, int(usage.get("completion_tokens") or 0) - int(hidden))
    places = [at for at in map(text.find, limits.stop) if at >= 0]
    if places:
        return Completion(text[: min(places)], "stop", tokens)
    if refusal:
        return Completion(str(refusal), "filter", tokens)
    is_stop = isinstance(choice.get("stop_reason"), str)
    finish = "stop" if is_stop else _FINISHES.get(str(choice.get("finish_reason")), "end")
    return Completion(text, finish, tokens)


def first_tops(made: Mapping[str, Any]) -> dict[str, float]:
    """Token -> log-probability of the first new token, as far as the answer tells; {} where it tells nothing."""
    logprobs = made["choices"][0].get("logprobs") or {}
    content = logprobs.get("content")
    if content:
        first = content[0]
        found = {str(one["token"]): float(one["logprob"]) for one in first.get("top_logprobs") or ()}
        return {**found, str(first["token"]): float(first["logprob"])}
    tops, tokens = logprobs.get("top_logprobs") or (), logprobs.get("tokens") or ()
    if tops and isinstance(tops[0], Mapping):
        return {str(token): float(value) for token, value in tops[0].items()}
    values = logprobs.get("token_logprobs") or ()
    return {str(tokens[0]): float(values[0])} if tokens and values and values[0] is not None else {}


def echoed(made: Mapping[str, Any], prompt: str, answer: str) -> float | None:
    """Log-probability of the answer in a prompt that was read back; None where it was not, or not as a whole."""
    logprobs = made["choices"][0].get("logprobs") or {}
    tokens, values = logprobs.get("tokens") or (), logprobs.get("token_logprobs") or ()
    if not tokens or len(tokens) != len(values):
        return None
    whole, end, total, seen = prompt + answer, 0, 0.0, 0
    for token, value in zip(tokens, values, strict=True):
        start, end = end, end + len(str(token))
        if start >= len(whole):
            break
        if whole[start:end] != str(token)[: len(whole) - start]:
            return None
        if end > len(prompt):
            if value is None:
                return None
            total, seen = total + float(value), seen + 1
    return total if seen and end >= len(whole) else None
