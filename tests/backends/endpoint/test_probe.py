"""The probe classifies every dialect by what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from autoprompt_search.backends.endpoint.certificate import Certificate
from autoprompt_search.backends.endpoint.surroundings import Surroundings
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.testing.endpoint_dialects import DIALECTS
from autoprompt_search.testing.endpoint_server import EndpointServer
from tests.backends.endpoint.conftest import opened

Serve = Callable[..., EndpointServer]
WAYS = {
    "vllm": (("exact", "echo", "top-k", "constrained", "text"), ("exact", "top-k", "constrained", "text")),
    "sglang": (("exact", "echo", "top-k", "constrained", "text"), ("top-k", "constrained", "text")),
    "llama.cpp": (("top-k", "constrained", "text"), ("top-k", "constrained", "text")),
    "ollama": (("constrained", "text"), ("constrained", "text")),
    "openai": (("top-k", "constrained", "text"), ("top-k", "constrained", "text")),
    "openai-reasoning": (("constrained", "text"), ("constrained", "text")),
    "litellm": (("text",), ("text",)),
    "transformers": (("text",), ("text",)),
}
SAYS = {
    "vllm": {"stop strings": "kept", "cached beginnings": "yes", "temperature 0": "10 of 16"},
    "sglang": {"cached beginnings": "yes", "labels by exact (chat)": "not given"},
    "llama.cpp": {"labels by echo (completions)": "not given, though", "temperature 0": "16 of 16"},
    "ollama": {"long prompts": "cut in silence at 4,096", "labels by choice (chat)": "kept"},
    "openai": {"completions route": "absent", "cached beginnings": "yes of prompts that are long"},
    "openai-reasoning": {
        "thinks before it answers": "yes, 48",
        "fields it refuses": "temperature",
        "stop strings": "refused",
        "sampling": "refused",
    },
    "litellm": {"system message": "dropped", "stop strings": "ignored"},
    "transformers": {"stop strings": "left in the text", "hidden system message": "yes"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_classified_by_its_answers_and_costs_what_it_says(serve: Serve, name: str) -> None:
    server = serve(name)
    backend = opened(server)
    found = backend.certificate
    assert (found.ways, found.chat_ways) == WAYS[name]
    for question, answer in SAYS[name].items():
        assert answer in found.findings[question]
    spent = backend.journal.spent("probe")
    assert (spent.requests, spent.tokens) == (
        server.bill.requests,
        server.bill.prompt_tokens + server.bill.completion_tokens,
    )
    assert spent.usd == pytest.approx(server.bill.usd)
    assert Certificate.from_plain(found.plain()) == found


def test_the_certificate_is_kept_and_its_way_is_part_of_the_fingerprint(serve: Serve, tmp_path) -> None:
    server = serve("openai")
    around = Surroundings(tmp_path / "endpoint.sqlite")
    first = opened(server, surroundings=around).fingerprint
    asked = len(server.bodies)
    assert opened(server, surroundings=around).fingerprint == first
    assert len(server.bodies) == asked
    other = opened(server, surroundings=around, scoring="constrained")
    assert other.certificate.way == "constrained"
    assert other.fingerprint != first


@pytest.mark.parametrize(
    ("change", "question", "answer"),
    [
        ({"sampling": "ignored"}, "sampling", "ignored: three seeds"),
        ({"top": "refused"}, "labels by top-k (chat)", "refused: Unsupported parameter: 'logprobs'"),
        ({"stops": "refused"}, "stop strings", "refused"),
    ],
)
def test_what_is_ignored_or_refused_is_found_out(serve: Serve, change, question: str, answer: str) -> None:
    server = serve(replace(DIALECTS["openai"], **change))
    assert answer in opened(server).certificate.findings[question]


def test_a_model_that_is_not_there_is_a_mistake_that_names_those_that_are(serve: Serve) -> None:
    server = serve("vllm")
    backend = opened(server, model="scripted-2")
    with pytest.raises(ConfigError, match=r"backend\.model: the server has no 'scripted-2'; it has scripted-1"):
        _ = backend.certificate
    assert backend.problems([], []) == ["model: the server has no 'scripted-2'; it has scripted-1"]


def test_a_way_that_the_endpoint_does_not_have_is_refused(serve: Serve) -> None:
    with pytest.raises(ConfigError, match="scoring: the endpoint does not score labels by 'echo'; it does by top-k"):
        _ = opened(serve("openai"), scoring="echo").certificate
