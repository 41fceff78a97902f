"""A scripted OpenAI-compatible server on this machine: it plays dialects, has faults when told to, and keeps a bill.

with EndpointServer("vllm") as server:
    server.faults += [Fault("429", after=0.1), Fault("cut")]
    ...  # server.url, server.bill, server.bodies
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from autoprompt_search.core.rng import derive_seed
from autoprompt_search.testing.endpoint_dialects import DIALECTS, Bill, Dialect, Prices
from autoprompt_search.testing.endpoint_model import END, EndpointModel, Written, pieces, token_id
from autoprompt_search.testing.endpoint_wire import MODEL, Fault, Refused, WireServer


class EndpointServer:
    """The server; a context that runs while it is open.

    Args:
        dialect: A name of `DIALECTS`, or one of one's own.
        model: What it says.
        prices: What it asks for.
        key: The key that requests must bear; None for any or none.
        busy_above: Requests at a time; more of them get a 429. None for any number.
        seconds: What an answer takes.
    """

    def __init__(
        self,
        dialect: str | Dialect = "vllm",
        model: EndpointModel | None = None,
        *,
        prices: Prices | None = None,
        key: str | None = None,
        busy_above: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self.model = model or EndpointModel()
        self.bill = Bill(prices or Prices())
        self.key, self.busy_above, self.seconds = key, busy_above, seconds
        self.faults: list[Fault] = []
        """Met by the next requests for text, one each, in order."""
        self.bodies: list[Mapping[str, Any]] = []
        """What was asked for, in order of arrival."""
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()
        self._begun: set[int] = set()
        """Beginnings that are cached, by their hash."""
        self._http = WireServer(self)

    @property
    def url(self) -> str:
        """The base of its routes."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def enter(self, body: Mapping[str, Any]) -> Fault | None:
        """Take a request in; the fault that it meets."""
        with self._lock:
            self.bodies.append(body)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            if self.busy_above is not None and self._running > self.busy_above:
                return Fault("429")
            if not self.faults:
                return None
            fault = self.faults[0]
            self.faults[:1] = [Fault(fault.kind, fault.after, fault.times - 1)] if fault.times > 1 else []
            return fault

    def leave(self) -> None:
        """The request is over."""
        with self._lock:
            self._running -= 1

    def answer(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request, paid for."""
        if route == "/tokenize":
            text = str(body.get("prompt", body.get("content", "")))
            return {"tokens": [token_id(p) for p in pieces(text)], "count": len(pieces(text))}
        if route == "/generate":
            return self._native(body)
        time.sleep(self.seconds)
        is_chat = route == "/v1/chat/completions"
        if body.get("model") != MODEL:
            raise Refused(404, f"The model `{body.get('model')}` does not exist", "model_not_found")
        self._check(body, is_chat=is_chat)
        prompt = self._chat_text(body["messages"]) if is_chat else str(body["prompt"])
        kept = pieces(prompt)[-(self.dialect.context or 10**9) :]
        prompt = "".join(kept)
        cached, is_warm = self._cached(kept)
        flips = is_warm and derive_seed("warm", prompt) / 2**32 < self.dialect.warm_flips
        if not is_chat and body.get("echo") and self.dialect.echo == "kept" and body.get("logprobs"):
            return self._echoed(prompt, body, cached)
        written = self._written(prompt, body, swaps=flips)
        completion = written.tokens + self.dialect.thinks
        usage = self._usage(len(kept), cached, completion)
        choice = self._chat_choice(written, body) if is_chat else self._text_choice(written, body)
        if self.dialect.says_stop:
            choice["stop_reason"] = written.stop or None
        return {"id": "scripted", "object": "x", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}

    def _check(self, body: Mapping[str, Any], *, is_chat: bool) -> None:
        """Refuse what this dialect refuses, in its own words."""
        dialect = self.dialect
        if not (dialect.has_chat if is_chat else dialect.has_completions):
            raise Refused(404, "This is not a model for this route", "not_found")
        stops = _listed(body.get("stop"))
        refused = {
            "logprobs": dialect.top == "refused" and bool(body.get("logprobs")),
            "temperature": dialect.sampling == "refused" and body.get("temperature", 1) != 1,
            "top_p": dialect.sampling == "refused" and body.get("top_p", 1) != 1,
            "stop": bool(stops) and dialect.stops == "refused",
            "max_tokens": dialect.needs_new_cap and "max_tokens" in body,
            "echo": dialect.echo == "refused" and bool(body.get("echo")),
            "service_tier": bool(dialect.tiers) and body.get("service_tier", "auto") not in dialect.tiers,
        }
        for name in [name for name, is_refused in refused.items() if is_refused]:
            raise Refused(400, f"Unsupported parameter: '{name}' is not supported with this model.", name)
        if dialect.most_stops is not None and len(stops) > dialect.most_stops:
            raise Refused(400, f"'stop' takes at most {dialect.most_stops} strings", "stop")

    def _chat_text(self, messages: list[Mapping[str, str]]) -> str:
        said = [m for m in messages if m["role"] != "system" or self.dialect.system == "kept"]
        if self.dialect.hidden_system and not any(m["role"] == "system" for m in said):
            said = [{"role": "system", "content": self.dialect.hidden_system}, *said]
        return "".join(f"<{m['role']}>{m['content']}</{m['role']}>" for m in said) + "<assistant>"

    def _written(self, prompt: str, body: Mapping[str, Any], *, swaps: bool) -> Written:
        dialect = self.dialect
        cap = int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)
        if dialect.thinks >= cap:
            return Written("", "length", max(0, cap - dialect.thinks), (), ())
        choices = self._choices(body)
        if choices:
            text = self.model.choose(prompt, choices)
            shown = json.dumps({_only_property(body): text}) if body.get("response_format") else text
            return Written(shown, "stop", len(pieces(shown)) + 1, (), ())
        obeys = dialect.sampling == "obeyed"
        stop = _listed(body.get("stop")) if dialect.stops == "obeyed" else []
        written = self.model.write(
            prompt,
            cap - dialect.thinks,
            temperature=float(body.get("temperature", 1.0)) if obeys else 0.0,
            top_p=float(body.get("top_p", 1.0)),
            seed=int(body.get("seed") or 0),
            stop=stop,
            swaps=swaps,
        )
        if dialect.shows_stop and stop:
            whole = "".join(written.chosen)
            return replace(written, text=whole)
        return written

    def _choices(self, body: Mapping[str, Any]) -> list[str]:
        known = self.dialect.structured
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
        if schema and "json_schema" in known:
            return [str(c) for value in schema.get("properties", {}).values() for c in value.get("enum", ())]
        outputs = body.get("structured_outputs") or {}
        return [str(c) for c in outputs.get("choice", ())] if "structured_outputs" in known else []

    def _echoed(self, prompt: str, body: Mapping[str, Any], cached: int) -> dict[str, Any]:
        parts, found = pieces(prompt), self.model.logprobs_of(prompt)
        offsets = [sum(map(len, parts[:n])) for n in range(len(parts))]
        new = 1 if body.get("max_tokens") else 0
        logprobs = {"tokens": parts, "token_logprobs": found, "text_offset": offsets, "top_logprobs": None}
        choice = {"index": 0, "text": prompt, "finish_reason": "length", "logprobs": logprobs}
        usage = self._usage(len(parts), cached, new)
        return {"id": "scripted", "object": "x", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}

    def _native(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.dialect.label_ids != "native":
            raise Refused(404, "no such route")
        prompt = str(body["text"])
        step = {token_id(piece): p for piece, p in self.model.next(prompt).items()}
        cached, _ = self._cached(pieces(prompt))
        usage = self._usage(len(pieces(prompt)), cached, 1)
        wanted = [[math.log(step.get(i, 1e-6)), i, None] for i in body.get("token_ids_logprob", ())]
        meta = {"output_token_ids_logprobs": [wanted], **usage, "cached_tokens": cached, "finish_reason": {}}
        return {"text": next(iter(self.model.next(prompt))), "meta_info": meta}

    def _chat_choice(self, written: Written, body: Mapping[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": written.text}
        choice = {"index": 0, "message": message, "finish_reason": written.finish, "logprobs": None}
        if body.get("logprobs") and self.dialect.top == "obeyed" and written.steps:
            most = min(int(body.get("top_logprobs") or 0), self.dialect.most_top)
            content = []
            for step, piece in zip(written.steps, written.chosen, strict=True):
                tops = self._tops(step, most, body)
                chosen = {"token": _shown(piece), "logprob": math.log(step[piece]), "bytes": None}
                content.append({**chosen, "top_logprobs": [{"token": t, "logprob": p} for t, p in tops.items()]})
            choice["logprobs"] = {"content": content}
        return choice

    def _text_choice(self, written: Written, body: Mapping[str, Any]) -> dict[str, Any]:
        choice = {"index": 0, "text": written.text, "finish_reason": written.finish, "logprobs": None}
        if body.get("logprobs") and self.dialect.top == "obeyed" and written.steps:
            tops = [self._tops(step, min(int(body["logprobs"]), self.dialect.most_top), body) for step in written.steps]
            own = [math.log(step[piece]) for step, piece in zip(written.steps, written.chosen, strict=True)]
            shown = [_shown(piece) for piece in written.chosen]
            choice["logprobs"] = {"tokens": shown, "token_logprobs": own, "top_logprobs": tops, "text_offset": []}
        return choice

    def _tops(self, step: Mapping[str, float], most: int, body: Mapping[str, Any]) -> dict[str, float]:
        """The most likely tokens, or those that were asked for by number."""
        wanted = body.get("logprob_token_ids")
        if wanted and self.dialect.label_ids == "logprob_token_ids":
            by_id = {token_id(piece): p for piece, p in step.items()}
            return {f"token_id:{i}": math.log(by_id.get(i, 1e-6)) for i in wanted}
        return {_shown(piece): math.log(p) for piece, p in list(step.items())[:most]}

    def _cached(self, parts: list[str]) -> tuple[int, bool]:
        """Tokens of the prompt that were read before, and whether the whole of it was."""
        dialect = self.dialect
        step, whole = dialect.cache_step, derive_seed("whole", *parts)
        with self._lock:
            is_warm = whole in self._begun
            self._begun.add(whole)
            if dialect.cache_from is None:
                return 0, is_warm
            marks, mark = [], 0
            for n in range(step, len(parts), step):
                mark = derive_seed("begun", mark, *parts[n - step : n])
                marks.append((n, mark))
            known = [n for n, mark in marks if mark in self._begun and n >= dialect.cache_from]
            self._begun.update(mark for _, mark in marks)
        return max(known, default=0), is_warm

    def _usage(self, prompt: int, cached: int, completion: int) -> dict[str, Any]:
        with self._lock:
            self.bill.book(prompt, cached, completion)
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
        if self.dialect.cache_from is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        if self.dialect.thinks:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.dialect.thinks}
        return {**usage, "total_tokens": prompt + completion}


def _only_property(body: Mapping[str, Any]) -> str:
    return str(next(iter(body["response_format"]["json_schema"]["schema"]["properties"])))


def _shown(piece: str) -> str:
    return "<|end|>" if piece == END else piece


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
