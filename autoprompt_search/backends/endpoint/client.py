"""One request after another to one server: the official client, with retries, a gate and a meter of our own.

The client's own retries are off: they would hide what was spent. No message holds the key, or what a server repeats of
it.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import openai

from autoprompt_search.backends.endpoint.gate import Gate
from autoprompt_search.backends.endpoint.journal import Journal, Usage
from autoprompt_search.core.errors import EndpointError, SearchError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.retry import Patience

NO_KEY = "none"
"""Is sent where the environment names no key: servers of one's own want none."""
_FOREVER = frozenset(("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"))
"""Codes of a 429 that waiting does not heal."""
_WAITS = Patience(tries=0, first=0.2, longest=20.0)
_MOST_SHOWN = 200


class RefusedError(SearchError):
    """The server does not take this request (400, 404, 422); another one may be taken."""

    def __init__(self, message: str, *, status: int, field: str = "") -> None:
        super().__init__(message)
        self.status, self.field = status, field
        """The field at fault, where the server names one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON body, and whether it had to be asked for."""

    body: Mapping[str, Any]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Address:
    """A server and the variable that holds its key."""

    url: str
    key_from: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    """Seconds until the answer begins, and between its parts."""
    patience: float = 600.0
    """Seconds for which one request is tried again."""

    @property
    def shown(self) -> str:
        """The URL without user, password and query: what may be written down."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
        return urlunsplit(
            (parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path.rstrip("/"), "", "")
        )

    @property
    def root(self) -> str:
        """The address below which servers have routes of their own, beside `/v1`."""
        return self.url.rstrip("/").removesuffix("/v1")

    @property
    def key(self) -> str | None:
        """The key; None where the environment has none."""
        return os.environ.get(self.key_from) or None


class Client:
    """Sends requests. Safe for threads.

    Args:
        address: Of the server.
        journal: Keeps answers and what they cost.
        most: Requests at a time at most.
    """

    def __init__(self, address: Address, journal: Journal, most: int) -> None:
        self.address, self.journal, self.gate = address, journal, Gate(most)
        self._rng = random.Random()
        self._seen = threading.local()
        self.served = ""
        """The name that answers must bear; empty for any."""
        self._client = openai.OpenAI(
            base_url=address.url,
            api_key=address.key or NO_KEY,
            max_retries=0,
            timeout=address.timeout,
            organization=None,
            project=None,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [self._see_head]}),
        )

    def models(self) -> list[Mapping[str, Any]]:
        """What the server says of its models; costs nothing. Raises `EndpointError` where no server answers."""
        listing = self._tried(self._get_models, patience=0.0)
        listed = listing.get("data")
        return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    def _get_models(self) -> httpx2.Response:
        try:
            return self._client.get("/models", cast_to=httpx2.Response)
        except openai.InternalServerError as exc:  # it is there, and cannot list them
            raise RefusedError("it does not list its models", status=exc.status_code) from None

    def free(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A question that costs nothing (such as tokenising); None where the server has no such route."""
        try:
            return self._tried(lambda: self._client.post(url, body=dict(body), cast_to=httpx2.Response))
        except RefusedError:
            return None

    def known(self, route: str, body: Mapping[str, Any], scope: str = "") -> Mapping[str, Any] | None:
        """The answer to an equal request of earlier; None where there was none."""
        reply: Mapping[str, Any] | None = self.journal.answer(self._key(route, body, scope))
        return reply

    def ask(self, route: str, body: Mapping[str, Any], most: Usage, scope: str = "") -> Answer:
        """The answer to a request, from the journal or from the server.

        Args:
            route: Below the base URL, or a whole URL.
            body: What is sent.
            most: What it may cost at most; set aside while it is under way.
            scope: Requests of other scopes are other requests: what is to be asked twice has two.

        Raises:
            RefusedError: The server does not take this request.
            EndpointError: The server takes no requests now.
            BudgetError: It could pass the budget; it was not sent.
        """
        kept = self.known(route, body, scope)
        if kept is not None:
            return Answer(kept, is_new=False)
        number, lost = self.journal.reserve(most), list[Usage | None]()
        try:
            reply = self._tried(lambda: self._post(route, body), lost=lost)
            used = usage_of(reply) or most
            self._same_model(reply, used)
            self.journal.book(used, self._key(route, body, scope), reply, [usage or used for usage in lost])
        except SearchError:
            self.journal.book_lost([usage or most for usage in lost])
            raise
        finally:
            self.journal.release(number)
        return Answer(reply, is_new=True)

    def _same_model(self, made: Mapping[str, Any], used: Usage) -> None:
        named = str(made.get("model") or "")
        if self.served and named and named != self.served:
            self.journal.book_lost([used])
            raise EndpointError(
                f"the endpoint {self.address.shown} answers as {named!r}, and was probed as {self.served!r}: what "
                "another model says is not kept. Name the model exactly, or start again with --fresh"
            )

    def _see_head(self, response: httpx2.Response) -> None:
        self._seen.head = response.is_success

    def _post(self, route: str, body: Mapping[str, Any]) -> httpx2.Response:
        with self.gate.place():
            return self._client.post(route, body=dict(body), cast_to=httpx2.Response)

    def _key(self, route: str, body: Mapping[str, Any], scope: str) -> str:
        return fingerprint([self.address.shown, route.removeprefix(self.address.root), dict(body), scope])

    def _tried(
        self,
        send: Callable[[], httpx2.Response],
        *,
        lost: list[Usage | None] | None = None,
        patience: float | None = None,
    ) -> Mapping[str, Any]:
        """The JSON that `send` brings, tried again while it fails for a reason that may pass.

        Args:
            send: Makes one request.
            lost: Takes in every answer that was made, and paid for, and is of no use: its usage, or None where that is
                not known. Given for requests for text, which need choices.
            patience: Seconds; None for those of the address.
        """
        until = time.monotonic() + (self.address.patience if patience is None else patience)
        for wait in _WAITS.waits(self._rng):
            self._seen.head = False
            try:
                reply = _json(send())
                if lost is None or _has_text(reply):
                    self.gate.succeeded()
                    return reply
                lost.append(usage_of(reply))
                reason, delay = "it answers without choices", wait
            except openai.APIStatusError as exc:
                self._end_on(exc)
                reason, delay = f"it answers {exc.status_code}", max(wait, _delay(exc.response.headers) or 0.0)
                if exc.status_code in (429, 503) and time.monotonic() + delay <= until:
                    self.gate.refused(delay)
            except (openai.APIError, httpx2.HTTPError, OSError, _NoJsonError) as exc:
                reason, delay = _said(exc), wait
                if lost is not None and self._was_paid(exc):
                    lost.append(None)
            if time.monotonic() + delay > until:
                raise self._away(reason, delay)
            time.sleep(delay)
        raise AssertionError("waits are without end")

    def _was_paid(self, exc: Exception) -> bool:
        """Whether the server is likely to have made the answer that did not come: it had begun to send it, or was given
        up. One that closes the connection before that has made none, as far as anybody can tell."""
        cause = exc.__cause__ or exc
        is_late = isinstance(exc, openai.APITimeoutError) and not isinstance(cause, httpx2.ConnectTimeout)
        return is_late or (bool(getattr(self._seen, "head", False)) and not isinstance(exc, _NoJsonError))

    def _away(self, reason: str, delay: float) -> EndpointError:
        wants = f", and wants to be asked in {delay:.0f} s" if delay > 60 else ""
        return EndpointError(
            f"the endpoint {self.address.shown} does not answer ({reason}{wants}). What was measured is kept: run the "
            "same command again when it is back"
        )

    def _end_on(self, exc: openai.APIStatusError) -> None:
        """Raise what no waiting heals."""
        code, field, message = _details(exc)
        where = f"the endpoint {self.address.shown}"
        if exc.status_code in (401, 403):
            missing = "" if self.address.key else f", and the environment variable {self.address.key_from} is not set"
            raise EndpointError(f"{where} does not accept the key ({exc.status_code}){missing}") from None
        if code in _FOREVER or exc.status_code == 402:
            raise EndpointError(
                f"{where} says that the account's quota is used up. What was measured is kept: run the same command "
                "again when there is credit"
            ) from None
        if exc.status_code < 500 and exc.status_code not in (408, 409, 425, 429):
            raise RefusedError(self._clean(message), status=exc.status_code, field=field) from None

    def _clean(self, text: str) -> str:
        """What a server says, without keys that it may repeat, and short."""
        text = " ".join(re.sub(r"(?i)\b(sk|key|bearer)[-_ ][\w.-]{6,}", "***", text).split())
        return (text.replace(self.address.key, "***") if self.address.key else text)[:_MOST_SHOWN]


