"""The wire side of the scripted endpoint: what one request gets, and what goes wrong with it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast

from autoprompt_search.testing.endpoint_dialects import Dialect

MODEL = "scripted-1"
"""The only model that the server has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request for text.

    `429`, `500`, `503`, `401`, `quota` (a 429 that stays), `html` (no JSON), `empty` (no choices), `null` (no content),
    `model` (another model answers), `slow` (`after` seconds late), `cut` (the answer breaks off), `drop` (no
    answer: the connection closes).
    """

    kind: str
    after: float | None = None
    """Seconds: `retry-after` of a 429 or 503, lateness of `slow`."""
    times: int = 1


class Refused(Exception):  # noqa: N818 - a status, not a mistake of ours
    """A request that the server does not take."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Answers(Protocol):
    """What the handler needs of a server."""

    dialect: Dialect
    key: str | None

    def enter(self, body: Mapping[str, Any]) -> Fault | None:
        """Take a request in; the fault that it meets."""
        ...

    def leave(self) -> None:
        """The request is over."""
        ...

    def answer(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request, paid for."""
        ...


_JSON: Mapping[str, str] = {"Content-Type": "application/json"}


class WireServer(ThreadingHTTPServer):
    """Listens on a free port of this machine and passes on to an endpoint."""

    daemon_threads = True

    def __init__(self, endpoint: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart they wait for each other

    @property
    def endpoint(self) -> Answers:
        return cast("WireServer", self.server).endpoint

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": self.endpoint.dialect.owner}
            self._send(200, {"object": "list", "data": [model]})
        else:
            self._send(404, _error("no such route"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint, said = self.endpoint, self.headers.get("Authorization")
        if endpoint.key and said != f"Bearer {endpoint.key}":
            self._send(401, _error(f"Incorrect API key provided: {said}"))
        elif self.path == "/tokenize":
            is_known = endpoint.dialect.tokenizes
            self._send(200, endpoint.answer(self.path, body)) if is_known else self._send(404, _error("no such route"))
        else:
            fault = endpoint.enter(body)
            try:
                self._meet(fault, body) if fault else self._send(200, endpoint.answer(self.path, body))
            except Refused as exc:
                self._send(exc.status, _error(exc.message, exc.code))
            finally:
                endpoint.leave()

    def _meet(self, fault: Fault, body: Mapping[str, Any]) -> None:
        """Faults before an answer is made, then those of an answer that is made and paid for."""
        kind, waits = fault.kind, {"Retry-After": f"{fault.after:g}"} if fault.after is not None else {}
        if kind in _STATUSES:
            self._send(*_STATUSES[kind], waits)
        elif kind == "html":
            self._raw(200, b"<html><body>Bad gateway</body></html>", headers={"Content-Type": "text/html"})
        elif kind == "drop":
            self._hang_up()
        else:
            self._spoil(fault, self.endpoint.answer(self.path, body))

    def _spoil(self, fault: Fault, made: dict[str, Any]) -> None:
        if fault.kind == "slow":
            time.sleep(fault.after or 0)
        elif fault.kind == "empty":
            made["choices"] = []
        elif fault.kind == "null":
            made["choices"][0].update({"message": {"role": "assistant", "content": None}, "text": None})
        elif fault.kind == "model":
            made["model"] = "another-model"
        data = json.dumps(made).encode()
        if fault.kind == "cut":
            self._raw(200, data[: len(data) // 2], length=len(data))
            self._hang_up()
        else:
            self._raw(200, data)

    def _send(self, status: int, made: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._raw(status, json.dumps(made).encode(), headers=headers)

    def _raw(
        self, status: int, data: bytes, *, length: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in {**_JSON, "Content-Length": str(length or len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # whoever asked did not wait
            self.close_connection = True

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "scripted", "code": code, "param": code}}


_STATUSES: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "429": (429, _error("try again later")),
    "500": (500, _error("it broke")),
    "503": (503, _error("too many ask")),
    "401": (401, _error("Incorrect API key provided")),
    "quota": (429, _error("You exceeded your current quota", "insufficient_quota")),
}
