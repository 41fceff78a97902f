"""Whatever goes wrong between here and the server: nothing measured is lost, and nothing is counted wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from autoprompt_search.backends.endpoint.backend import OpenAIBackend
from autoprompt_search.backends.endpoint.journal import Caps
from autoprompt_search.backends.endpoint.surroundings import Surroundings
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import BudgetError, EndpointError, TrialError
from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.endpoint_wire import Fault
from tests.backends.endpoint.conftest import opened

Serve = Callable[..., EndpointServer]
PROMPTS = [
    Rendered((Segment(f"Review: I {verb} film {n}.\n\nIt was"),)) for n in range(6) for verb in ("loved", "hated")
]
ANSWERS = (" good", " bad")
NAMED = {"api": "completions", "scoring": "exact"}
PASSING = {
    "429": [Fault("429")],
    "429 with a delay": [Fault("429", after=0.3)],
    "500": [Fault("500", times=2)],
    "503": [Fault("503")],
    "cut answer": [Fault("cut")],
    "cut connection": [Fault("drop")],
    "HTML": [Fault("html")],
    "empty choices": [Fault("empty")],
    "slow first byte": [Fault("slow", after=1.5)],
}


def named(server: EndpointServer, **options) -> OpenAIBackend:
    """A backend that needs no probe."""
    return opened(server, **{**NAMED, "scoring": "top-k", "timeout": 0.8, **options})


def texts(backend: OpenAIBackend, prompts: Sequence[Rendered] = PROMPTS) -> list[str]:
    return [said.text for said in backend.generate(prompts, Limits(8)).completions]


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_waited_for_and_counted_as_the_server_does(serve: Serve, name: str) -> None:
    expected = texts(named(serve("llama.cpp")))
    server = serve("llama.cpp")
    server.faults += PASSING[name]
    backend = named(server)
    assert texts(backend) == expected
    assert backend.journal.spent().usd == pytest.approx(server.bill.usd)
    assert backend.journal.spent().requests == server.bill.requests


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("quota"), "quota is used up"),
        (Fault("401"), "does not accept the key"),
        (Fault("500", times=99), "does not answer"),
        (Fault("429", after=900.0), "wants to be asked in 900 s"),
    ],
)
def test_what_does_not_pass_ends_in_one_sentence_and_loses_nothing(serve: Serve, tmp_path, fault, says: str) -> None:
    server = serve("llama.cpp")
    around = Surroundings(tmp_path / "endpoint.sqlite", concurrency=2)
    first = named(server, surroundings=around, patience=0.5)
    texts(first, PROMPTS[:5])
    server.faults.append(fault)
    with pytest.raises(EndpointError, match=says) as caught:
        texts(first, PROMPTS)
    assert "\n" not in str(caught.value)
    server.faults.clear()
    kept = first.journal.spent().requests
    second = named(server, surroundings=around)
    asked = second.generate(PROMPTS, Limits(8))
    assert second.journal.spent().requests == len(PROMPTS) == server.bill.requests
    assert asked.computed == len(PROMPTS) - kept
    assert second.generate(PROMPTS, Limits(8)).computed == 0


def test_no_content_is_an_answer_that_is_empty(serve: Serve) -> None:
    server = serve("llama.cpp")
    server.faults.append(Fault("null"))
    assert texts(named(server))[0] == ""


def test_another_model_is_not_believed(serve: Serve) -> None:
    server = serve("llama.cpp")
    backend = opened(server)
    _ = backend.certificate
    server.faults.append(Fault("model"))
    with pytest.raises(EndpointError, match="answers as 'another-model', and was probed as 'scripted-1'"):
        texts(backend)
    assert backend.journal.spent().usd == pytest.approx(server.bill.usd)


def test_a_key_is_sent_and_never_said(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret-0123456789")
    server = serve("llama.cpp", key="sk-very-secret-0123456789")
    around = Surroundings(tmp_path / "endpoint.sqlite")
    right = named(server, key_from="MY_KEY", surroundings=around)
    texts(right)
    monkeypatch.setenv("MY_KEY", "sk-wrong-but-secret-too")
    with pytest.raises(EndpointError) as caught:
        texts(named(server, key_from="MY_KEY"))
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(EndpointError, match="the environment variable MY_KEY is not set"):
        texts(named(server, key_from="MY_KEY"))
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + str(caught.value).encode()
    assert b"secret" not in written


def test_a_busy_server_gets_fewer_requests_at_a_time_and_all_are_answered(serve: Serve) -> None:
    server = serve("llama.cpp", busy_above=3, seconds=0.02)
    backend = named(server, surroundings=Surroundings(concurrency=12))
    assert len(texts(backend)) == len(PROMPTS)
    assert backend.client.gate.limit < 12
    assert backend.journal.spent().requests == server.bill.requests == len(PROMPTS)


@pytest.mark.parametrize("caps", [Caps(requests=5), Caps(usd=0.0004), Caps(tokens=200)])
def test_a_budget_is_never_passed(serve: Serve, caps: Caps) -> None:
    server = serve("llama.cpp")
    backend = named(server, surroundings=Surroundings(caps=caps))
    with pytest.raises(BudgetError, match=r"budget\.\w+: .* do not pay for another request"):
        texts(backend)
    spent = backend.journal.spent()
    assert 0 < spent.requests < len(PROMPTS)
    assert spent.requests == server.bill.requests
    for name in ("requests", "usd", "tokens"):
        most = getattr(caps, name)
        assert most is None or getattr(spent, name) <= most


def test_a_refused_prompt_fails_its_trial_alone(serve: Serve) -> None:
    server = serve("openai-reasoning")
    with pytest.raises(TrialError, match="refuses a prompt of 31 characters: Unsupported parameter: 'temperature'"):
        texts(opened(server, api="chat", scoring="text"))