class _NoJsonError(Exception):
    """An answer that is not even JSON: a gateway's page, say."""


def usage_of(made: Mapping[str, Any]) -> Usage | None:
    """The usage that an answer names; None where it names none."""
    told = made.get("usage") or made.get("meta_info") or {}
    if not told.get("prompt_tokens"):
        return None
    cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or told.get("cached_tokens") or 0
    return Usage(int(told["prompt_tokens"]), int(cached), int(told.get("completion_tokens") or 0))


def _json(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        content = response.json()
    except ValueError as exc:
        kind = response.headers.get("content-type", "nothing known").partition(";")[0]
        raise _NoJsonError(f"it answers with {kind} instead of JSON") from exc
    if not isinstance(content, dict):
        raise _NoJsonError("it answers with JSON that is no object")
    return content


def _has_text(made: Mapping[str, Any]) -> bool:
    return bool(made.get("choices") or made.get("meta_info"))


def _details(exc: openai.APIStatusError) -> tuple[str, str, str]:
    """Code, field and message of an error body, whatever its form."""
    body = exc.body if isinstance(exc.body, dict) else {}
    inner = body.get("error", body)
    inner = inner if isinstance(inner, dict) else {"message": inner}
    message = inner.get("message") or inner.get("detail") or f"it answers {exc.status_code}"
    return str(inner.get("code") or inner.get("type") or ""), str(inner.get("param") or ""), str(message)


def _delay(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server wants to be left alone; None where it says nothing."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if not value:
            continue
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
            except ValueError:
                continue
    return None


def _said(exc: BaseException) -> str:
    """A transport failure in words: exceptions of transports may quote addresses with secrets."""
    if isinstance(exc, _NoJsonError):
        return str(exc)
    if isinstance(exc, openai.APITimeoutError | httpx2.TimeoutException):
        return "it does not answer in time"
    cause = exc.__cause__ or exc
    return f"the connection failed: {type(cause).__name__}"
