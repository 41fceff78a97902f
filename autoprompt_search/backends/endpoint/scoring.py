"""Ways to get label log-probabilities out of an endpoint, one prompt at a time. Which of them hold is for the probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_search.backends.endpoint.certificate import Api, Certificate, Way
from autoprompt_search.backends.endpoint.client import Client, RefusedError, usage_of
from autoprompt_search.backends.endpoint.journal import Usage
from autoprompt_search.backends.endpoint.label_tokens import from_tops, named
from autoprompt_search.backends.endpoint.requests import (
    ROUTES,
    Fixed,
    api_of,
    body_of,
    choosing,
    chosen,
    completion_of,
    echoed,
    first_tops,
)
from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.prompts import Rendered, Segment

ONE = Limits(1)
_MOST_TOPS = 20
_MOST_TOPS_OF_TEXT = 5
"""OpenAI's own limit of the old route; servers of one's own have others."""
_ROOM = 12
"""Tokens for an answer that is read as text, beside those of the longest label."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one prompt says of its answers."""

    values: tuple[float, ...]
    """Log-probability of each answer."""
    censored: tuple[bool, ...]
    """Of which only an upper bound is known."""
    prompt_tokens: int
    is_new: bool
    """Whether anything had to be asked."""


class Scoring:
    """Asks for labels.

    Args:
        client: Of the endpoint.
        fixed: What every request says.
        certificate: How it may be asked.
        scope: Of its requests, see `Client.ask`.
    """

    def __init__(self, client: Client, fixed: Fixed, certificate: Certificate, scope: str = "") -> None:
        self.client, self.fixed, self.certificate, self.scope = client, fixed, certificate, scope
        self._ids: dict[str, int | None] = {}

    def row(self, way: Way, prompt: Rendered, answers: Sequence[str]) -> Row | None:
        """The row by one way with probabilities; None where the endpoint does not give it."""
        api = api_of(prompt, self.certificate)
        said = [answer.lstrip() if api == "chat" else answer for answer in answers]
        if way == "exact":
            return self._exact(prompt, api, said)
        if way == "echo":
            return self._echo(prompt, said) if api == "completions" else None
        return self._top(prompt, api, said) if way == "top-k" else None

    def choice(self, way: Way, prompt: Rendered, answers: Sequence[str]) -> tuple[Completion, int, bool]:
        """One of the answers without probabilities, its prompt's tokens, and whether it had to be asked for.

        A text that names none of them comes back as it is.
        """
        bare = [answer.strip() for answer in answers]
        field = self.certificate.structured if way == "constrained" else ""
        cap = Limits(max(map(len, bare)) + _ROOM)
        body = body_of(prompt, cap, self.certificate, self.fixed)
        reply, is_new = self._ask(prompt, {**body, **(choosing(bare, field) if field else {})})
        said = completion_of(reply, cap)
        word = chosen(said.text, bare, field) if field else None
        index = bare.index(word) if word is not None else named(said.text, answers)
        if index is not None:
            said = Completion(answers[index], "end", said.tokens)
        return said, self._tokens(reply, prompt), is_new

    def most(self, prompt: Rendered, tokens: int) -> Usage:
        """What a request may cost: the prompt's tokens by its length, and as many new ones as it may have."""
        return Usage(estimated(self.certificate, prompt), 0, tokens)

    def token_id(self, answer: str) -> int | None:
        """The one token that an answer is; None where it has several, or the server does not say."""
        if answer not in self._ids:
            reply = self.client.free(
                f"{self.client.address.root}/tokenize",
                {"model": self.fixed.model, "prompt": answer, "content": answer, "add_special_tokens": False},
            )
            tokens: list[Any] = list((reply or {}).get("tokens") or [])
            self._ids[answer] = int(tokens[0]) if len(tokens) == 1 and isinstance(tokens[0], int) else None
        return self._ids[answer]

    def _exact(self, prompt: Rendered, api: Api, answers: Sequence[str]) -> Row | None:
        ids = [self.token_id(answer) for answer in answers]
        if None in ids or len(set(ids)) < len(ids):
            return None
        if self.certificate.route == "native":
            return self._native(prompt, ids) if api == "completions" else None
        asked = {"logprob_token_ids": ids, "return_tokens_as_token_ids": True}
        body = {**self._plain(prompt), **_logprobs(api, 1), **asked}
        reply, is_new = self._ask(prompt, body)
        tops = first_tops(reply)
        names = [f"token_id:{number}" for number in ids]
        if not all(name in tops for name in names):
            return None
        values = tuple(tops[name] for name in names)
        return Row(values, tuple(False for _ in values), self._tokens(reply, prompt), is_new)

    def _native(self, prompt: Rendered, ids: Sequence[int | None]) -> Row | None:
        body = {
            "text": prompt.text,
            "sampling_params": {"max_new_tokens": 1, "temperature": 0},
            "return_logprob": True,
            "token_ids_logprob": list(ids),
        }
        url = f"{self.client.address.root}/generate"
        answer = self.client.ask(url, body, self.most(prompt, 1), self.scope)
        rows = (answer.body.get("meta_info") or {}).get("output_token_ids_logprobs") or ()
        logprobs = {one[1]: float(one[0]) for one in rows[0]} if rows and rows[0] else {}
        if not all(number in logprobs for number in ids):
            return None
        values = tuple(logprobs[number] for number in ids if number is not None)
        return Row(values, tuple(False for _ in values), self._tokens(answer.body, prompt), answer.is_new)

    def _echo(self, prompt: Rendered, answers: Sequence[str]) -> Row | None:
        values, any_new, tokens = [], False, 0
        for answer in answers:
            whole = Rendered((Segment(prompt.text + answer),))
            body = {**self._plain(whole), "echo": True, "logprobs": 1}
            reply, is_new = self._ask(whole, body)
            value = echoed(reply, prompt.text, answer)
            if value is None:
                return None
            tokens = max(1, self._tokens(reply, whole) - 1)
            values.append(value)
            any_new = any_new or is_new
        return Row(tuple(values), tuple(False for _ in values), tokens, any_new)

    def _top(self, prompt: Rendered, api: Api, answers: Sequence[str]) -> Row | None:
        body = {**self._plain(prompt), **_logprobs(api, _MOST_TOPS if api == "chat" else _MOST_TOPS_OF_TEXT)}
        reply, is_new = self._ask(prompt, body)
        tops = first_tops(reply)
        if len(tops) < 2:
            return None
        values, censored = from_tops(tops, answers)
        return Row(tuple(values), tuple(censored), self._tokens(reply, prompt), is_new)

    def _plain(self, prompt: Rendered) -> dict[str, Any]:
        return body_of(prompt, ONE, self.certificate, self.fixed)

    def _ask(self, prompt: Rendered, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        cap = int(body.get("max_completion_tokens") or body.get("max_tokens") or 1)
        route = ROUTES[api_of(prompt, self.certificate)]
        answer = self.client.ask(route, body, self.most(prompt, cap), self.scope)
        return answer.body, answer.is_new

    def _tokens(self, made: Mapping[str, Any], prompt: Rendered) -> int:
        usage = usage_of(made)
        return usage.prompt if usage else estimated(self.certificate, prompt)


def estimated(certificate: Certificate, prompt: Rendered) -> int:
    """Tokens of a prompt by its length."""
    return round(len(prompt.text) * certificate.tokens_per_character) + certificate.overhead


def tried(scoring: Scoring, way: Way, prompt: Rendered, answers: Sequence[str]) -> tuple[Row | None, str]:
    """The row by one way, or why there is none."""
    try:
        row = scoring.row(way, prompt, answers)
    except RefusedError as exc:
        return None, f"refused: {exc}"
    return row, "" if row else "not given, though the server answers 200"


def _logprobs(api: Api, most: int) -> dict[str, Any]:
    return {"logprobs": True, "top_logprobs": most} if api == "chat" else {"logprobs": most}
